//! The contract of HTTP, kept by the driver as it is on systems without `epoll`: a thread for each connection.

#[cfg(all(unix, feature = "http"))]
fn main() -> std::process::ExitCode {
    use mcp_driver_std::Stopper;
    use mcp_driver_std::http::serve_http_on_threads;
    use mcp_testkit::driver::{Subject, main as contract};

    let subject = Subject::new("std-threads").with_http(|listener, service, options, stop| {
        let stopper = Stopper::new();
        let told = stopper.clone();
        stop.then(move || told.stop());
        serve_http_on_threads(listener, service, options, &stopper)
    });
    contract(subject)
}

#[cfg(not(all(unix, feature = "http")))]
fn main() {}
