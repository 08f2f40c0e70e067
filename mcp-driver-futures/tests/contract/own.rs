//! The contract of a driver, kept on smol's parts and on an executor of one's own: whole processes, too.

use std::io;
use std::net::TcpListener;
use std::process::ExitCode;

mod kit;

use mcp_driver_futures::AsyncIo;
use mcp_server::Service;
use mcp_testkit::driver::{Gate, ListenOptions, Report, ServeOptions, main as contract};
use smol::Async;

impl kit::Host for AsyncIo {
    fn start() -> Self {
        Self::default()
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        Self::block_on(self, future)
    }
}

fn tcp(
    listener: TcpListener,
    service: Service,
    options: ListenOptions,
    stop: Gate,
) -> io::Result<()> {
    let (smol, listener) = (AsyncIo::default(), Async::new(listener)?);
    let served = mcp_driver_futures::serve_tcp(smol.clone(), listener, service, options, stop);
    smol.block_on(served)
}

fn served_http(
    listener: TcpListener,
    service: Service,
    options: ServeOptions,
    stop: Gate,
) -> io::Result<Report> {
    let (smol, listener) = (AsyncIo::default(), Async::new(listener)?);
    let served =
        mcp_driver_futures::http::serve_tcp(smol.clone(), listener, service, options, stop);
    smol.block_on(served)
}

fn main() -> ExitCode {
    let subject = kit::subject::<AsyncIo>("async-io");
    contract(
        subject
            .with_stdio(mcp_driver_futures::run)
            .with_tcp(tcp)
            .with_http(served_http),
    )
}
