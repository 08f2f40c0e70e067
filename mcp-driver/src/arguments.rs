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
#[cfg(all(feature = "http", feature = "tls"))]
use crate::tls::TlsConfig;

/// Where a server is asked to serve HTTP unless an address is named.
pub const DEFAULT_ADDRESS: &str = "127.0.0.1:8080";

/// Is told where HTTP is served, once it is.
#[cfg(feature = "http")]
pub type Announce = Box<dyn FnOnce(SocketAddr)>;

/// Serves HTTP at an address, over TLS if there are files for it.
type ServeHttp<'a> = Box<dyn FnOnce(Service, &str, Option<&TlsFiles>) -> io::Result<()> + 'a>;

/// Where a server is asked to serve.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Request {
    Stdio,
    Http {
        address: String,
        tls: Option<TlsFiles>,
    },
    Help,
}

/// Where certificate and key are.
#[derive(Debug, Clone, PartialEq, Eq)]
struct TlsFiles {
    certificates: String,
    key: String,
}

/// Why a command line is not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Misuse {
    /// An argument that is not known here.
    Unknown(String),
    /// A flag whose value is missing.
    NoValue(&'static str),
    /// One of the two flags of TLS without the other.
    Half { missing: &'static str },
    /// Flags of TLS where nothing is served that could have it.
    NothingToProtect,
    /// Flags of TLS in a program that has none.
    NoTls,
}

impl std::error::Error for Misuse {}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(argument) => write!(f, "unknown argument '{argument}'; try --help"),
            Self::NoValue(flag) => write!(f, "{flag} wants a file"),
            Self::Half { missing } => write!(f, "TLS needs {missing} as well"),
            Self::NothingToProtect => f.write_str("--tls-cert and --tls-key go with --http"),
            Self::NoTls => f.write_str(
                "this program was built without TLS: its driver has none, or not the feature `tls`",
            ),
        }
    }
}

const USAGE_WITH_TLS: &str = "\
Usage: [--stdio] | --http [ADDR] [--tls-cert FILE --tls-key FILE]

  (nothing), --stdio   serve the client on standard input and output
  --http [ADDR]        serve Streamable HTTP at http://ADDR/mcp (default 127.0.0.1:8080)
  --tls-cert FILE      serve https://ADDR/mcp instead: the certificate and its chain, PEM
  --tls-key FILE       the certificate's private key, PEM
";

const USAGE_WITH_HTTP: &str = "\
Usage: [--stdio] | --http [ADDR]

  (nothing), --stdio   serve the client on standard input and output
  --http [ADDR]        serve Streamable HTTP at http://ADDR/mcp (default 127.0.0.1:8080)
";

const USAGE: &str = "\
Usage: [--stdio]

  (nothing), --stdio   serve the client on standard input and output
";

const CERTIFICATES: &str = "--tls-cert";
const KEY: &str = "--tls-key";

/// What a program can do besides stdio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    not(all(feature = "http", feature = "tls")),
    allow(
        dead_code,
        reason = "what a program cannot do is named to those who ask for it"
    )
)]
enum Ability {
    Stdio,
    Http,
    Https,
}

impl Ability {
    const fn usage(self) -> &'static str {
        match self {
            Self::Stdio => USAGE,
            Self::Http => USAGE_WITH_HTTP,
            Self::Https => USAGE_WITH_TLS,
        }
    }
}

fn parse(arguments: impl Iterator<Item = String>, ability: Ability) -> Result<Request, Misuse> {
    let has_http = ability != Ability::Stdio;
    let mut arguments = arguments.peekable();
    let (mut address, mut stdio) = (None, false);
    let (mut certificates, mut key) = (None, None);
    while let Some(argument) = arguments.next() {
        let (flag, attached) = match argument.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => (flag, Some(value.to_owned())),
            _ => (argument.as_str(), None),
        };
        let once = address.is_none() && !stdio;
        match flag {
            "--help" | "-h" if attached.is_none() => return Ok(Request::Help),
            "--stdio" if once && attached.is_none() => stdio = true,
            "--http" if once && has_http => {
                let named = attached.or_else(|| arguments.next_if(|next| !next.starts_with("--")));
                address = Some(named.unwrap_or_else(|| DEFAULT_ADDRESS.to_owned()));
            }
            CERTIFICATES if certificates.is_none() => {
                let value = attached.or_else(|| arguments.next());
                certificates = Some(value.ok_or(Misuse::NoValue(CERTIFICATES))?);
            }
            KEY if key.is_none() => {
                let value = attached.or_else(|| arguments.next());
                key = Some(value.ok_or(Misuse::NoValue(KEY))?);
            }
            _ => return Err(Misuse::Unknown(argument)),
        }
    }
    let tls = match (certificates, key) {
        (None, None) => None,
        _ if ability != Ability::Https => return Err(Misuse::NoTls),
        _ if address.is_none() => return Err(Misuse::NothingToProtect),
        (Some(certificates), Some(key)) => Some(TlsFiles { certificates, key }),
        (Some(_), None) => return Err(Misuse::Half { missing: KEY }),
        (None, Some(_)) => {
            return Err(Misuse::Half {
                missing: CERTIFICATES,
            });
        }
    };
    Ok(address.map_or(Request::Stdio, |address| Request::Http { address, tls }))
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
    let http: ServeHttp<'_> = Box::new(|service, address, tls| {
        // Nobody gets here with files. Serving without TLS would be worse than not serving.
        if tls.is_some() {
            return Err(io::Error::new(io::ErrorKind::Unsupported, Misuse::NoTls));
        }
        let (options, announce) = announced("http");
        http(service, address, options, announce)
    });
    serve(server, stdio, Ability::Http, Some(http))
}

/// `serve_as_asked`, for a driver with TLS: `--tls-cert FILE --tls-key FILE` besides for HTTPS, which `https` serves.
#[cfg(all(feature = "http", feature = "tls"))]
pub fn serve_as_asked_with_tls<S: IntoService>(
    server: S,
    stdio: impl FnOnce(Service) -> io::Result<()>,
    http: impl FnOnce(Service, &str, ServeOptions, Announce) -> io::Result<()>,
    https: impl FnOnce(Service, &str, TlsConfig, ServeOptions, Announce) -> io::Result<()>,
) -> ExitCode {
    let http: ServeHttp<'_> = Box::new(|service, address, tls| {
        let Some(files) = tls else {
            let (options, announce) = announced("http");
            return http(service, address, options, announce);
        };
        let tls = TlsConfig::from_pem_files(&files.certificates, &files.key)?;
        let (options, announce) = announced("https");
        https(service, address, tls, options, announce)
    });
    serve(server, stdio, Ability::Https, Some(http))
}

/// The options of a server that was asked for by arguments, and what says where it is.
#[cfg(feature = "http")]
fn announced(scheme: &'static str) -> (ServeOptions, Announce) {
    let options = ServeOptions::default();
    let path = options.path.clone();
    let announce = move |address| eprintln!("serving MCP at {scheme}://{address}{path}");
    (options, Box::new(announce))
}

/// `serve_as_asked`, for a driver without HTTP: the standard streams are all that can be asked for.
pub fn serve_stdio_as_asked<S: IntoService>(
    server: S,
    stdio: impl FnOnce(Service) -> io::Result<()>,
) -> ExitCode {
    serve(server, stdio, Ability::Stdio, None)
}

fn serve<S: IntoService>(
    server: S,
    stdio: impl FnOnce(Service) -> io::Result<()>,
    ability: Ability,
    http: Option<ServeHttp<'_>>,
) -> ExitCode {
    let usage = ability.usage();
    // What is no text is no flag, and is named as far as it can be read.
    let arguments = std::env::args_os().skip(1);
    let arguments = arguments.map(|argument| argument.to_string_lossy().into_owned());
    let request = match parse(arguments, ability) {
        Ok(request) => request,
        Err(misuse) => {
            eprintln!("{misuse}\n\n{usage}");
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
        (Request::Http { address, tls }, Some(http)) => http(service, &address, tls.as_ref()),
        (Request::Http { .. } | Request::Help, _) => {
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

    fn with(ability: Ability, arguments: &[&str]) -> Result<Request, Misuse> {
        let arguments = arguments.iter().map(|&argument| argument.to_owned());
        parse(arguments, ability)
    }

    fn parsed(arguments: &[&str]) -> Result<Request, Misuse> {
        with(Ability::Https, arguments)
    }

    fn http(address: &str) -> Result<Request, Misuse> {
        Ok(Request::Http {
            address: address.to_owned(),
            tls: None,
        })
    }

    #[test]
    fn nothing_means_stdio() {
        assert_eq!(parsed(&[]), Ok(Request::Stdio));
        assert_eq!(parsed(&["--stdio"]), Ok(Request::Stdio));
    }

    #[test]
    fn http_takes_an_address_or_the_default() {
        assert_eq!(parsed(&["--http"]), http("127.0.0.1:8080"));
        assert_eq!(parsed(&["--http", "[::1]:9"]), http("[::1]:9"));
        assert_eq!(parsed(&["--http=[::1]:9"]), http("[::1]:9"));
    }

    #[test]
    fn tls_takes_a_certificate_and_its_key_in_any_order() {
        let both = |address: &str| {
            Ok(Request::Http {
                address: address.to_owned(),
                tls: Some(TlsFiles {
                    certificates: "c.pem".to_owned(),
                    key: "k.pem".to_owned(),
                }),
            })
        };
        let flags = ["--tls-cert", "c.pem", "--tls-key", "k.pem"];
        let mut line = vec!["--http"];
        line.extend(flags);
        assert_eq!(parsed(&line), both("127.0.0.1:8080"));
        line.insert(1, "[::1]:9");
        assert_eq!(parsed(&line), both("[::1]:9"));
        let before = ["--tls-key=k.pem", "--http=[::1]:9", "--tls-cert=c.pem"];
        assert_eq!(parsed(&before), both("[::1]:9"));
    }

    #[test]
    fn tls_is_never_left_out_silently() {
        let half = parsed(&["--http", "--tls-cert", "c.pem"]);
        assert_eq!(half, Err(Misuse::Half { missing: KEY }));
        let half = parsed(&["--http", "--tls-key", "k.pem"]);
        let missing = CERTIFICATES;
        assert_eq!(half, Err(Misuse::Half { missing }));
        assert_eq!(
            parsed(&["--http", "--tls-cert"]),
            Err(Misuse::NoValue(CERTIFICATES))
        );
        let flags = ["--tls-cert=c.pem", "--tls-key=k.pem"];
        assert_eq!(parsed(&flags), Err(Misuse::NothingToProtect));
        let line = ["--http", flags[0], flags[1]];
        assert_eq!(with(Ability::Http, &line), Err(Misuse::NoTls));
        assert_eq!(with(Ability::Stdio, &flags), Err(Misuse::NoTls));
    }

    #[test]
    fn what_is_not_known_is_named() {
        let unknown = |argument: &str| Err(Misuse::Unknown(argument.to_owned()));
        assert_eq!(parsed(&["--htttp"]), unknown("--htttp"));
        assert_eq!(parsed(&["--stdio", "x"]), unknown("x"));
        assert_eq!(parsed(&["--stdio", "--http"]), unknown("--http"));
        assert_eq!(parsed(&["--stdio=1"]), unknown("--stdio=1"));
        assert_eq!(with(Ability::Stdio, &["--http"]), unknown("--http"));
    }
}
