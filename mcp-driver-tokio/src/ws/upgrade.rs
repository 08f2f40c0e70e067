//! From an HTTP request to a connection.
//!
//! Owns the opening handshake of RFC 6455 section 4.2 and what has to be asked before it. Must never upgrade for somebody
//! whom the endpoint would not serve.

use std::future::{Future, poll_fn};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{Method, Request, Response, StatusCode, Version};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use mcp_driver::{Pump, StreamOptions, run, seed};
use mcp_server::http::{HttpServer, text};
use mcp_server::{Connection, Principal};
use tokio_websockets::{Limits, ServerBuilder};

use super::channel::Channel;
use super::{SUBPROTOCOL, WsOptions};
use crate::runtime::TokioRuntime;
use crate::stream::TokioAlarm;

/// What RFC 6455 section 1.3 appends to a key.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Where an upgrade is left for the task of its connection.
pub(crate) type Upgraded = Arc<Mutex<Option<Accepted>>>;

/// The connection that was left there.
pub(crate) fn take(slot: &Upgraded) -> Option<Accepted> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// A connection that changes its protocol, and whose it is.
#[derive(Debug)]
pub(crate) struct Accepted {
    upgrade: OnUpgrade,
    principal: Option<Principal>,
}

/// Lets connections in.
#[derive(Debug, Clone)]
pub(crate) struct Acceptor {
    server: HttpServer,
    runtime: TokioRuntime,
    options: WsOptions,
    authentication_deadline: Duration,
}

impl Acceptor {
    pub(crate) const fn new(
        server: HttpServer,
        runtime: TokioRuntime,
        options: WsOptions,
        authentication_deadline: Duration,
    ) -> Self {
        Self {
            server,
            runtime,
            options,
            authentication_deadline,
        }
    }

    pub(crate) fn is_at(&self, path: &str) -> bool {
        self.options.path == path
    }

    /// Judges a request to upgrade. When it may, the connection is left in `slot`.
    pub(crate) async fn accept<B>(
        self,
        mut request: Request<B>,
        slot: Upgraded,
    ) -> Response<Bytes> {
        let upgrade = hyper::upgrade::on(&mut request);
        let (parts, _) = request.into_parts();
        // Host and Origin first, then who is calling; as at the endpoint.
        let asked = self.server.authenticate(&parts);
        let principal = match tokio::time::timeout(self.authentication_deadline, asked).await {
            Ok(Ok(principal)) => principal,
            Ok(Err(response)) => return response,
            Err(_) => return self.server.overdue(),
        };
        if !self.server.is_ready() {
            return text(
                StatusCode::SERVICE_UNAVAILABLE,
                "the server is shutting down\n",
            );
        }
        let key = match judge(&parts.method, parts.version, &parts.headers) {
            Ok(key) => key,
            Err(response) => return *response,
        };
        let accepted = Accepted { upgrade, principal };
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(accepted);
        switching(key)
    }

    /// Serves an accepted connection to its end.
    pub(crate) async fn serve(&self, accepted: Accepted, shutdown: impl Future<Output = ()>) {
        // Errors here are the peer's: it was gone before it got our answer.
        let Ok(upgraded) = accepted.upgrade.await else {
            return;
        };
        let Ok(seed) = seed() else { return };
        let service = self.server.service().clone();
        let max_message = service.config().limits().max_message;
        let runtime = Arc::new(self.runtime.clone());
        let mut connection = Connection::new(service, runtime, seed);
        if let Some(principal) = accepted.principal {
            connection = connection.with_principal(principal);
        }
        let socket = ServerBuilder::new()
            .limits(Limits::default().max_payload_len(Some(max_message)))
            .serve(TokioIo::new(upgraded));
        let mut channel = Channel::new(socket, self.options.keep_alive);
        let over = channel.over();
        let gone = poll_fn(|_| {
            if over.load(Ordering::Relaxed) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        });
        let alarm = TokioAlarm::new(self.runtime.clock);
        // The listener's own limit on stalled writes is below this.
        let pump = Pump::new(connection, StreamOptions::default());
        let ended = run(pump, &mut channel, alarm, shutdown, gone).await;
        channel.close(ended).await;
    }
}

/// The key of a request that asks for what is served here.
fn judge<'a>(
    method: &Method,
    version: Version,
    headers: &'a HeaderMap,
) -> Result<&'a [u8], Box<Response<Bytes>>> {
    let refuse = |status, line| Err(Box::new(text(status, line)));
    if *method != Method::GET || version != Version::HTTP_11 {
        return refuse(
            StatusCode::BAD_REQUEST,
            "WebSocket begins with a GET of HTTP/1.1\n",
        );
    }
    if !lists(headers, &UPGRADE, "websocket") || !lists(headers, &CONNECTION, "upgrade") {
        let mut response = text(
            StatusCode::UPGRADE_REQUIRED,
            "only WebSocket is served here\n",
        );
        let answer = response.headers_mut();
        answer.insert(UPGRADE, HeaderValue::from_static("websocket"));
        answer.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        return Err(Box::new(response));
    }
    if one(headers, &SEC_WEBSOCKET_VERSION) != Some(b"13") {
        let mut response = text(StatusCode::UPGRADE_REQUIRED, "only version 13 is served\n");
        let answer = response.headers_mut();
        answer.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        // RFC 9110 section 15.5.22.
        answer.insert(UPGRADE, HeaderValue::from_static("websocket"));
        answer.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        return Err(Box::new(response));
    }
    let Some(key) = one(headers, &SEC_WEBSOCKET_KEY).filter(|key| is_key(key)) else {
        return refuse(
            StatusCode::BAD_REQUEST,
            "Sec-WebSocket-Key is not 16 bytes\n",
        );
    };
    // Subprotocols are compared as they are (RFC 6455 section 4.1).
    let offered = tokens(headers, &SEC_WEBSOCKET_PROTOCOL).any(|token| token == SUBPROTOCOL);
    if !offered {
        return refuse(
            StatusCode::BAD_REQUEST,
            "the subprotocol has to be mcp: add it to Sec-WebSocket-Protocol\n",
        );
    }
    Ok(key)
}

fn switching(key: &[u8]) -> Response<Bytes> {
    let mut hash = sha1_smol::Sha1::from(key);
    hash.update(GUID.as_bytes());
    let accept = STANDARD.encode(hash.digest().bytes());
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(
        SEC_WEBSOCKET_PROTOCOL,
        HeaderValue::from_static(SUBPROTOCOL),
    );
    if let Ok(accept) = HeaderValue::from_str(&accept) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}

/// The only value of a header.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).into_iter();
    let value = values.next()?;
    values.next().is_none().then(|| value.as_bytes())
}

/// The elements of a header that is a list.
fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

fn lists(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    tokens(headers, name).any(|token| token.eq_ignore_ascii_case(wanted))
}

fn is_key(key: &[u8]) -> bool {
    STANDARD.decode(key).is_ok_and(|nonce| nonce.len() == 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer to the example of RFC 6455 section 1.3, changed.
    fn answer(change: impl FnOnce(&mut HeaderMap)) -> Response<Bytes> {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("upgrade", "WebSocket"),
            ("connection", "keep-alive, Upgrade"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-version", "13"),
            ("sec-websocket-protocol", "chat, mcp"),
        ] {
            headers.insert(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        change(&mut headers);
        match judge(&Method::GET, Version::HTTP_11, &headers) {
            Ok(key) => switching(key),
            Err(response) => *response,
        }
    }

    fn status(change: impl FnOnce(&mut HeaderMap)) -> u16 {
        answer(change).status().as_u16()
    }

    #[test]
    fn the_key_is_answered_as_the_rfc_says() {
        let response = switching(b"dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(
            response.headers()[SEC_WEBSOCKET_ACCEPT],
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }

    #[test]
    fn who_has_to_upgrade_is_told_to_what() {
        let changes: [fn(&mut HeaderMap); 3] = [
            |headers| drop(headers.remove("upgrade")),
            |headers| drop(headers.remove("connection")),
            |headers| drop(headers.remove("sec-websocket-version")),
        ];
        for change in changes {
            let response = answer(change);
            assert_eq!(response.status(), StatusCode::UPGRADE_REQUIRED);
            // RFC 9110 section 15.5.22, and section 7.8 for what goes with it.
            assert_eq!(response.headers()[UPGRADE], "websocket");
            assert_eq!(response.headers()[CONNECTION], "upgrade");
        }
        let response = answer(|headers| drop(headers.remove("sec-websocket-version")));
        assert_eq!(response.headers()[SEC_WEBSOCKET_VERSION], "13");
    }

    #[test]
    fn what_is_no_opening_handshake_is_refused() {
        assert_eq!(status(|_| {}), 101);
        assert_eq!(status(|headers| drop(headers.remove("upgrade"))), 426);
        assert_eq!(status(|headers| drop(headers.remove("connection"))), 426);
        let set = |name: &'static str, value: &'static str| {
            status(|headers| {
                headers.insert(name, HeaderValue::from_static(value));
            })
        };
        assert_eq!(set("sec-websocket-version", "8"), 426);
        assert_eq!(set("sec-websocket-key", "short"), 400);
        assert_eq!(set("sec-websocket-protocol", "chat"), 400);
        assert_eq!(set("sec-websocket-protocol", "MCP"), 400);
        let twice = status(|headers| {
            headers.append(
                "sec-websocket-key",
                HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="),
            );
        });
        assert_eq!(twice, 400);
        let headers = HeaderMap::new();
        assert!(judge(&Method::POST, Version::HTTP_11, &headers).is_err());
        assert!(judge(&Method::GET, Version::HTTP_2, &headers).is_err());
    }
}
