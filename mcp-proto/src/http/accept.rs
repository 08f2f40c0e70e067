//! Content negotiation: what the body must be, and which answers the client takes.
//!
//! Owns the reading of `Content-Type`, `Content-Encoding` and `Accept`. Must never admit a body type
//! that a browser may send across origins without asking first (`text/plain`, forms, none at all).
//!
//! The rule for `Accept` is wider than what clients owe us (they MUST list both types): a missing
//! header and wildcards count for both, `q=0` excludes, the most specific range decides. A client
//! that takes neither type gets 406; one that takes JSON alone gets no stream, so no notifications; one
//! that names the stream type first, or gives it more weight, gets streams.

use ::http::{HeaderMap, header};

use super::head::visible;

/// The answers that a client takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepts {
    /// One JSON object.
    pub json: bool,
    /// A stream of server-sent events.
    pub stream: bool,
    /// Of the two, rather the stream: it has more weight, or the same weight and was named first.
    pub prefers_stream: bool,
}

impl Accepts {
    /// Both kinds.
    pub const BOTH: Self = Self {
        json: true,
        stream: true,
        prefers_stream: false,
    };

    /// Whether neither kind is taken.
    #[must_use]
    pub const fn nothing(self) -> bool {
        !self.json && !self.stream
    }
}

/// Reads every `Accept` header of a request.
#[must_use]
pub fn accepts(headers: &HeaderMap) -> Accepts {
    let mut offers = Offers::default();
    for value in headers.get_all(header::ACCEPT) {
        offers.put(value.as_bytes());
    }
    offers.accepts()
}

/// What the `Accept` headers that were seen say about both types.
#[derive(Debug, Default)]
pub(super) struct Offers {
    /// One of them is what every conforming client sends, which settles it.
    usual: bool,
    given: bool,
    json: Best,
    stream: Best,
    position: u32,
}

impl Offers {
    pub(super) fn put(&mut self, value: &[u8]) {
        self.given = true;
        self.usual |= value == b"application/json, text/event-stream";
        if self.usual {
            return;
        }
        // Bytes beyond ASCII can only stand in quoted parameters that nobody asks about.
        let Some(value) = visible(value) else { return };
        for range in split_quoted(value, b',') {
            let mut pieces = split_quoted(range, b';');
            let media = pieces.next().unwrap_or_default().trim();
            let weight = pieces.find_map(weight).unwrap_or(FULL_WEIGHT);
            self.position += 1;
            self.json
                .offer(media, "application", "json", weight, self.position);
            self.stream
                .offer(media, "text", "event-stream", weight, self.position);
        }
    }

    pub(super) fn accepts(&self) -> Accepts {
        if self.usual || !self.given {
            return Accepts::BOTH;
        }
        Accepts {
            json: self.json.weight > 0,
            stream: self.stream.weight > 0,
            prefers_stream: self.stream.is_preferred_to(&self.json),
        }
    }
}

/// The most specific range seen for one type.
#[derive(Debug, Default)]
struct Best {
    specificity: u8,
    /// In thousandths; 0 refuses.
    weight: u16,
    position: u32,
}

impl Best {
    fn offer(&mut self, range: &str, main: &str, sub: &str, weight: u16, position: u32) {
        let Some((range_main, range_sub)) = range.split_once('/') else {
            return;
        };
        let (range_main, range_sub) = (range_main.trim(), range_sub.trim());
        let specificity = if range_main.eq_ignore_ascii_case(main) {
            if range_sub.eq_ignore_ascii_case(sub) {
                NAMED
            } else if range_sub == "*" {
                2
            } else {
                return;
            }
        } else if range_main == "*" && range_sub == "*" {
            1
        } else {
            return;
        };
        // Of two equally specific ranges the heavier one counts.
        if (specificity, weight) > (self.specificity, self.weight) {
            *self = Self {
                specificity,
                weight,
                position,
            };
        }
    }

    /// Only what a client names has an order: wildcards prefer nothing.
    fn is_preferred_to(&self, other: &Self) -> bool {
        self.specificity == NAMED
            && self.weight > 0
            && (self.weight > other.weight
                || (other.specificity == NAMED
                    && self.weight == other.weight
                    && self.position < other.position))
    }
}

/// The specificity of a range without wildcards.
const NAMED: u8 = 3;

const FULL_WEIGHT: u16 = 1000;

/// The weight that a parameter states (RFC 9110, 12.4.2), in thousandths; one that cannot be read counts in full.
fn weight(parameter: &str) -> Option<u16> {
    let (name, value) = parameter.split_once('=')?;
    if !name.trim().eq_ignore_ascii_case("q") {
        return None;
    }
    let Some(decimals) = value.trim().strip_prefix('0') else {
        return Some(FULL_WEIGHT);
    };
    let decimals = decimals.strip_prefix('.').unwrap_or(decimals);
    let digit = |at: usize| match decimals.as_bytes().get(at) {
        None => Some(0),
        Some(byte) if byte.is_ascii_digit() => Some(u16::from(byte - b'0')),
        Some(_) => None,
    };
    let thousandths = || Some(digit(0)? * 100 + digit(1)? * 10 + digit(2)?);
    Some(thousandths().unwrap_or(FULL_WEIGHT))
}

/// Splits at `separator` outside of quoted strings.
fn split_quoted(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    core::iter::from_fn(move || {
        let text = rest?;
        let (mut quoted, mut escaped) = (false, false);
        for (at, byte) in text.bytes().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                _ if byte == separator && !quoted => {
                    rest = Some(&text[at + 1..]);
                    return Some(&text[..at]);
                }
                _ => {}
            }
        }
        rest = None;
        Some(text)
    })
}

/// Whether the body is declared as uncompressed JSON in UTF-8: one `Content-Type` whose type is
/// `application/json` (any case, any parameters; a `charset` must be UTF-8) and no
/// `Content-Encoding` besides `identity`. Anything else is 415.
#[must_use]
pub fn is_json_body(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (types.next(), types.next()) else {
        return false;
    };
    headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .all(|value| is_identity(value.as_bytes()))
        && is_json(value.as_bytes())
}

/// Whether a `Content-Encoding` leaves the body as it is.
pub(super) fn is_identity(value: &[u8]) -> bool {
    value.eq_ignore_ascii_case(b"identity")
}

/// Whether a `Content-Type` is JSON in UTF-8.
pub(super) fn is_json(value: &[u8]) -> bool {
    if value == b"application/json" {
        return true;
    }
    let Some(value) = visible(value) else {
        return false;
    };
    let mut pieces = split_quoted(value, b';');
    let essence = pieces.next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
        && pieces.all(|parameter| match parameter.split_once('=') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
                let value = value.trim().trim_matches('"');
                value.eq_ignore_ascii_case("utf-8") || value.eq_ignore_ascii_case("utf8")
            }
            _ => true,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: header::HeaderName, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(&name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn accept_is_judged_by_the_most_specific_range() {
        for (values, json, stream) in [
            (&[][..], true, true),
            (&["application/json, text/event-stream"], true, true),
            (&["application/json", "text/event-stream"], true, true),
            (&["*/*"], true, true),
            (&["application/*"], true, false),
            (&["text/*"], false, true),
            (&["APPLICATION/JSON"], true, false),
            (&["application/json;charset=utf-8"], true, false),
            (
                &["application/json; q=0.5, text/event-stream; q=0.1"],
                true,
                true,
            ),
            (&["application/json;q=0, */*"], false, true),
            (&["*/*, text/event-stream;Q=0.000"], true, false),
            (&["*/*;q=0"], false, false),
            (&["text/html"], false, false),
            (&[""], false, false),
            (&["application/json;x=\"a,text/event-stream\""], true, false),
            (&["application/jsonx, json"], false, false),
            (&["text/event-stream;q=0, text/event-stream"], false, true),
        ] {
            let accepts = accepts(&with(header::ACCEPT, values));
            assert_eq!((accepts.json, accepts.stream), (json, stream), "{values:?}");
        }
    }

    #[test]
    fn a_stream_is_preferred_when_the_client_says_so() {
        for (value, preferred) in [
            ("text/event-stream, application/json", true),
            ("application/json;q=0.5, text/event-stream;q=0.9", true),
            ("application/json;q=0.25, text/event-stream;q=0.250", false),
            ("text/event-stream", true),
            ("text/event-stream, */*", false),
            ("text/event-stream;q=0.9, application/json", false),
            ("application/json, text/event-stream", false),
            ("*/*", false),
            ("text/event-stream;q=0, application/json;q=0", false),
        ] {
            let accepts = accepts(&with(header::ACCEPT, &[value]));
            assert_eq!(accepts.prefers_stream, preferred, "{value}");
        }
    }

    #[test]
    fn only_declared_json_is_a_body() {
        for (values, expected) in [
            (&["application/json"][..], true),
            (&["Application/JSON"], true),
            (&["application/json; charset=utf-8"], true),
            (&["application/json;charset=\"UTF-8\""], true),
            (&["application/json; profile=x"], true),
            (&["application/json; charset=latin1"], false),
            (&["application/json", "application/json"], false),
            (&["application/json, text/plain"], false),
            (&["text/plain"], false),
            (&["text/plain; application/json"], false),
            (&["application/x-www-form-urlencoded"], false),
            (&["multipart/form-data"], false),
            (&["application/json-rpc"], false),
            (&[""], false),
            (&[], false),
        ] {
            assert_eq!(
                is_json_body(&with(header::CONTENT_TYPE, values)),
                expected,
                "{values:?}"
            );
        }
        let mut compressed = with(header::CONTENT_TYPE, &["application/json"]);
        compressed.insert(header::CONTENT_ENCODING, "gzip".parse().unwrap());
        assert!(
            !is_json_body(&compressed),
            "a compressed body could be a bomb"
        );
    }
}
