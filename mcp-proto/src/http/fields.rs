//! The fields of a head by which it is judged, found in one pass.
//!
//! Owns the names that are looked for. Must never decide what a field means.

use ::http::{HeaderMap, HeaderValue};

use super::accept::{Offers, is_identity};
use super::admit::{LAST_EVENT_ID, SESSION_ID};
use super::mirror::{METHOD, NAME, VERSION};
use super::param::PARAM_PREFIX;

/// A field that may be there once.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Once<'a> {
    #[default]
    Absent,
    Given(&'a HeaderValue),
    Repeated,
}

impl<'a> Once<'a> {
    const fn put(&mut self, value: &'a HeaderValue) {
        *self = match self {
            Self::Absent => Self::Given(value),
            Self::Given(_) | Self::Repeated => Self::Repeated,
        };
    }

    /// As text of at most `max` bytes, without the blanks around it.
    pub(super) fn text(self, max: usize) -> Result<Option<&'a str>, ()> {
        match self {
            Self::Absent => Ok(None),
            Self::Given(value) if value.len() <= max => {
                value.to_str().map(|text| Some(text.trim())).map_err(|_| ())
            }
            Self::Given(_) | Self::Repeated => Err(()),
        }
    }
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    pub(super) accept: Offers,
    pub(super) content_type: Once<'a>,
    pub(super) content_length: Once<'a>,
    /// A `Content-Encoding` besides `identity`.
    pub(super) is_encoded: bool,
    pub(super) session: Once<'a>,
    pub(super) last_event: Once<'a>,
    pub(super) version: Once<'a>,
    pub(super) method: Once<'a>,
    pub(super) name: Once<'a>,
    /// Any `Mcp-Param-*`.
    pub(super) has_params: bool,
}

impl<'a> Fields<'a> {
    pub(super) fn of(headers: &'a HeaderMap) -> Self {
        let mut fields = Self::default();
        for (name, value) in headers {
            match name.as_str() {
                "accept" => fields.accept.put(value),
                "content-type" => fields.content_type.put(value),
                "content-length" => fields.content_length.put(value),
                "content-encoding" => fields.is_encoded |= !is_identity(value),
                SESSION_ID => fields.session.put(value),
                LAST_EVENT_ID => fields.last_event.put(value),
                VERSION => fields.version.put(value),
                METHOD => fields.method.put(value),
                NAME => fields.name.put(value),
                name => fields.has_params |= name.starts_with(PARAM_PREFIX),
            }
        }
        fields
    }
}
