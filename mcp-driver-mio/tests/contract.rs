//! The contract of a driver, kept by this one. Its blocking handlers go to a pool of the host's, which is here.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;

use mcp_driver_mio::{
    DEFAULT_BLOCKING_THREADS, Driver, EventLoop, Job, ListenerHandle, LoopOptions, run_with,
};
use mcp_server::Service;
use mcp_testkit::driver::{
    Ended, Gate, ListenOptions, Report, ServeOptions, StreamOptions, Subject, main as contract,
};

/// A thread for each blocking handler that runs.
fn with_threads() -> LoopOptions {
    LoopOptions::default().with_pool(DEFAULT_BLOCKING_THREADS, |job: Job| {
        std::thread::spawn(move || job.run());
    })
}

/// Runs a loop that serves what `add` adds, until nothing of it is left.
fn served<T>(stop: &Gate, add: impl FnOnce(&mut Driver) -> io::Result<T>) -> io::Result<T> {
    let mut event_loop = EventLoop::with_options(with_threads())?;
    let added = add(event_loop.driver())?;
    let handle = event_loop.driver().handle();
    stop.then(move || handle.shutdown());
    event_loop.run()?;
    Ok(added)
}

fn stream(
    socket: TcpStream,
    service: Service,
    options: StreamOptions,
    stop: Gate,
) -> io::Result<Ended> {
    let connection = served(&stop, |driver| {
        driver.serve_tcp_stream(socket, service, options)
    })?;
    connection
        .ended()
        .ok_or_else(|| io::Error::other("it has no end"))
}

fn tcp(
    listener: TcpListener,
    service: Service,
    options: ListenOptions,
    stop: Gate,
) -> io::Result<()> {
    let listener = served(&stop, |driver| driver.serve_tcp(listener, service, options))?;
    over(&listener)
}

fn served_http(
    listener: TcpListener,
    service: Service,
    options: ServeOptions,
    stop: Gate,
) -> io::Result<Report> {
    let listener = served(&stop, |driver| {
        driver.serve_http(listener, service, options)
    })?;
    over(&listener)?;
    Ok(Report::new(listener.dropped()))
}

#[cfg(feature = "tls")]
fn served_https(
    listener: TcpListener,
    service: Service,
    tls: mcp_driver_mio::tls::TlsConfig,
    options: ServeOptions,
    stop: Gate,
) -> io::Result<Report> {
    let listener = served(&stop, |driver| {
        driver.serve_https(listener, service, tls, options)
    })?;
    over(&listener)?;
    Ok(Report::new(listener.dropped()))
}

fn over(listener: &ListenerHandle) -> io::Result<()> {
    if listener.is_over() {
        Ok(())
    } else {
        Err(io::Error::other("the loop is over and the listener is not"))
    }
}

#[cfg(unix)]
fn with_unix(subject: Subject) -> Subject {
    subject
        .with_stdio(|service| run_with(service, with_threads()))
        .with_unix(|listener, service, options, stop| {
            over(&served(&stop, |driver| {
                driver.serve_unix(listener, service, options)
            })?)
        })
}

#[cfg(not(unix))]
fn with_unix(subject: Subject) -> Subject {
    subject
}

fn main() -> ExitCode {
    let subject = Subject::new("mio")
        .with_stream(stream)
        .with_tcp(tcp)
        .with_http(served_http);
    #[cfg(feature = "tls")]
    let subject = subject.with_https(served_https);
    contract(with_unix(subject))
}
