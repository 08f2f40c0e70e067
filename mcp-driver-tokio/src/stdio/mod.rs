//! The process's standard streams as a connection.
//!
//! Owns how tokio reads and writes what [`mcp_driver::stdio`] takes. It must
//! never write anything but protocol bytes to the real output.

#[cfg_attr(unix, path = "unix_streams.rs")]
#[cfg_attr(not(unix), path = "other_streams.rs")]
mod streams;

mod thread;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use mcp_driver::{Ended, StreamOptions};
use mcp_server::IntoService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::runtime::TokioRuntime;
use crate::stream::pump;

/// Takes the process's standard input and output for the protocol.
///
/// From then on, for the rest of the process, descriptor 0 is the null device
/// and descriptor 1 goes where stderr goes (on Unix; elsewhere the standard
/// handles stay as they are). Must be called inside a tokio runtime.
///
/// # Errors
/// When they were taken before, or when the operating system refuses.
pub fn take_stdio() -> io::Result<(StdioReader, StdioWriter)> {
    let (input, output) = mcp_driver::stdio::take()?;
    let (reader, writer) = (streams::reader(input)?, streams::writer(output)?);
    Ok((StdioReader(reader), StdioWriter(writer)))
}

/// The protocol's input: what was descriptor 0 when [`take_stdio`] was called.
#[derive(Debug)]
pub struct StdioReader(streams::Reader);

/// The protocol's output: what was descriptor 1 when [`take_stdio`] was called.
#[derive(Debug)]
pub struct StdioWriter(streams::Writer);

impl AsyncRead for StdioReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for StdioWriter {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Serves the client that started this process, until it goes away.
///
/// End of file, an error and a hang-up on the input all mean the end; calls
/// that still run get
/// [`Limits::shutdown_bound`](mcp_server::proto::limits::Limits::shutdown_bound).
/// A hang-up on the output ends it at once, for nobody would hear an answer. Signals are left
/// alone: see [`run`](crate::run()) for the whole life of a stdio process.
///
/// # Errors
/// When the standard streams cannot be taken, or the server does not compile.
pub async fn serve_stdio<S: IntoService>(service: S) -> io::Result<Ended> {
    serve_stdio_until(service, StreamOptions::default(), std::future::pending()).await
}

/// Like [`serve_stdio`], and ends gracefully when `shutdown` completes.
///
/// # Errors
/// When the standard streams cannot be taken, or the server does not compile.
pub async fn serve_stdio_until<S: IntoService>(
    service: S,
    options: StreamOptions,
    shutdown: impl Future<Output = ()>,
) -> io::Result<Ended> {
    let service = service.into_service().map_err(io::Error::other)?;
    let (reader, writer) = take_stdio()?;
    let hang_up = writer.0.hang_up();
    let runtime = TokioRuntime::current();
    pump(service, runtime, reader, writer, options, shutdown, hang_up).await
}
