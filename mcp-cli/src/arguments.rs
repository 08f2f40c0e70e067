//! The command line, read by hand: it is one command and a few flags.
//!
//! Owns the grammar and its messages. It must never guess: an argument that it
//! does not know is named.

use std::fmt;
use std::time::Duration;

use crate::drivers::{self, Driver};

pub(crate) const HELP: &str = "\
The Model Context Protocol, from the command line.

Usage: mcp demo [OPTIONS]

  demo    Serve the everything server: tools, resources, prompts and questions, for
          trying clients and for the conformance suite.

Options of demo:
      --driver DRIVER       What moves the bytes: tokio (the default), std, mio,
                            smol or async-std, as far as this program was
                            built with it
      --stdio               Speak on standard input and output instead of HTTP
      --listen ADDR         Serve HTTP at ADDR (default 127.0.0.1:8080)
      --path PATH           The endpoint's path (default /mcp)
      --tls-cert FILE       Serve HTTPS with this certificate and its chain (PEM),
      --tls-key FILE        and this key of it (PEM); on the drivers std and mio,
                            if this program was built with the feature tls
      --http-sse            Also serve HTTP+SSE, the transport of 2024-11-05, at
                            /sse and /messages
      --allow-host HOST     Also accept requests for this host name; repeatable
      --allow-origin ORIGIN Also accept browsers from this origin; repeatable
      --bearer TOKEN        Demand this bearer token from every client
      --public              Serve beyond loopback although no token is demanded
      --key HEX             The sealing key (64 hex digits), shared by replicas;
                            default: the environment variable MCP_SEALING_KEY,
                            else a fresh one
      --drain SECONDS       How long running calls may take when the server ends
                            (default 10)

  -h, --help                Show this
  -V, --version             Show the version
";

/// What the user wants.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    Version,
    Demo(Box<DemoOptions>),
}

/// How the everything server is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DemoOptions {
    pub(crate) driver: Driver,
    pub(crate) stdio: bool,
    pub(crate) listen: String,
    pub(crate) path: String,
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) http_sse: bool,
    pub(crate) hosts: Vec<String>,
    pub(crate) origins: Vec<String>,
    pub(crate) bearer: Option<String>,
    pub(crate) public: bool,
    pub(crate) key: Option<[u8; 32]>,
    pub(crate) drain: Duration,
}

/// Where certificate and key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    pub(crate) certificates: String,
    pub(crate) key: String,
}

impl Default for DemoOptions {
    fn default() -> Self {
        Self {
            driver: Driver::ALL[0],
            stdio: false,
            listen: mcp_driver::http::DEFAULT_ADDRESS.to_owned(),
            path: "/mcp".to_owned(),
            tls: None,
            http_sse: false,
            hosts: Vec::new(),
            origins: Vec::new(),
            bearer: None,
            public: false,
            key: None,
            drain: Duration::from_secs(10),
        }
    }
}

/// Why a command line is not understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum UsageError {
    Unknown(String),
    MissingValue(String),
    NoDriver(String),
    /// TLS is asked for, and this driver or this program has none.
    NoTls(Driver),
    /// TLS is asked for where nothing is served that could have it.
    NothingToProtect,
    /// One of two flags without the other.
    Half {
        given: &'static str,
        missing: &'static str,
    },
    BadValue {
        flag: String,
        value: String,
        wanted: &'static str,
    },
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(argument) => write!(f, "unknown argument '{argument}'"),
            Self::MissingValue(flag) => write!(f, "{flag} wants a value"),
            Self::NoDriver(name) => write!(
                f,
                "this program has no driver '{name}', only {}",
                drivers::names()
            ),
            Self::NoTls(driver) => write!(
                f,
                "no TLS on the driver {driver} of this program: \
                 it needs the driver std or mio, and the feature tls"
            ),
            Self::NothingToProtect => {
                f.write_str("--tls-cert and --tls-key do not go with --stdio")
            }
            Self::Half { given, missing } => write!(f, "{given} needs {missing} as well"),
            Self::BadValue {
                flag,
                value,
                wanted,
            } => write!(f, "{flag}: '{value}' is not {wanted}"),
        }
    }
}

pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Command, UsageError> {
    let mut arguments = Arguments {
        rest: arguments,
        attached: None,
    };
    match arguments.next().as_deref() {
        None | Some("help" | "-h" | "--help") => Ok(Command::Help),
        Some("-V" | "--version") => Ok(Command::Version),
        Some("demo") => demo(&mut arguments),
        Some(other) => Err(UsageError::Unknown(other.to_owned())),
    }
}

fn demo(arguments: &mut Arguments<impl Iterator<Item = String>>) -> Result<Command, UsageError> {
    let mut options = DemoOptions::default();
    let (mut certificates, mut key) = (None, None);
    while let Some(flag) = arguments.next() {
        match flag.as_str() {
            "-h" | "--help" => return Ok(Command::Help),
            "--stdio" => options.stdio = true,
            "--driver" => {
                let value = arguments.value(&flag)?;
                let Some(driver) = Driver::named(&value) else {
                    return Err(UsageError::NoDriver(value));
                };
                options.driver = driver;
            }
            // `--http ADDR` is the flag of every server that uses `run`; here it means the same.
            "--listen" | "--http" => options.listen = arguments.value(&flag)?,
            "--path" => {
                let path = arguments.value(&flag)?;
                if !path.starts_with('/') {
                    return Err(UsageError::BadValue {
                        flag,
                        value: path,
                        wanted: "a path that starts with '/'",
                    });
                }
                options.path = path;
            }
            "--tls-cert" => certificates = Some(arguments.value(&flag)?),
            "--tls-key" => key = Some(arguments.value(&flag)?),
            "--http-sse" => options.http_sse = true,
            "--allow-host" => options.hosts.push(arguments.value(&flag)?),
            "--allow-origin" => options.origins.push(arguments.value(&flag)?),
            "--bearer" => options.bearer = Some(arguments.value(&flag)?),
            "--public" => options.public = true,
            "--key" => {
                let value = arguments.value(&flag)?;
                let Some(key) = hex_key(&value) else {
                    // The key itself is a secret; it does not belong in a message.
                    return Err(UsageError::BadValue {
                        flag,
                        value: "…".to_owned(),
                        wanted: "64 hexadecimal digits",
                    });
                };
                options.key = Some(key);
            }
            "--drain" => {
                let value = arguments.value(&flag)?;
                let Ok(seconds) = value.parse() else {
                    return Err(UsageError::BadValue {
                        flag,
                        value,
                        wanted: "a number of seconds",
                    });
                };
                options.drain = Duration::from_secs(seconds);
            }
            _ => return Err(UsageError::Unknown(flag)),
        }
        if let Some(value) = arguments.attached.take() {
            return Err(UsageError::Unknown(format!("{flag}={value}")));
        }
    }
    options.tls = match (certificates, key) {
        (Some(certificates), Some(key)) => Some(TlsFiles { certificates, key }),
        (None, None) => None,
        (Some(_), None) => {
            return Err(UsageError::Half {
                given: "--tls-cert",
                missing: "--tls-key",
            });
        }
        (None, Some(_)) => {
            return Err(UsageError::Half {
                given: "--tls-key",
                missing: "--tls-cert",
            });
        }
    };
    if options.tls.is_some() && options.stdio {
        return Err(UsageError::NothingToProtect);
    }
    if options.tls.is_some() && !options.driver.has_tls() {
        return Err(UsageError::NoTls(options.driver));
    }
    Ok(Command::Demo(Box::new(options)))
}

/// The words of the command line; `--flag=value` is two of them.
struct Arguments<I> {
    rest: I,
    attached: Option<String>,
}

impl<I: Iterator<Item = String>> Arguments<I> {
    fn next(&mut self) -> Option<String> {
        let word = self.rest.next()?;
        match word.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => {
                self.attached = Some(value.to_owned());
                Some(flag.to_owned())
            }
            _ => Some(word),
        }
    }

    fn value(&mut self, flag: &str) -> Result<String, UsageError> {
        self.attached
            .take()
            .or_else(|| self.rest.next())
            .ok_or_else(|| UsageError::MissingValue(flag.to_owned()))
    }
}

/// 64 hexadecimal digits as a key.
pub(crate) fn hex_key(text: &str) -> Option<[u8; 32]> {
    let mut key = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, UsageError> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn demo_alone_serves_http_on_loopback() {
        let Ok(Command::Demo(options)) = parsed("demo") else {
            panic!()
        };
        assert!(!options.stdio);
        assert_eq!(options.listen, "127.0.0.1:8080");
        assert_eq!(options.path, "/mcp");
        assert!(!options.http_sse, "only when it is asked for");
        let asked = parsed("demo --http-sse");
        assert!(matches!(asked, Ok(Command::Demo(options)) if options.http_sse));
    }

    #[test]
    fn a_driver_is_one_that_is_there() {
        for driver in Driver::ALL {
            let Ok(Command::Demo(options)) = parsed(&format!("demo --driver {driver}")) else {
                panic!("{driver}")
            };
            assert_eq!(options.driver, *driver);
        }
        let error = parsed("demo --driver=none").unwrap_err();
        assert_eq!(error, UsageError::NoDriver("none".to_owned()));
        assert!(error.to_string().contains(&drivers::names()), "{error}");
    }

    #[test]
    fn tls_is_served_where_there_is_tls_and_never_left_out_silently() {
        for driver in Driver::ALL {
            let line = format!("demo --driver {driver} --tls-cert c.pem --tls-key=k.pem");
            match parsed(&line) {
                Ok(Command::Demo(options)) => {
                    let files = options.tls.expect("asked for");
                    assert_eq!((&*files.certificates, &*files.key), ("c.pem", "k.pem"));
                    assert!(driver.has_tls());
                }
                other => assert_eq!(other, Err(UsageError::NoTls(*driver))),
            }
        }
        let nothing = parsed("demo --stdio --tls-cert c.pem --tls-key k.pem");
        assert_eq!(nothing, Err(UsageError::NothingToProtect));
        for (given, missing) in [("--tls-cert", "--tls-key"), ("--tls-key", "--tls-cert")] {
            let half = parsed(&format!("demo {given} x.pem"));
            assert_eq!(half, Err(UsageError::Half { given, missing }));
        }
    }

    #[test]
    fn values_may_be_attached_or_follow() {
        for line in [
            "demo --listen 127.0.0.1:9 --path=/x",
            "demo --listen=127.0.0.1:9 --path /x",
        ] {
            let Ok(Command::Demo(options)) = parsed(line) else {
                panic!("{line}")
            };
            assert_eq!(
                (options.listen.as_str(), options.path.as_str()),
                ("127.0.0.1:9", "/x")
            );
        }
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(
            parsed("demo --listne x"),
            Err(UsageError::Unknown("--listne".to_owned()))
        );
        assert_eq!(
            parsed("demo --stdio=1"),
            Err(UsageError::Unknown("--stdio=1".to_owned()))
        );
        assert_eq!(
            parsed("demo --listen"),
            Err(UsageError::MissingValue("--listen".to_owned()))
        );
        assert!(matches!(
            parsed("demo --path x"),
            Err(UsageError::BadValue { .. })
        ));
        assert_eq!(parsed("dmeo"), Err(UsageError::Unknown("dmeo".to_owned())));
    }

    #[test]
    fn a_bad_key_is_not_repeated() {
        let error = parsed("demo --key secret").unwrap_err();
        assert!(!error.to_string().contains("secret"));
        assert!(hex_key(&"0f".repeat(32)).is_some());
        assert!(hex_key(&"0g".repeat(32)).is_none());
    }
}
