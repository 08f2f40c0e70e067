//! The head of an answer before it is written.
//!
//! Owns the few kinds of heads that nearly all answers have, and their fields. A driver with a writer of its own takes the
//! lines as they are; for an HTTP library they become a map of fields. Must never say anything about the connection.

use alloc::boxed::Box;

use ::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header, response};

use super::cors;

/// What kind of content follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// Whatever the fields say.
    Other,
    /// None that matters: the status says it all.
    Empty,
    /// One JSON object of so many bytes.
    Json(usize),
    /// Server-sent events.
    Stream,
}

impl Content {
    const fn lines(self) -> &'static str {
        match self {
            Self::Other => "",
            Self::Empty => "cache-control: no-store\r\n",
            Self::Json(_) => "cache-control: no-store\r\ncontent-type: application/json\r\n",
            // Reverse proxies must not hold events back (streamable-http, "Receiving Messages").
            Self::Stream => {
                "cache-control: no-cache, no-transform\r\ncontent-type: text/event-stream\r\nx-accel-buffering: no\r\n"
            }
        }
    }

    fn fill(self, headers: &mut HeaderMap) {
        static ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

        let mut insert = |name, value| headers.insert(name, HeaderValue::from_static(value));
        match self {
            Self::Other => {}
            Self::Empty => {
                insert(header::CACHE_CONTROL, "no-store");
            }
            Self::Json(length) => {
                insert(header::CACHE_CONTROL, "no-store");
                insert(header::CONTENT_TYPE, "application/json");
                headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
            }
            Self::Stream => {
                insert(header::CACHE_CONTROL, "no-cache, no-transform");
                insert(header::CONTENT_TYPE, "text/event-stream");
                insert(ACCEL_BUFFERING.clone(), "no");
            }
        }
    }
}

/// Status, kind of content, and whatever other fields there are.
///
/// ```
/// use http::StatusCode;
/// use mcp_proto::http::outline::{Content, Outline};
///
/// let mut outline = Outline::new(StatusCode::OK, Content::Json(2));
/// outline.decorate(None);
/// assert_eq!(
///     outline.lines().concat(),
///     "cache-control: no-store\r\ncontent-type: application/json\r\nvary: origin\r\n"
/// );
/// let head = outline.into_parts();
/// assert_eq!((head.status, head.headers.len()), (StatusCode::OK, 4));
/// assert_eq!(head.headers["content-length"], "2");
/// ```
#[derive(Debug)]
pub struct Outline {
    status: StatusCode,
    content: Content,
    varies: bool,
    /// All fields, once there are others than follow from the above.
    fields: Option<Box<HeaderMap>>,
}

impl Outline {
    /// A head without other fields.
    #[must_use]
    pub const fn new(status: StatusCode, content: Content) -> Self {
        Self {
            status,
            content,
            varies: false,
            fields: None,
        }
    }

    /// The status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// What follows.
    #[must_use]
    pub const fn content(&self) -> Content {
        self.content
    }

    /// The fields as they are written, each with the end of its line, as long as there are no [`fields`](Self::fields).
    /// `Content-Length` is not among them.
    #[must_use]
    pub const fn lines(&self) -> [&'static str; 2] {
        match self.fields {
            Some(_) => [""; 2],
            None if self.varies => [self.content.lines(), "vary: origin\r\n"],
            None => [self.content.lines(), ""],
        }
    }

    /// All fields, if they are others than the usual ones.
    #[must_use]
    pub fn fields(&self) -> Option<&HeaderMap> {
        self.fields.as_deref()
    }

    /// All fields, to be changed.
    pub fn fields_mut(&mut self) -> &mut HeaderMap {
        let (content, varies) = (self.content, self.varies);
        self.fields
            .get_or_insert_with(|| Box::new(usual(content, varies)))
    }

    /// Like [`cors::decorate`].
    pub fn decorate(&mut self, origin: Option<&str>) {
        if origin.is_some() || self.fields.is_some() {
            cors::decorate(self.fields_mut(), origin);
        } else {
            self.varies = true;
        }
    }

    /// The head as HTTP libraries have it.
    #[must_use]
    pub fn into_parts(self) -> response::Parts {
        let (content, varies) = (self.content, self.varies);
        let mut head = Response::new(()).into_parts().0;
        head.status = self.status;
        head.headers = self
            .fields
            .map_or_else(|| usual(content, varies), |fields| *fields);
        head
    }
}

fn usual(content: Content, varies: bool) -> HeaderMap {
    // As many as there will be, nearly always.
    let mut headers = HeaderMap::with_capacity(4);
    content.fill(&mut headers);
    if varies {
        cors::decorate(&mut headers, None);
    }
    headers
}

impl From<response::Parts> for Outline {
    fn from(head: response::Parts) -> Self {
        let mut outline = Self::new(head.status, Content::Other);
        outline.fields = Some(Box::new(head.headers));
        outline
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::vec::Vec;

    #[test]
    fn the_lines_and_the_map_say_the_same() {
        for content in [
            Content::Other,
            Content::Empty,
            Content::Json(17),
            Content::Stream,
        ] {
            let mut outline = Outline::new(StatusCode::OK, content);
            outline.decorate(None);
            let mut lines: Vec<String> = outline
                .lines()
                .concat()
                .split_terminator("\r\n")
                .map(Into::into)
                .collect();
            let head = outline.into_parts();
            let mut map: Vec<String> = head
                .headers
                .iter()
                .filter(|(name, _)| *name != header::CONTENT_LENGTH)
                .map(|(name, value)| [name.as_str(), value.to_str().unwrap()].join(": "))
                .collect();
            lines.sort();
            map.sort();
            assert_eq!(lines, map, "{content:?}");
        }
    }

    #[test]
    fn other_fields_are_told_together_with_the_usual_ones() {
        let mut outline = Outline::new(StatusCode::OK, Content::Stream);
        let uncached = HeaderValue::from_static("no-store");
        outline.fields_mut().insert(header::CACHE_CONTROL, uncached);
        outline.decorate(Some("http://localhost:1"));
        assert_eq!(outline.lines(), ["", ""]);
        let fields = outline.fields().unwrap().clone();
        assert_eq!(fields["cache-control"], "no-store");
        assert_eq!(fields["content-type"], "text/event-stream");
        assert_eq!(fields["access-control-allow-origin"], "http://localhost:1");
        assert_eq!(fields.get_all("vary").iter().count(), 1);
        assert_eq!(outline.into_parts().headers, fields);
    }
}
