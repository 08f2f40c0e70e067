//! Why a request is not HTTP enough to be served, and the answer that says so.
//!
//! Owns the status and the one line of text for each reason. After any of them the connection ends: where the next
//! request would begin is not known. Must never repeat what the peer sent.

use core::fmt;

use http::StatusCode;

/// A request that is refused by the machine itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// The request line or a field line is not what RFC 9112 sections 3 and 5 say; folded fields and blanks before a
    /// colon included. 400.
    Syntax,
    /// A line ends with a bare LF, or has a bare CR in it (RFC 9112 section 2.2). 400.
    LineEnd,
    /// The target has no form that its method allows (RFC 9112 section 3.2). 400.
    Target,
    /// `Host` is missing, repeated, no host, or another than the one that the target names (RFC 9112 section 3.2). 400.
    Host,
    /// `Content-Length` is not one decimal number, or stands beside `Transfer-Encoding` (RFC 9112 section 6.3). 400.
    Length,
    /// `Transfer-Encoding` does not end with one `chunked`, is repeated, or is in a request of HTTP/1.0 (RFC 9112
    /// section 6.1). 400.
    Coding,
    /// A chunk, its line or a trailer field is not what RFC 9112 section 7.1 says, or its line is too long. 400.
    Chunk,
    /// `Content-Length` is beyond 64 bits. 413.
    LengthTooLarge,
    /// The request line is too long. 414.
    TargetTooLong,
    /// An expectation other than `100-continue` (RFC 9110 section 10.1.1). 417.
    Expectation,
    /// The head is too long or has too many fields, or the trailer fields are too long. 431.
    HeadTooLarge,
    /// A tunnel is asked for (`CONNECT`). 501.
    Method,
    /// A transfer coding besides `chunked` (RFC 9112 section 6.1). 501.
    CodingUnknown,
    /// Another version than HTTP/1.0 and HTTP/1.1. 505.
    Version,
}

impl Refusal {
    /// The status of the answer.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Syntax
            | Self::LineEnd
            | Self::Target
            | Self::Host
            | Self::Length
            | Self::Coding
            | Self::Chunk => StatusCode::BAD_REQUEST,
            Self::LengthTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Method | Self::CodingUnknown => StatusCode::NOT_IMPLEMENTED,
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
        }
    }

    /// The body of the answer: one line for a person.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Syntax => "this is not a request of HTTP/1.1\n",
            Self::LineEnd => "lines of a request end with CR and LF\n",
            Self::Target => "the target of the request has no valid form\n",
            Self::Host => "the request must name one valid host\n",
            Self::Length => "the length of the body must be said once, as a decimal number\n",
            Self::Coding => "the transfer coding must be chunked, said once\n",
            Self::Chunk => "the chunks of the body are malformed\n",
            Self::LengthTooLarge => "the body is too long\n",
            Self::TargetTooLong => "the request line is too long\n",
            Self::Expectation => "the only expectation that is met is 100-continue\n",
            Self::HeadTooLarge => "the header fields are too long or too many\n",
            Self::Method => "tunnels are not implemented\n",
            Self::CodingUnknown => "the only transfer coding is chunked\n",
            Self::Version => "the versions of HTTP are 1.1 and 1.0\n",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().trim_end())
    }
}

impl core::error::Error for Refusal {}
