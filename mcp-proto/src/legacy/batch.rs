//! JSON-RPC batches: an array of messages in the place of one. Only 2025-03-26 has them.
//!
//! Owns the split and its bounds. Must never be asked for a peer of another revision.
//! Source: 2025-03-26 basic, "Batching".

use alloc::format;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::error::WireError;
use crate::json::{scan::validate, text};
use crate::limits::Limits;

/// The members of a batch, as slices of it. They are JSON; whether they are messages is for the scanner.
///
/// # Errors
/// -32700 when it is not JSON within the limits, -32600 when it has no member or more than calls may be in
/// flight.
pub fn split(batch: &Bytes, limits: &Limits) -> Result<Vec<Bytes>, WireError> {
    validate(batch, limits.max_depth)
        .map_err(|malformed| WireError::new(malformed.code(), malformed.message()))?;
    let text = core::str::from_utf8(batch).unwrap_or_default();
    let members: Vec<Bytes> = text::elements(text)
        .take(limits.max_calls + 1)
        .map(|member| batch.slice_ref(member.as_bytes()))
        .collect();
    if members.is_empty() || members.len() > limits.max_calls {
        return Err(WireError::invalid_request(format!(
            "a batch has 1 to {} messages",
            limits.max_calls
        )));
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_split_within_bounds() {
        let limits = Limits {
            max_calls: 2,
            ..Limits::default()
        };
        let of = |text: &'static str| split(&Bytes::from_static(text.as_bytes()), &limits);
        assert_eq!(of(" [1, {\"a\":[]}] ").unwrap(), ["1", "{\"a\":[]}"]);
        for (text, code) in [("[]", -32600), ("[1,2,3]", -32600), ("[1,]", -32700)] {
            assert_eq!(of(text).unwrap_err().code, code, "{text}");
        }
    }
}
