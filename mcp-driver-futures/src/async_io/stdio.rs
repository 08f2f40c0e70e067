//! The process's standard streams as a connection.
//!
//! Owns how async-io reads and writes what [`mcp_driver::stdio`] takes. Must never write anything but protocol bytes to the
//! real output.

use std::future::Future;
use std::io;
use std::pin::Pin;

use async_io::Async;
use blocking::Unblock;
use futures_io::{AsyncRead, AsyncWrite};
use mcp_driver::stdio::{Channel, take};
use mcp_driver::{Ended, StreamOptions};
use mcp_server::IntoService;

use crate::platform::Platform;
use crate::runtime::FuturesRuntime;
use crate::stream::serve_halves;

/// Serves the client that started this process, until it goes away.
///
/// End of file, an error and a hang-up on the input all mean the end; calls that still run get
/// [`Limits::shutdown_bound`](mcp_server::proto::limits::Limits::shutdown_bound). A hang-up on the output ends it
/// at once where that is a pipe, and elsewhere with the next answer, for nobody would hear it. Readiness comes from async-io's reactor, whatever
/// the platform is. Signals are left alone: see [`run`](crate::run()) for the whole life of a stdio process.
///
/// # Errors
/// When the standard streams cannot be taken, or the server does not compile.
pub async fn serve_stdio<S: IntoService>(platform: impl Platform, service: S) -> io::Result<Ended> {
    let options = StreamOptions::default();
    serve_stdio_until(platform, service, options, std::future::pending()).await
}

/// Like [`serve_stdio`], and ends gracefully when `shutdown` completes.
///
/// # Errors
/// When the standard streams cannot be taken, or the server does not compile.
pub async fn serve_stdio_until<S: IntoService>(
    platform: impl Platform,
    service: S,
    options: StreamOptions,
    shutdown: impl Future<Output = ()>,
) -> io::Result<Ended> {
    let service = service.into_service().map_err(io::Error::other)?;
    let (input, output) = take()?;
    let hang_up = hang_up(&output)?;
    let (reader, writer) = (waited_for(input)?, waited_for(output)?);
    let runtime = FuturesRuntime::new(platform);
    serve_halves(
        service, &runtime, reader, writer, options, shutdown, hang_up,
    )
    .await
}

/// What is read or written here, each in one direction alone.
trait Both: AsyncRead + AsyncWrite {}

impl<T: AsyncRead + AsyncWrite> Both for T {}

fn waited_for(channel: Channel) -> io::Result<Pin<Box<dyn Both + Send>>> {
    Ok(match channel {
        // The description is ours alone and does not block already.
        #[cfg(unix)]
        Channel::Pipe(fd) => Box::pin(Async::new_nonblocking(std::fs::File::from(fd))?),
        #[cfg(unix)]
        Channel::Socket(socket) => Box::pin(Async::new_nonblocking(socket)?),
        Channel::Blocking(file) => Box::pin(Unblock::new(file)),
        other => {
            let unknown = format!("{other:?}");
            return Err(io::Error::new(io::ErrorKind::Unsupported, unknown));
        }
    })
}

/// Completes when nobody reads the other end of a pipe any more; never for what cannot tell.
fn hang_up(output: &Channel) -> io::Result<impl Future<Output = ()> + use<>> {
    let watched = match output {
        // The end of a pipe that is written has nothing to read: it becomes readable by its error alone. The duplicate
        // has a registration of its own, so it never takes a wake-up from a write.
        #[cfg(unix)]
        Channel::Pipe(fd) if !io::IsTerminal::is_terminal(fd) => {
            Some(Async::new_nonblocking(fd.try_clone()?)?)
        }
        _ => None::<Async<Watched>>,
    };
    Ok(async move {
        if let Some(pipe) = watched
            && pipe.readable().await.is_ok()
        {
            return;
        }
        std::future::pending().await
    })
}

#[cfg(unix)]
type Watched = std::os::fd::OwnedFd;
#[cfg(not(unix))]
type Watched = std::net::TcpStream;
