//! The head of a response, as it is written.
//!
//! Owns the bytes. Framing and connection fields are the machine's: those of the application are left out. Must never
//! write what a peer could take for the end of a field.

use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use mcp_server::proto::http::outline::Outline;
use mcp_server::proto::outbox::Outbox;

/// How the end of a response's body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// By its length.
    Length(u64),
    /// By its status: there is none, and no length is said.
    Status,
    Chunked,
    /// By the end of the connection: HTTP/1.0 knows no chunks.
    Close,
}

/// What is said about the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Persistence {
    /// Nothing: it goes on by default.
    Default,
    /// HTTP/1.0 must be told that it goes on.
    KeepAlive,
    Close,
}

/// A head that is to be written: that of a response of an HTTP library, or an outline.
#[derive(Clone, Copy, Debug)]
pub struct ResponseHead<'a> {
    pub(super) status: StatusCode,
    /// Fields as they are written. None of them is the machine's.
    lines: [&'static str; 2],
    headers: Option<&'a HeaderMap>,
}

impl<'a> From<&'a Parts> for ResponseHead<'a> {
    fn from(head: &'a Parts) -> Self {
        Self {
            status: head.status,
            lines: [""; 2],
            headers: Some(&head.headers),
        }
    }
}

impl<'a> From<&'a Outline> for ResponseHead<'a> {
    fn from(head: &'a Outline) -> Self {
        Self {
            status: head.status(),
            lines: head.lines(),
            headers: head.fields(),
        }
    }
}

impl<'a> ResponseHead<'a> {
    fn headers(self) -> impl Iterator<Item = (&'a HeaderName, &'a HeaderValue)> {
        self.headers.into_iter().flatten()
    }

    /// Whether the application wants the connection to end.
    pub(super) fn asks_to_close(self) -> bool {
        // There are few, and nearly never this one: looking at each is less work than asking for it.
        self.headers().any(|(name, value)| {
            *name == header::CONNECTION
                && value
                    .as_bytes()
                    .split(|byte| *byte == b',')
                    .any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
        })
    }
}

/// Writes a head.
pub(super) fn write(
    out: &mut Outbox,
    head: ResponseHead<'_>,
    ending: Ending,
    persistence: Persistence,
    date: &[u8; 29],
) {
    if head.status == StatusCode::OK {
        out.put(b"HTTP/1.1 200 OK\r\n");
    } else {
        out.put(b"HTTP/1.1 ");
        out.put(head.status.as_str().as_bytes());
        out.put(b" ");
        let reason = head.status.canonical_reason().unwrap_or_default();
        out.put(reason.as_bytes());
        out.put(b"\r\n");
    }
    for line in head.lines {
        out.put(line.as_bytes());
    }
    for (name, value) in head.headers() {
        if matches!(
            *name,
            header::CONTENT_LENGTH | header::TRANSFER_ENCODING | header::CONNECTION | header::DATE
        ) {
            continue;
        }
        out.put(name.as_str().as_bytes());
        out.put(b": ");
        out.put(value.as_bytes());
        out.put(b"\r\n");
    }
    match ending {
        Ending::Length(length) => {
            out.put(b"content-length: ");
            out.put(itoa::Buffer::new().format(length).as_bytes());
            out.put(b"\r\n");
        }
        Ending::Chunked => out.put(b"transfer-encoding: chunked\r\n"),
        Ending::Status | Ending::Close => {}
    }
    match persistence {
        Persistence::Default => {}
        Persistence::KeepAlive => out.put(b"connection: keep-alive\r\n"),
        Persistence::Close => out.put(b"connection: close\r\n"),
    }
    out.put(b"date: ");
    out.put(date);
    out.put(b"\r\n\r\n");
}

/// Whether a response of this status never has a body (RFC 9110 section 6.4.1).
pub(super) fn is_bodiless(status: StatusCode) -> bool {
    status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED
}
