//! The contract of a driver, kept by this one.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;

use mcp_driver_tokio::{http, serve_io_until, serve_tcp};
use mcp_server::Service;
use mcp_testkit::driver::{
    Ended, Gate, ListenOptions, Report, ServeOptions, StreamOptions, Subject, main as contract,
};

/// Runs a server on a runtime of its own, which no thread that never ends may keep.
fn on_a_runtime<T>(serve: impl AsyncFnOnce() -> io::Result<T>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let ended = runtime.block_on(serve());
    runtime.shutdown_background();
    ended
}

fn stream(
    socket: TcpStream,
    service: Service,
    options: StreamOptions,
    stop: Gate,
) -> io::Result<Ended> {
    socket.set_nonblocking(true)?;
    on_a_runtime(async || {
        let (reader, writer) = tokio::net::TcpStream::from_std(socket)?.into_split();
        serve_io_until(service, reader, writer, options, stop).await
    })
}

fn tcp(
    listener: TcpListener,
    service: Service,
    options: ListenOptions,
    stop: Gate,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    on_a_runtime(async || {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        serve_tcp(listener, service, options, stop).await
    })
}

fn served_http(
    listener: TcpListener,
    service: Service,
    options: ServeOptions,
    stop: Gate,
) -> io::Result<Report> {
    listener.set_nonblocking(true)?;
    on_a_runtime(async || {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        http::serve(listener, service, options, stop).await
    })
}

#[cfg(unix)]
fn with_unix(subject: Subject) -> Subject {
    subject.with_unix(|listener, service, options, stop| {
        listener.set_nonblocking(true)?;
        on_a_runtime(async || {
            let listener = tokio::net::UnixListener::from_std(listener)?;
            mcp_driver_tokio::serve_unix(listener, service, options, stop).await
        })
    })
}

#[cfg(not(unix))]
fn with_unix(subject: Subject) -> Subject {
    subject
}

fn main() -> ExitCode {
    let subject = Subject::new("tokio")
        .with_stdio(mcp_driver_tokio::run)
        .with_stream(stream)
        .with_tcp(tcp)
        .with_http(served_http);
    contract(with_unix(subject))
}
