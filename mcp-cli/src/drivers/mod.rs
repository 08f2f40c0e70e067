//! The drivers that this program was built with.
//!
//! Owns telling them apart. What is served is the same on each; how its bytes are moved is the driver's own business.

#[cfg(feature = "async-std")]
mod async_std;

use std::fmt;
use std::io;
use std::net::SocketAddr;

use mcp_driver::http::ServeOptions;
use mcp_server::Service;

/// A driver that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Driver {
    #[cfg(feature = "tokio")]
    Tokio,
    #[cfg(feature = "std")]
    Std,
    #[cfg(feature = "mio")]
    Mio,
    #[cfg(feature = "smol")]
    Smol,
    #[cfg(feature = "async-std")]
    AsyncStd,
}

#[cfg(not(any(
    feature = "tokio",
    feature = "std",
    feature = "mio",
    feature = "smol",
    feature = "async-std"
)))]
compile_error!("mcp-cli needs a driver: one of the features tokio, std, mio, smol, async-std");

impl Driver {
    /// All that this program was built with; the first is used unless another is named.
    pub(crate) const ALL: &[Self] = &[
        #[cfg(feature = "tokio")]
        Self::Tokio,
        #[cfg(feature = "std")]
        Self::Std,
        #[cfg(feature = "mio")]
        Self::Mio,
        #[cfg(feature = "smol")]
        Self::Smol,
        #[cfg(feature = "async-std")]
        Self::AsyncStd,
    ];

    pub(crate) fn named(name: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|driver| driver.name() == name)
    }

    const fn name(self) -> &'static str {
        match self {
            #[cfg(feature = "tokio")]
            Self::Tokio => "tokio",
            #[cfg(feature = "std")]
            Self::Std => "std",
            #[cfg(feature = "mio")]
            Self::Mio => "mio",
            #[cfg(feature = "smol")]
            Self::Smol => "smol",
            #[cfg(feature = "async-std")]
            Self::AsyncStd => "async-std",
        }
    }

    /// Whether it serves HTTPS.
    pub(crate) const fn has_tls(self) -> bool {
        match self {
            #[cfg(all(feature = "std", feature = "tls"))]
            Self::Std => true,
            #[cfg(all(feature = "mio", feature = "tls"))]
            Self::Mio => true,
            #[allow(unreachable_patterns, reason = "there may be no other driver")]
            _ => false,
        }
    }

    /// Serves standard input and output until the client goes away or a signal comes.
    pub(crate) fn stdio(self, service: Service) -> io::Result<()> {
        match self {
            #[cfg(feature = "tokio")]
            Self::Tokio => mcp_driver_tokio::run_stdio(service),
            #[cfg(feature = "std")]
            Self::Std => mcp_driver_std::run_stdio(service),
            #[cfg(feature = "mio")]
            Self::Mio => mcp_driver_mio::run_stdio(service),
            #[cfg(feature = "smol")]
            Self::Smol => mcp_driver_futures::run_stdio(service),
            #[cfg(feature = "async-std")]
            Self::AsyncStd => async_std::run_stdio(service),
        }
    }

    /// Serves Streamable HTTP until a signal comes; `announce` is told where, once it does.
    pub(crate) fn http(
        self,
        service: Service,
        address: &str,
        options: ServeOptions,
        announce: impl FnOnce(SocketAddr),
    ) -> io::Result<()> {
        match self {
            #[cfg(feature = "tokio")]
            Self::Tokio => mcp_driver_tokio::run_http(service, address, options, announce),
            #[cfg(feature = "std")]
            Self::Std => mcp_driver_std::run_http(service, address, options, announce),
            #[cfg(feature = "mio")]
            Self::Mio => mcp_driver_mio::run_http(service, address, options, announce),
            #[cfg(feature = "smol")]
            Self::Smol => mcp_driver_futures::run_http(service, address, options, announce),
            #[cfg(feature = "async-std")]
            Self::AsyncStd => async_std::run_http(service, address, options, announce),
        }
    }

    /// Serves HTTPS until a signal comes, where this driver [can](Self::has_tls); `announce` is told where, once it does.
    #[cfg(feature = "tls")]
    pub(crate) fn https(
        self,
        service: Service,
        address: &str,
        tls: mcp_driver::tls::TlsConfig,
        options: ServeOptions,
        announce: impl FnOnce(SocketAddr),
    ) -> io::Result<()> {
        match self {
            #[cfg(feature = "std")]
            Self::Std => mcp_driver_std::run_https(service, address, tls, options, announce),
            #[cfg(feature = "mio")]
            Self::Mio => mcp_driver_mio::run_https(service, address, tls, options, announce),
            #[allow(unreachable_patterns, reason = "there may be no other driver")]
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The names of all drivers that are there.
pub(crate) fn names() -> String {
    let names: Vec<&str> = Driver::ALL.iter().map(|driver| driver.name()).collect();
    names.join(", ")
}
