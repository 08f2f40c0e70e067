//! JSON text in the making.
//!
//! Owns quotes, commas, braces and numbers, and where a long text is left out because its own memory will be sent. Must
//! never write a line break: what it makes is one line, whatever the values hold.

use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;

use crate::escape::{escape, escape_into};
use crate::json::Json;
use crate::revision::Revision;
use crate::wire::{Wire, to_vec};

/// Texts from this length on are worth a piece of their own.
const LONG: usize = 4 << 10;

/// Where a value writes itself; see [`Wire::write_at`].
///
/// It can only be passed on: a type of one's own is written by writing a value of this crate.
#[derive(Debug)]
pub struct Writer {
    out: Vec<u8>,
    /// Texts that are not to be copied; empty for almost every value.
    apart: Vec<Apart>,
}

/// A long text that has been left out.
#[derive(Debug)]
struct Apart {
    /// Where in memory it is, which tells it from every other text that lives meanwhile.
    address: usize,
    len: usize,
    /// Where in the output it belongs, once that is known.
    at: Option<usize>,
}

impl Writer {
    /// Appends to a buffer.
    pub(crate) const fn new(out: Vec<u8>) -> Self {
        Self {
            out,
            apart: Vec::new(),
        }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    pub(crate) fn null(&mut self) {
        self.out.extend_from_slice(b"null");
    }

    pub(crate) fn boolean(&mut self, value: bool) {
        self.out
            .extend_from_slice(if value { b"true" } else { b"false" });
    }

    pub(crate) fn integer(&mut self, value: i64) {
        self.number(&value);
    }

    pub(crate) fn unsigned(&mut self, value: u64) {
        self.number(&value);
    }

    /// `value` must be finite.
    pub(crate) fn float(&mut self, value: f64) {
        self.number(&value);
    }

    fn number(&mut self, value: &impl Serialize) {
        #[cfg(feature = "std")]
        let written = serde_json::to_writer(&mut self.out, value);
        // Only with `std` does serde_json write into a buffer of somebody else.
        #[cfg(not(feature = "std"))]
        let written = serde_json::to_vec(value).map(|text| self.out.extend(text));
        // A vector takes every write, and a number has no error of its own.
        if written.is_err() {
            self.null();
        }
    }

    /// A string.
    pub(crate) fn text(&mut self, text: &str) {
        self.out.push(b'"');
        if text.len() < LONG || !self.leaves_out(text) {
            escape_into(text, &mut self.out);
        }
        self.out.push(b'"');
    }

    /// JSON as it is.
    pub(crate) fn raw(&mut self, json: &Json) {
        let text = json.as_str();
        if text.len() < LONG || !self.leaves_out(text) {
            self.out.extend_from_slice(text.as_bytes());
        }
    }

    pub(crate) fn object(&mut self) -> ObjectWriter<'_> {
        self.out.push(b'{');
        ObjectWriter {
            out: self,
            first: true,
        }
    }

    pub(crate) fn array(&mut self) -> ArrayWriter<'_> {
        self.out.push(b'[');
        ArrayWriter {
            out: self,
            first: true,
        }
    }

    /// Remembers the place of a text that has a piece of its own; `false` for any other text.
    fn leaves_out(&mut self, text: &str) -> bool {
        let (address, len, end) = (text.as_ptr().addr(), text.len(), self.out.len());
        let found = self
            .apart
            .iter_mut()
            .find(|apart| apart.address == address && apart.len == len && apart.at.is_none());
        found.map(|apart| apart.at = Some(end)).is_some()
    }

    fn separate(&mut self, first: &mut bool) {
        if !core::mem::take(first) {
            self.out.push(b',');
        }
    }
}

/// The members of an object.
pub(crate) struct ObjectWriter<'a> {
    out: &'a mut Writer,
    first: bool,
}

impl ObjectWriter<'_> {
    /// A member whose name, quotes and colon are given as they are written; the value is to follow, if it is not there.
    pub(crate) fn member(&mut self, written: &'static str) -> &mut Writer {
        self.out.separate(&mut self.first);
        self.out.out.extend_from_slice(written.as_bytes());
        self.out
    }

    /// A member of any name; the value is to follow.
    pub(crate) fn named(&mut self, name: &str) -> &mut Writer {
        self.out.separate(&mut self.first);
        self.out.text(name);
        self.out.out.push(b':');
        self.out
    }

    pub(crate) fn end(self) {
        self.out.out.push(b'}');
    }
}

/// The elements of an array.
pub(crate) struct ArrayWriter<'a> {
    out: &'a mut Writer,
    first: bool,
}

impl ArrayWriter<'_> {
    /// An element; the value is to follow.
    pub(crate) fn element(&mut self) -> &mut Writer {
        self.out.separate(&mut self.first);
        self.out
    }

    pub(crate) fn end(self) {
        self.out.out.push(b']');
    }
}

/// A part of a value that can be long.
#[doc(hidden)]
#[derive(Debug)]
pub enum Long<'a> {
    /// Text, to be escaped.
    Text(&'a mut String),
    /// JSON, to be sent as it is.
    Raw(&'a mut Json),
}

impl Long<'_> {
    fn place(&self) -> (usize, usize) {
        let text = match self {
            Self::Text(text) => text.as_str(),
            Self::Raw(json) => json.as_str(),
        };
        (text.as_ptr().addr(), text.len())
    }

    fn take(self) -> Vec<u8> {
        match self {
            Self::Text(text) => escape(core::mem::take(text)),
            Self::Raw(json) => core::mem::replace(json, Json::null())
                .into_string()
                .into_bytes(),
        }
    }
}

/// Results whose texts can be long enough to be sent from where they are.
pub trait LongTexts: Wire {
    /// Visits them.
    #[doc(hidden)]
    fn each_long(&mut self, visit: &mut dyn FnMut(Long<'_>));
}

/// The value's JSON text as pieces that belong one behind the other: one line, without a line end.
///
/// A text of 4 KiB or more is a piece of its own and is not copied: without anything to escape its memory is what is
/// sent, and otherwise it is escaped in place. There is at least one piece, and none is empty.
///
/// ```
/// use mcp_types::{CallToolResult, Revision, to_pieces};
///
/// let text = "x".repeat(1 << 20);
/// let address = text.as_ptr();
/// let mut pieces = Vec::new();
/// to_pieces(CallToolResult::text(text), Revision::LATEST, |piece| pieces.push(piece));
/// assert_eq!(pieces[0], br#"{"content":[{"type":"text","text":""#);
/// assert_eq!(pieces[1].as_ptr(), address);
/// assert_eq!(pieces[2], br#""}]}"#);
/// ```
pub fn to_pieces<T: LongTexts>(mut value: T, revision: Revision, mut each: impl FnMut(Vec<u8>)) {
    let mut apart = Vec::new();
    value.each_long(&mut |long| {
        let (address, len) = long.place();
        if len >= LONG {
            let at = None;
            apart.push(Apart { address, len, at });
        }
    });
    if apart.is_empty() {
        return each(to_vec(&value, revision));
    }
    let mut writer = Writer {
        out: Vec::with_capacity(128),
        apart,
    };
    value.write_at(revision, &mut writer);
    let Writer { out, apart } = writer;
    let mut taken = Vec::with_capacity(apart.len());
    value.each_long(&mut |long| {
        let (address, len) = long.place();
        let found = apart
            .iter()
            .find(|apart| apart.address == address && apart.len == len);
        if let Some(at) = found.and_then(|apart| apart.at) {
            taken.push((at, long.take()));
        }
    });
    drop(value);
    // A revision may write members in another order than they are visited in.
    taken.sort_by_key(|(at, _)| *at);
    let (mut rest, mut done) = (out.as_slice(), 0);
    for (at, text) in taken {
        let (before, after) = rest.split_at(at - done);
        each(before.to_vec());
        each(text);
        (rest, done) = (after, at);
    }
    each(rest.to_vec());
}
