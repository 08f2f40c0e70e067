//! The contract of a driver, kept by this one.

#[cfg(unix)]
mod unix {
    use std::process::ExitCode;

    use mcp_driver_std::{Stopper, serve_io_until, serve_tcp, serve_unix};
    use mcp_testkit::driver::{Gate, Subject, main as contract};

    /// Stops what serves with it when the gate opens.
    fn until(stop: &Gate) -> Stopper {
        let stopper = Stopper::new();
        let told = stopper.clone();
        stop.then(move || told.stop());
        stopper
    }

    pub(super) fn main() -> ExitCode {
        let subject = Subject::new("std")
            .with_stdio(mcp_driver_std::run)
            .with_stream(|socket, service, options, stop| {
                let reader = socket.try_clone()?;
                serve_io_until(service, reader, socket, options, &until(&stop))
            })
            .with_tcp(|listener, service, options, stop| {
                serve_tcp(listener, service, options, &until(&stop))
            })
            .with_unix(|listener, service, options, stop| {
                serve_unix(listener, service, options, &until(&stop))
            });
        #[cfg(feature = "http")]
        let subject = subject.with_http(|listener, service, options, stop| {
            mcp_driver_std::http::serve_http(listener, service, options, &until(&stop))
        });
        #[cfg(feature = "tls")]
        let subject = subject.with_https(|listener, service, tls, options, stop| {
            mcp_driver_std::http::serve_https(listener, service, tls, options, &until(&stop))
        });
        contract(if cfg!(feature = "signals") {
            subject
        } else {
            subject.without_signals()
        })
    }
}

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    unix::main()
}

#[cfg(not(unix))]
fn main() {}
