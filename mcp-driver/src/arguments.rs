//! The command line of a server process, and what comes before it serves.
//!
//! Owns the conventions of a server that a client or a shell starts. Must never write to the standard output: there only
//! the protocol speaks.

use std::fmt;
use std::io;
#[cfg(feature = "http")]
use std::net::SocketAddr;
use std::process::ExitCode;

use mcp_server::{IntoService, Service};

use crate::heap;
#[cfg(feature = "http")]
use crate::http::ServeOptions;

/// Where a server is asked to serve HTTP unless an address is named.
pub const DEFAULT_ADDRESS: &str = "127.0.0.1:8080";

/// Is told where HTTP is served, once it is.
#[cfg(feature = "http")]
pub type Announce = Box<dyn FnOnce(SocketAddr)>;

/// Serves HTTP at an address.
type ServeHttp<'a> = Box<dyn FnOnce(Service, &str) -> io::Result<()> + 'a>;

/// Where a server is asked to serve.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Request {
    Stdio,
    Http(String),
    Help,
}

/// An argument that is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Unknown(String);

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown argument '{}'; try --help", self.0)
    }
}

const USAGE_WITH_HTTP: &str = "\
Usage: [--stdio] | --http [ADDR]

  (nothing), --stdio   serve the client on standard input and output
  --http [ADDR]        serve Streamable HTTP at http://ADDR/mcp (default 127.0.0.1:8080)
";

const USAGE: &str = "\
Usage: [--stdio]

  (nothing), --stdio   serve the client on standard input and output
";

fn parse(mut arguments: impl Iterator<Item = String>, http: bool) -> Result<Request, Unknown> {
    let request = match arguments.next().as_deref() {
        None | Some("--stdio") => Request::Stdio,
        Some("--http") if http => Request::Http(
            arguments
                .next()
                .unwrap_or_else(|| DEFAULT_ADDRESS.to_owned()),
        ),
        Some(argument) if http && argument.starts_with("--http=") => {
            Request::Http(argument["--http=".len()..].to_owned())
        }
        Some("--help" | "-h") => Request::Help,
        Some(other) => return Err(Unknown(other.to_owned())),
    };
    match arguments.next() {
        None => Ok(request),
        Some(extra) => Err(Unknown(extra)),
    }
}

/// Builds `server`, prints its warnings, and serves it as the process's arguments say: nothing or `--stdio` for the
/// standard streams, `--http [ADDR]` for HTTP. Messages for people go to stderr, where HTTP is served among them.
///
/// The process is the server's alone, so its allocator is told to keep what one answer has freed for the next one: up to a
/// mebibyte, where the C library follows such a hint.
#[cfg(feature = "http")]
pub fn serve_as_asked<S: IntoService>(
    server: S,
    stdio: impl FnOnce(Service) -> io::Result<()>,
    http: impl FnOnce(Service, &str, ServeOptions, Announce) -> io::Result<()>,
) -> ExitCode {
    let http: ServeHttp<'_> = Box::new(|service, address| {
        let options = ServeOptions::default();
        let path = options.path.clone();
        let announce = move |address| eprintln!("serving MCP at http://{address}{path}");
        http(service, address, options, Box::new(announce))
    });
    serve(server, stdio, Some(http))
}

/// `serve_as_asked`, for a driver without HTTP: the standard streams are all that can be asked for.
pub fn serve_stdio_as_asked<S: IntoService>(
    server: S,
    stdio: impl FnOnce(Service) -> io::Result<()>,
) -> ExitCode {
    serve(server, stdio, None)
}

fn serve<S: IntoService>(
    server: S,
    stdio: impl FnOnce(Service) -> io::Result<()>,
    http: Option<ServeHttp<'_>>,
) -> ExitCode {
    let usage = if http.is_some() {
        USAGE_WITH_HTTP
    } else {
        USAGE
    };
    let request = match parse(std::env::args().skip(1), http.is_some()) {
        Ok(request) => request,
        Err(unknown) => {
            eprintln!("{unknown}\n\n{usage}");
            return ExitCode::from(2);
        }
    };
    let service = match server.into_service() {
        Ok(service) => service,
        Err(error) => {
            eprintln!("this server cannot be built: {error}");
            return ExitCode::FAILURE;
        }
    };
    for warning in service.warnings() {
        eprintln!("warning: {warning}");
    }
    heap::keep();
    let ended = match (request, http) {
        (Request::Stdio, _) => stdio(service),
        (Request::Http(address), Some(http)) => http(service, &address),
        (Request::Http(_) | Request::Help, _) => {
            eprint!("{usage}");
            return ExitCode::SUCCESS;
        }
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Request, Unknown> {
        parse(arguments.iter().map(|&argument| argument.to_owned()), true)
    }

    #[test]
    fn nothing_means_stdio() {
        assert_eq!(parsed(&[]), Ok(Request::Stdio));
        assert_eq!(parsed(&["--stdio"]), Ok(Request::Stdio));
    }

    #[test]
    fn http_takes_an_address_or_the_default() {
        let http = |address: &str| Ok(Request::Http(address.to_owned()));
        assert_eq!(parsed(&["--http"]), http("127.0.0.1:8080"));
        assert_eq!(parsed(&["--http", "[::1]:9"]), http("[::1]:9"));
        assert_eq!(parsed(&["--http=[::1]:9"]), http("[::1]:9"));
    }

    #[test]
    fn what_is_not_known_is_named() {
        let unknown = |argument: &str| Err(Unknown(argument.to_owned()));
        assert_eq!(parsed(&["--htttp"]), unknown("--htttp"));
        assert_eq!(parsed(&["--stdio", "x"]), unknown("x"));
        let without = parse(["--http".to_owned()].into_iter(), false);
        assert_eq!(without, unknown("--http"));
    }
}
