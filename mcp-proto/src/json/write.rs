//! Messages as byte templates.
//!
//! Owns the outer text of what we send. It adds no framing: the caller ends a line or wraps an
//! event around it. Raw payloads pass through unparsed, with line breaks (which valid JSON has only
//! between tokens) turned into spaces, so that no payload can break out of its frame.

use bytes::{Bytes, BytesMut};

use super::text::write_str;
use crate::error::WireError;
use crate::id::WireId;
use crate::outbox::Outbox;

/// `{"jsonrpc":"2.0","id":…,"result":` — the caller appends the result and then calls [`end`].
pub fn result_start(out: &mut Outbox, id: &WireId) {
    out.put(b"{\"jsonrpc\":\"2.0\",\"id\":");
    out.put(id.as_bytes());
    out.put(b",\"result\":");
}

/// Closes what [`result_start`], [`notification_start`] or [`request_start`] opened.
pub fn end(out: &mut Outbox) {
    out.put_byte(b'}');
}

/// A complete response with a raw result.
pub fn write_result(out: &mut Outbox, id: &WireId, result: &str) {
    result_start(out, id);
    raw(out, result);
    end(out);
}

/// A complete error response. If the id could not be read, the member is left out: since 2025-11-25
/// that is the rule, and before it null was not allowed either.
pub fn write_error(out: &mut Outbox, id: Option<&WireId>, error: &WireError) {
    out.put(b"{\"jsonrpc\":\"2.0\",");
    if let Some(id) = id {
        out.put(b"\"id\":");
        out.put(id.as_bytes());
        out.put_byte(b',');
    }
    out.put(b"\"error\":");
    error_object(out, error);
    end(out);
}

/// An error object alone: `{"code":…,"message":…,"data":…}`.
pub fn error_object(out: &mut Outbox, error: &WireError) {
    out.put(b"{\"code\":");
    integer(out, error.code);
    out.put(b",\"message\":");
    write_str(out, &error.message);
    if let Some(data) = &error.data {
        out.put(b",\"data\":");
        raw(out, data.as_str());
    }
    out.put_byte(b'}');
}

/// `{"jsonrpc":"2.0","method":…,"params":` — the caller appends the params and then calls [`end`].
pub fn notification_start(out: &mut Outbox, method: &str) {
    out.put(b"{\"jsonrpc\":\"2.0\",\"method\":");
    write_str(out, method);
    out.put(b",\"params\":");
}

/// A complete notification with raw params; an empty `params` leaves the member out.
pub fn write_notification(out: &mut Outbox, method: &str, params: &str) {
    if params.is_empty() {
        out.put(b"{\"jsonrpc\":\"2.0\",\"method\":");
        write_str(out, method);
    } else {
        notification_start(out, method);
        raw(out, params);
    }
    end(out);
}

/// A complete `notifications/cancelled` about the request whose id `request` writes.
pub fn write_cancelled(out: &mut Outbox, request: impl FnOnce(&mut Outbox), reason: Option<&str>) {
    notification_start(out, "notifications/cancelled");
    out.put(b"{\"requestId\":");
    request(out);
    if let Some(reason) = reason {
        out.put(b",\"reason\":");
        write_str(out, reason);
    }
    out.put_byte(b'}');
    end(out);
}

/// `{"jsonrpc":"2.0","id":…,"method":…,"params":` — the caller appends the params and then calls
/// [`end`].
pub fn request_start(out: &mut Outbox, id: u64, method: &str) {
    request_head(out, id, method);
    out.put(b",\"params\":");
}

/// A complete request with raw params; an empty `params` leaves the member out.
pub fn write_request(out: &mut Outbox, id: u64, method: &str, params: &str) {
    request_head(out, id, method);
    if !params.is_empty() {
        out.put(b",\"params\":");
        raw(out, params);
    }
    end(out);
}

/// Appends raw JSON, line breaks as spaces.
pub fn raw(out: &mut Outbox, json: &str) {
    raw_bytes(out, json.as_bytes());
}

/// As [`raw`], for bytes that are known to be JSON.
pub fn raw_bytes(out: &mut Outbox, json: &[u8]) {
    let mut rest = json;
    while let Some(at) = memchr::memchr2(b'\n', b'\r', rest) {
        let (before, after) = rest.split_at(at);
        out.put(before);
        out.put_byte(b' ');
        rest = after.get(1..).unwrap_or_default();
    }
    out.put(rest);
}

/// As [`raw_bytes`], without a copy unless the payload is small or has line breaks.
pub fn raw_shared(out: &mut Outbox, json: Bytes) {
    if memchr::memchr2(b'\n', b'\r', &json).is_none() {
        return out.put_shared(json);
    }
    let mut copy = BytesMut::from(&json[..]);
    for byte in copy.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')) {
        *byte = b' ';
    }
    out.put_shared(copy.freeze());
}

/// Appends an integer.
pub fn integer(out: &mut Outbox, value: impl Into<i128>) {
    let value = value.into();
    let mut buffer = itoa::Buffer::new();
    let digits = match i64::try_from(value) {
        Ok(small) => buffer.format(small),
        Err(_) => buffer.format(value),
    };
    out.put(digits.as_bytes());
}

/// Appends a number that may have a fraction. What JSON cannot express (infinities, NaN) becomes
/// `null`.
pub fn number(out: &mut Outbox, value: f64) {
    // Integers without `.0`, as every peer writes them.
    let whole = value as i64;
    if whole as f64 == value && value.abs() < 1e15 {
        return integer(out, whole);
    }
    #[cfg(feature = "std")]
    let written = serde_json::to_writer(&mut *out, &value);
    // Only with `std` does serde_json write into a buffer of somebody else.
    #[cfg(not(feature = "std"))]
    let written = serde_json::to_vec(&value).map(|text| out.put(&text));
    if written.is_err() {
        // An outbox does not fail.
        out.put(b"null");
    }
}

/// Appends a boolean.
pub fn boolean(out: &mut Outbox, value: bool) {
    out.put(if value { b"true" } else { b"false" });
}

fn request_head(out: &mut Outbox, id: u64, method: &str) {
    out.put(b"{\"jsonrpc\":\"2.0\",\"id\":");
    integer(out, id);
    out.put(b",\"method\":");
    write_str(out, method);
}
