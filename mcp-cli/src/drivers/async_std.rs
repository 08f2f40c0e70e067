//! The driver for futures-io on async-std.
//!
//! Owns async-std's names for what that driver needs of a runtime.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use async_std::net::TcpListener;
use async_std::task;
use mcp_driver::http::{ServeOptions, refuse_exposure};
use mcp_driver::{Asked, StreamOptions, until_insisted};
use mcp_driver_futures::http::serve_incoming;
use mcp_driver_futures::{ListenAddress, Platform, Termination, serve_stdio_until};
use mcp_server::{BoxFuture, Service};

#[derive(Clone, Debug)]
struct AsyncStd;

impl Platform for AsyncStd {
    type Sleep = BoxFuture<()>;

    fn spawn(&self, future: BoxFuture<()>) {
        task::spawn(future);
    }

    fn unblock(&self, work: Box<dyn FnOnce() + Send>) {
        task::spawn_blocking(work);
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        Box::pin(task::sleep(duration))
    }
}

pub(super) fn run_stdio(service: Service) -> io::Result<()> {
    minding_signals(async |asked| {
        let options = StreamOptions::default();
        serve_stdio_until(AsyncStd, service, options, asked)
            .await
            .map(drop)
    })
}

pub(super) fn run_http(
    service: Service,
    address: &str,
    options: ServeOptions,
    announce: impl FnOnce(SocketAddr),
) -> io::Result<()> {
    minding_signals(async |asked| {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        refuse_exposure(address, &options)?;
        announce(address);
        let (address, incoming) = (ListenAddress::Tcp(address), listener.incoming());
        serve_incoming(AsyncStd, address, incoming, service, options, asked)
            .await
            .map(drop)
    })
}

/// Serves until that is over, or until a signal has asked for its end and a second one insists.
fn minding_signals(serve: impl AsyncFnOnce(Asked) -> io::Result<()>) -> io::Result<()> {
    let mut signals = Termination::listen()?;
    let served = task::block_on(until_insisted(async || signals.recv().await, serve));
    served.unwrap_or(Ok(()))
}
