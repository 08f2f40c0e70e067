//! `mcp demo`: the everything server, served.
//!
//! Owns turning options into a running server and telling the user how to
//! reach it. On stdio nothing is printed but the protocol.

use std::io::{self, Write};
use std::net::SocketAddr;

use mcp_driver::http::ServeOptions;
use mcp_server::http::{HttpOptions, HttpSse};
use mcp_server::proto::http::host::InvalidAuthority;
use mcp_server::proto::limits::Limits;
use mcp_server::{IntoService, Principal, Service, StaticBearer};

use crate::arguments::{DemoOptions, hex_key};
use crate::everything;

/// Where a sealing key is looked for when the command line has none.
const KEY_VARIABLE: &str = "MCP_SEALING_KEY";

pub(crate) fn run(options: &DemoOptions) -> io::Result<()> {
    let mut server = everything::server().limits(Limits {
        shutdown_bound: options.drain,
        ..Limits::default()
    });
    if let Some(key) = sealing_key(options)? {
        server = server.sealing_key(key);
    }
    let service = server.into_service().map_err(io::Error::other)?;
    if options.stdio {
        return options.driver.stdio(service);
    }
    let serve = serve_options(options)?;
    let served = service.clone();
    let announce = |address| introduce(options, address, &served);
    let (driver, listen) = (options.driver, &options.listen);
    match &options.tls {
        None => driver.http(service, listen, serve, announce),
        #[cfg(feature = "tls")]
        Some(files) => {
            let tls = mcp_driver::tls::TlsConfig::from_pem_files(&files.certificates, &files.key)?;
            driver.https(service, listen, tls, serve, announce)
        }
        // No driver has it then, so nobody gets here; without TLS is not what was asked for.
        #[cfg(not(feature = "tls"))]
        Some(files) => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            format!("no TLS to serve {} and {}", files.certificates, files.key),
        )),
    }
}

fn serve_options(options: &DemoOptions) -> io::Result<ServeOptions> {
    let wrong = |error: InvalidAuthority| io::Error::new(io::ErrorKind::InvalidInput, error);
    let mut http = HttpOptions::default();
    if !options.hosts.is_empty() {
        http = http
            .with_allowed_hosts(options.hosts.iter().map(String::as_str))
            .map_err(wrong)?;
    }
    if !options.origins.is_empty() {
        http = http
            .with_allowed_origins(options.origins.iter().map(String::as_str))
            .map_err(wrong)?;
    }
    if options.http_sse {
        http = http.with_http_sse(HttpSse::default());
    }
    if let Some(token) = &options.bearer {
        http = http.with_authenticator(StaticBearer::new().with_key(token, Principal::new("demo")));
    }
    Ok(ServeOptions::default()
        .with_path(options.path.as_str())
        .with_http(http)
        .with_allow_unauthenticated(options.public))
}

fn sealing_key(options: &DemoOptions) -> io::Result<Option<[u8; 32]>> {
    if options.key.is_some() {
        return Ok(options.key);
    }
    let Ok(text) = std::env::var(KEY_VARIABLE) else {
        return Ok(None);
    };
    match hex_key(&text) {
        Some(key) => Ok(Some(key)),
        None => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{KEY_VARIABLE} is not 64 hexadecimal digits"),
        )),
    }
}

/// Says what is served and how a client connects.
fn introduce(options: &DemoOptions, address: SocketAddr, service: &Service) {
    let scheme = if options.tls.is_some() {
        "https"
    } else {
        "http"
    };
    let url = format!("{scheme}://{address}{}", options.path);
    let header = options
        .bearer
        .as_ref()
        .map_or("", |_| " --header 'Authorization: Bearer <token>'");
    let text = format!(
        "The everything server: {tools} tools, {resources} resources, {prompts} prompts,\n\
         for the revisions 2024-11-05 to 2026-07-28 of the Model Context Protocol.\n\
         \n\
         Serving {url}\n\
         \n\
         Connect a client:\n  \
           claude mcp add --transport http everything {url}{header}\n  \
           npx @modelcontextprotocol/inspector --cli {url} --transport http --method tools/list{header}\n\
         Is it up?\n  \
           curl {scheme}://{address}/readyz\n\
         As a child process instead: mcp demo --stdio\n",
        tools = service.tools().len(),
        resources = service.resources().len(),
        prompts = service.prompts().len(),
    );
    // Whoever closed our output does not want to read it; serve all the same.
    let _ = io::stdout().write_all(text.as_bytes());
}
