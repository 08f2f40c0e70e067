//! Blocking streams as tokio wants them.
//!
//! Owns nothing: the threads are [`mcp_driver`]'s.

use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Reads on a thread.
#[derive(Debug)]
pub(super) struct ThreadReader(mcp_driver::ThreadReader);

impl ThreadReader {
    pub(super) fn start(source: impl Read + Send + 'static) -> io::Result<Self> {
        mcp_driver::ThreadReader::start("mcp-stdin", source).map(Self)
    }
}

impl AsyncRead for ThreadReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let most = buf.remaining();
        let read = self.0.poll_read(cx, most, |bytes| buf.put_slice(bytes));
        read.map_ok(drop)
    }
}

/// Writes on a thread.
#[derive(Debug)]
pub(super) struct ThreadWriter(mcp_driver::ThreadWriter);

impl ThreadWriter {
    pub(super) fn start(sink: impl Write + Send + 'static) -> io::Result<Self> {
        mcp_driver::ThreadWriter::start("mcp-stdout", sink).map(Self)
    }

    /// A blocking stream cannot tell before it is written to.
    #[cfg(not(unix))]
    pub(super) fn hang_up(&self) -> std::future::Pending<()> {
        std::future::pending()
    }
}

impl AsyncWrite for ThreadWriter {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}
