//! The fields that decide about the connection: where the body ends, whether there is another request, who is addressed.
//!
//! Owns the rules against request smuggling. Where RFC 9112 lets a server repair a message (several equal lengths, a
//! coding beside a length), this one refuses it. Must never change a message.

use mcp_server::proto::http::head::FieldName;

use super::chunked::is_token;
use super::refusal::Refusal;

/// What follows a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// So many bytes.
    Length(u64),
    Chunked,
}

/// What a head says about its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Framing {
    pub(super) body: Body,
    /// Whether the peer would send another request.
    pub(super) keep_alive: bool,
    /// Whether the peer must be told so: HTTP/1.0 closes by default.
    pub(super) is_old: bool,
    /// Whether the body comes only after 100 (Continue).
    pub(super) expects: bool,
}

/// The fields, as far as they were seen.
#[derive(Debug, Default)]
pub(super) struct Found<'a> {
    pub(super) host: Option<&'a [u8]>,
    length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    expects: bool,
}

impl<'a> Found<'a> {
    /// Takes a field, if it is one that decides.
    pub(super) fn field(&mut self, name: FieldName, value: &'a [u8]) -> Result<(), Refusal> {
        match name {
            FieldName::Host => self.host(value),
            FieldName::ContentLength => self.length(value),
            FieldName::TransferEncoding => self.coding(value),
            FieldName::Expect => self.expectation(value),
            FieldName::Connection => {
                self.connection(value);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// `Host` (RFC 9112 section 3.2): once, and one host.
    fn host(&mut self, value: &'a [u8]) -> Result<(), Refusal> {
        if self.host.is_some() || !value.iter().all(|byte| HOST[usize::from(*byte)]) {
            return Err(Refusal::Host);
        }
        self.host = Some(value);
        Ok(())
    }

    /// `Content-Length` (RFC 9110 section 8.6): once, digits alone.
    fn length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.length.is_some() || value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
            return Err(Refusal::Length);
        }
        let mut length = 0_u64;
        for digit in value {
            length = length
                .checked_mul(10)
                .and_then(|tens| tens.checked_add(u64::from(digit - b'0')))
                .ok_or(Refusal::LengthTooLarge)?;
        }
        self.length = Some(length);
        Ok(())
    }

    /// `Transfer-Encoding` (RFC 9112 section 6.1): `chunked`, once.
    fn coding(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.chunked {
            return Err(Refusal::Coding);
        }
        if value.eq_ignore_ascii_case(b"chunked") {
            self.chunked = true;
            return Ok(());
        }
        // Other codings below one `chunked` are well formed and not implemented. Anything else has no end.
        let mut codings = value
            .split(|byte| *byte == b',')
            .map(<[u8]>::trim_ascii)
            .rev();
        let last = codings.next().unwrap_or_default();
        let well = last.eq_ignore_ascii_case(b"chunked")
            && codings.all(|coding| {
                !coding.is_empty()
                    && coding.iter().copied().all(is_token)
                    && !coding.eq_ignore_ascii_case(b"chunked")
            });
        Err(if well {
            Refusal::CodingUnknown
        } else {
            Refusal::Coding
        })
    }

    /// `Connection` (RFC 9112 section 9.3), which may repeat.
    fn connection(&mut self, value: &[u8]) {
        for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    /// `Expect` (RFC 9110 section 10.1.1).
    fn expectation(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if !value.eq_ignore_ascii_case(b"100-continue") {
            return Err(Refusal::Expectation);
        }
        self.expects = true;
        Ok(())
    }

    /// Everything together. `is_current`: HTTP/1.1.
    pub(super) fn framing(&self, is_current: bool) -> Result<Framing, Refusal> {
        let body = match (self.length, self.chunked) {
            (Some(_), true) => return Err(Refusal::Length),
            (None, true) if !is_current => return Err(Refusal::Coding),
            (None, true) => Body::Chunked,
            (length, false) => Body::Length(length.unwrap_or(0)),
        };
        if is_current && self.host.is_none() {
            return Err(Refusal::Host);
        }
        Ok(Framing {
            body,
            keep_alive: !self.close && (is_current || self.keep_alive),
            is_old: !is_current,
            // A client of HTTP/1.0 knows no 100, and one without a body waits for none.
            expects: self.expects && is_current && body != Body::Length(0),
        })
    }
}

/// What may stand in `Host`, by byte.
static HOST: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = is_host(byte as u8);
        byte += 1;
    }
    table
};

/// What may stand in `Host`: a name or an address and a port (RFC 3986 section 3.2.2). Whether it is one that is served
/// is not decided here.
const fn is_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b':'
                | b'['
                | b']'
                | b'%'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
        )
}
