//! The contract of a driver, on any platform.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;

use mcp_driver::until_insisted;
use mcp_driver_futures::{
    ListenAddress, Platform, Termination, http, serve_incoming, serve_io_until, serve_stdio_until,
};
use mcp_server::Service;
use mcp_testkit::driver::{
    Ended, Gate, ListenOptions, Report, ServeOptions, StreamOptions, Subject,
};
use smol::Async;

/// A platform that runs a server on the calling thread.
pub(crate) trait Host: Platform {
    fn start() -> Self;
    fn block_on<T>(&self, future: impl Future<Output = T>) -> T;
}

pub(crate) fn subject<H: Host>(name: &'static str) -> Subject {
    with_unix::<H>(
        Subject::new(name)
            .with_stdio(stdio::<H>)
            .with_stream(stream::<H>)
            .with_tcp(tcp::<H>)
            .with_http(served_http::<H>),
    )
}

/// What [`mcp_driver_futures::run`] does on stdio, on this platform.
fn stdio<H: Host>(service: Service) -> ExitCode {
    let serve = || {
        let (host, mut signals) = (H::start(), Termination::listen()?);
        let (platform, options) = (host.clone(), StreamOptions::default());
        let served = host.block_on(until_insisted(
            async || signals.recv().await,
            async |asked| serve_stdio_until(platform, service, options, asked).await,
        ));
        served.transpose()
    };
    match serve() {
        Ok(_) => ExitCode::SUCCESS,
        Err::<_, io::Error>(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn stream<H: Host>(
    socket: TcpStream,
    service: Service,
    options: StreamOptions,
    stop: Gate,
) -> io::Result<Ended> {
    let host = H::start();
    let (reader, writer) = futures_lite::io::split(Async::new(socket)?);
    host.block_on(serve_io_until(
        host.clone(),
        service,
        reader,
        writer,
        options,
        stop,
    ))
}

fn tcp<H: Host>(
    listener: TcpListener,
    service: Service,
    options: ListenOptions,
    stop: Gate,
) -> io::Result<()> {
    let host = H::start();
    let address = ListenAddress::Tcp(listener.local_addr()?);
    let listener = Async::new(listener)?;
    let incoming = listener.incoming();
    host.block_on(serve_incoming(
        host.clone(),
        address,
        incoming,
        service,
        options,
        stop,
    ))
}

fn served_http<H: Host>(
    listener: TcpListener,
    service: Service,
    options: ServeOptions,
    stop: Gate,
) -> io::Result<Report> {
    let host = H::start();
    let address = ListenAddress::Tcp(listener.local_addr()?);
    let listener = Async::new(listener)?;
    let incoming = listener.incoming();
    host.block_on(http::serve_incoming(
        host.clone(),
        address,
        incoming,
        service,
        options,
        stop,
    ))
}

#[cfg(unix)]
fn with_unix<H: Host>(subject: Subject) -> Subject {
    subject.with_unix(|listener, service, options, stop| {
        let host = H::start();
        let listener = Async::new(listener)?;
        let incoming = listener.incoming();
        let address = ListenAddress::Local;
        host.block_on(serve_incoming(
            host.clone(),
            address,
            incoming,
            service,
            options,
            stop,
        ))
    })
}

#[cfg(not(unix))]
fn with_unix<H: Host>(subject: Subject) -> Subject {
    subject
}
