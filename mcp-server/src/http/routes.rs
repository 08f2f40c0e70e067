//! What a listener serves besides the endpoint.
//!
//! Owns the paths: the endpoint, HTTP+SSE, the health probes, the protected-resource metadata. Probes are outside authentication
//! and outside the Host rule: they say one bit each, to whoever reaches the port. Must never read a body.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::{Method, Response, StatusCode};
use mcp_proto::http::head::Head;

use super::server::HttpServer;

/// Where the metadata of a protected resource is found (RFC 9728 section 3).
const METADATA: &str = "/.well-known/oauth-protected-resource";

/// The paths of one listener.
///
/// ```
/// use std::sync::Arc;
/// use http::Method;
/// use mcp_server::http::{HttpOptions, HttpServer, Route, Routes};
/// use mcp_server::proto::http::head::Head;
/// use mcp_server::{InPlace, Server};
///
/// let service = Server::new("demo", "1.0.0").build().unwrap();
/// let server = HttpServer::new(service, HttpOptions::default(), Arc::new(InPlace), [7; 32]);
/// let routes = Routes::new(server, "/mcp");
/// let to = |path| routes.route(&Head::new(&Method::GET, path));
/// assert!(matches!(to("/mcp"), Route::Endpoint));
/// assert!(matches!(to("/livez"), Route::Respond(response) if response.status() == 200));
/// ```
#[derive(Debug)]
pub struct Routes {
    server: HttpServer,
    path: String,
    /// From the first request to end on, the server is not ready for new work.
    ending: AtomicBool,
}

/// Where a request goes.
#[derive(Debug)]
pub enum Route {
    /// To [`HttpServer::begin`].
    Endpoint,
    /// Nowhere: send this and read no body.
    Respond(Response<Bytes>),
}

impl Routes {
    /// The endpoint at `path`, and what is always beside it: `/livez` (the process lives), `/readyz` (it takes
    /// requests), the protected-resource metadata where there is any, and the two paths of HTTP+SSE where it is served.
    /// `path` must be neither of these.
    #[must_use]
    pub fn new(server: HttpServer, path: impl Into<String>) -> Self {
        Self {
            server,
            path: path.into(),
            ending: AtomicBool::new(false),
        }
    }

    /// The endpoint.
    #[must_use]
    pub const fn server(&self) -> &HttpServer {
        &self.server
    }

    /// From now on `/readyz` says no, so that load balancers look elsewhere. Everything is served as before.
    pub fn end(&self) {
        self.ending.store(true, Ordering::Relaxed);
    }

    /// Finds the place of a request by its head.
    #[must_use]
    pub fn route(&self, head: &Head<'_>) -> Route {
        let path = head.path();
        if path == self.path || self.server.has_http_sse_at(path) {
            return Route::Endpoint;
        }
        let probe = match path {
            "/livez" => Some(StatusCode::OK),
            "/readyz" if self.is_ready() => Some(StatusCode::OK),
            "/readyz" => Some(StatusCode::SERVICE_UNAVAILABLE),
            _ => None,
        };
        if let Some(status) = probe {
            return Route::Respond(probed(head.method(), status));
        }
        // Both places: the bare one, and the one with the endpoint's path appended.
        if let Some(rest) = path.strip_prefix(METADATA)
            && (rest.is_empty() || rest == self.path)
            && let Some(response) = self.server.protected_resource_metadata(head)
        {
            return Route::Respond(response);
        }
        Route::Respond(text(StatusCode::NOT_FOUND, "not found\n"))
    }

    fn is_ready(&self) -> bool {
        !self.ending.load(Ordering::Relaxed) && self.server.is_ready()
    }
}

fn probed(method: &Method, status: StatusCode) -> Response<Bytes> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let is_well = status == StatusCode::OK;
    text(status, if is_well { "ok\n" } else { "not ready\n" })
}

/// A response for people: one line of plain text.
#[must_use]
pub fn text(status: StatusCode, line: &'static str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(line.as_bytes()));
    *response.status_mut() = status;
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{HttpOptions, InPlace, ProtectedResource, Server};

    fn routes(options: HttpOptions) -> Routes {
        let service = Server::new("demo", "1.0.0").build().unwrap();
        Routes::new(
            HttpServer::new(service, options, Arc::new(InPlace), [7; 32]),
            "/mcp",
        )
    }

    fn status(routes: &Routes, method: Method, path: &str) -> u16 {
        match routes.route(&Head::new(&method, path)) {
            Route::Endpoint => 0,
            Route::Respond(response) => response.status().as_u16(),
        }
    }

    #[test]
    fn every_path_has_its_place() {
        let bare = routes(HttpOptions::default());
        for (method, path, expected) in [
            (Method::POST, "/mcp", 0),
            (Method::PUT, "/mcp", 0),
            (Method::POST, "/mcp/", 404),
            (Method::GET, "/", 404),
            (Method::GET, "*", 404),
            (Method::GET, "/livez", 200),
            (Method::HEAD, "/readyz", 200),
            (Method::POST, "/livez", 405),
            (Method::GET, METADATA, 404),
        ] {
            assert_eq!(
                status(&bare, method.clone(), path),
                expected,
                "{method} {path}"
            );
        }
        let document =
            ProtectedResource::new("https://mcp.example.com/mcp", ["https://auth.example.com"]);
        let protected = routes(HttpOptions::default().with_protected_resource(document));
        for (path, expected) in [("", 200), ("/mcp", 200), ("/other", 404), ("x", 404)] {
            let path = format!("{METADATA}{path}");
            assert_eq!(status(&protected, Method::GET, &path), expected, "{path}");
        }
    }

    #[test]
    fn the_pair_has_its_paths_where_it_is_served() {
        use crate::http::HttpSse;
        use mcp_proto::config::RevisionSet;
        use mcp_types::Revision;
        let both = HttpOptions::default().with_http_sse(HttpSse::at("/events", "/post").unwrap());
        let served = routes(both.clone());
        let modern = Server::new("demo", "1.0.0").revisions(RevisionSet::of([Revision::LATEST]));
        let modern = HttpServer::new(modern.build().unwrap(), both, Arc::new(InPlace), [7; 32]);
        let modern = Routes::new(modern, "/mcp");
        let off = routes(HttpOptions::default());
        for (path, expected) in [("/events", 0), ("/post", 0), ("/sse", 404), ("/post/", 404)] {
            assert_eq!(status(&served, Method::GET, path), expected, "{path}");
            assert_eq!(status(&modern, Method::GET, path), 404, "{path}");
            assert_eq!(status(&off, Method::GET, path), 404, "{path}");
        }
    }

    #[test]
    fn who_ends_is_not_ready_and_who_shuts_down_neither() {
        let ending = routes(HttpOptions::default());
        ending.end();
        assert_eq!(status(&ending, Method::GET, "/readyz"), 503);
        assert_eq!(status(&ending, Method::GET, "/livez"), 200);
        assert_eq!(status(&ending, Method::POST, "/mcp"), 0);
        let down = routes(HttpOptions::default());
        down.server().shutdown();
        assert_eq!(status(&down, Method::GET, "/readyz"), 503);
    }
}
