//! Names for calls and requests.
//!
//! Owns the handles ([`CallId`], [`RequestId`]), the table behind them ([`Slab`]), and the peer's
//! own ids ([`WireId`]). A stale handle must never be a panic and never another call: every look-up
//! checks the generation. A peer's id is never interpreted, only echoed and compared.

use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use crate::json::text;

/// Our request ids are `generation * SLOTS + slot`.
const SLOTS: u64 = 1 << 16;

/// JSON numbers above this are not safe in every peer.
const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// A call that the peer made, until it is answered or cancelled.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CallId {
    slot: u32,
    generation: u32,
}

impl CallId {
    pub(crate) const fn new((slot, generation): (u32, u32)) -> Self {
        Self { slot, generation }
    }

    /// Slot and generation, as [`Slab`] wants them.
    pub(crate) const fn key(self) -> (u32, u32) {
        (self.slot, self.generation)
    }

    /// An opaque number, unique among the calls of one machine that are alive. For logs and foreign
    /// interfaces.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        ((self.generation as u64) << 32) | self.slot as u64
    }
}

/// A request that we made to the peer, until it is answered, cancelled or given up.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RequestId {
    slot: u32,
    generation: u32,
}

impl RequestId {
    pub(crate) const fn new((slot, generation): (u32, u32)) -> Self {
        Self { slot, generation }
    }

    /// Slot and generation, as [`Slab`] wants them.
    pub(crate) const fn key(self) -> (u32, u32) {
        (self.slot, self.generation)
    }

    /// The id that goes on the wire, below 2^53. The slot can be read back from it, so a reply
    /// needs no hash map, and the generation makes a late reply miss.
    #[must_use]
    pub const fn wire(self) -> u64 {
        self.generation as u64 * SLOTS + self.slot as u64
    }

    /// The inverse of [`Self::wire`]; `None` for a number that we never send.
    #[must_use]
    pub fn from_wire(wire: u64) -> Option<Self> {
        let slot = u32::try_from(wire % SLOTS).ok()?;
        // Also fails for every number that is not safe in every peer.
        let generation = u32::try_from(wire / SLOTS).ok()?;
        (generation != 0).then_some(Self { slot, generation })
    }
}

/// A bounded table whose keys are generation-checked.
#[derive(Debug)]
pub struct Slab<V> {
    entries: Vec<Entry<V>>,
    free: Vec<u32>,
    capacity: usize,
    /// Of every slot's first value. Never zero.
    first: u32,
}

#[derive(Debug)]
struct Entry<V> {
    /// Never zero, so that zero can mean "none" on the wire.
    generation: u32,
    value: Option<V>,
}

impl<V> Slab<V> {
    /// A table of at most `capacity` values (itself at most 65,536). Memory grows with use, never
    /// beyond that.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            entries: Vec::new(),
            free: Vec::new(),
            capacity: capacity.min(SLOTS as usize),
            first: 1,
        }
    }

    /// The same, but generations begin with `first` (zero counts as one): keys of a table that was here before
    /// are stale in this one.
    #[must_use]
    pub fn beginning_with(capacity: usize, first: u32) -> Self {
        Self {
            first: first.max(1),
            ..Self::new(capacity)
        }
    }

    /// Stores `value` and returns its slot and generation.
    ///
    /// # Errors
    /// Gives the value back if the table is full.
    pub fn insert(&mut self, value: V) -> Result<(u32, u32), V> {
        if let Some(slot) = self.free.pop() {
            let Some(entry) = self.entries.get_mut(slot as usize) else {
                return Err(value);
            };
            entry.value = Some(value);
            return Ok((slot, entry.generation));
        }
        if self.entries.len() >= self.capacity {
            return Err(value);
        }
        let slot = self.entries.len() as u32;
        self.entries.push(Entry {
            generation: self.first,
            value: Some(value),
        });
        Ok((slot, self.first))
    }

    /// Takes a value out; its key is stale from now on.
    pub fn remove(&mut self, slot: u32, generation: u32) -> Option<V> {
        let entry = self
            .entries
            .get_mut(slot as usize)
            .filter(|entry| entry.generation == generation)?;
        let value = entry.value.take()?;
        entry.generation = entry.generation.checked_add(1).unwrap_or(1);
        self.free.push(slot);
        Some(value)
    }

    /// The value under a key, unless the key is stale.
    pub fn get_mut(&mut self, slot: u32, generation: u32) -> Option<&mut V> {
        let entry = self.entries.get_mut(slot as usize)?;
        if entry.generation == generation {
            entry.value.as_mut()
        } else {
            None
        }
    }

    /// All values with their keys, by slot.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = ((u32, u32), &mut V)> {
        self.entries
            .iter_mut()
            .enumerate()
            .filter_map(|(slot, entry)| {
                let key = (slot as u32, entry.generation);
                entry.value.as_mut().map(|value| (key, value))
            })
    }

    /// The value under a key, unless the key is stale.
    #[must_use]
    pub fn get(&self, slot: u32, generation: u32) -> Option<&V> {
        let entry = self.entries.get(slot as usize)?;
        if entry.generation == generation {
            entry.value.as_ref()
        } else {
            None
        }
    }

    /// The value in a slot, whatever its generation, with its key.
    pub(crate) fn at(&self, slot: u32) -> Option<((u32, u32), &V)> {
        let entry = self.entries.get(slot as usize)?;
        let value = entry.value.as_ref()?;
        Some(((slot, entry.generation), value))
    }

    /// All values with their keys, by slot.
    pub fn iter(&self) -> impl Iterator<Item = ((u32, u32), &V)> {
        self.entries.iter().enumerate().filter_map(|(slot, entry)| {
            let key = (slot as u32, entry.generation);
            entry.value.as_ref().map(|value| (key, value))
        })
    }

    /// Values in the table.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Whether the table holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether [`Self::insert`] would refuse.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len() >= self.capacity
    }
}

/// Tokens up to this length are stored in place.
const INLINE_MAX: usize = 22;

/// A peer's request id or progress token: its JSON token, verbatim (`1`, `"a"`, `"a\u0062"`).
///
/// Equality is that of the decoded values: `"1"` is not `1`, `"\u0061"` is `"a"`. Integers of any
/// size are kept as text, so none is rounded.
#[derive(Clone)]
pub struct WireId(Repr);

#[derive(Clone)]
enum Repr {
    Inline { len: u8, bytes: [u8; INLINE_MAX] },
    Shared(Bytes),
}

impl WireId {
    /// The id in `token`, a JSON string or number without surrounding whitespace.
    ///
    /// An integral float (`1.0`, `1e3`) becomes that integer, since it is echoed as one; whether it
    /// is welcome is for [`ScanLimits::integral_float_ids`](crate::json::ScanLimits) to say. `None`
    /// for every other token.
    #[must_use]
    pub fn from_token(token: &str) -> Option<Self> {
        match token.as_bytes().first()? {
            b'"' => text::is_string(token).then(|| Self::copied(token)),
            b'-' | b'0'..=b'9' if is_integer(token) => Some(Self::copied(token)),
            b'-' | b'0'..=b'9' => integral_float(token).map(Self::from),
            _ => None,
        }
    }

    /// The JSON token, ready to be written into a message.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or("null")
    }

    /// Whether the id is a JSON string.
    #[must_use]
    pub fn is_string(&self) -> bool {
        self.as_bytes().first() == Some(&b'"')
    }

    /// The id as one of ours, if it is an unsigned integer.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        self.as_str().parse().ok()
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Repr::Shared(bytes) => bytes,
        }
    }

    /// A number that equal ids share, whatever way they are written.
    pub(crate) fn digest(&self) -> u32 {
        let bytes = match self.as_bytes() {
            b"-0" => b"0",
            bytes => bytes,
        };
        let escaped = self.is_string() && memchr::memchr(b'\\', bytes).is_some();
        if !escaped {
            return bytes.iter().copied().fold(SEED, mixed);
        }
        let token = self.as_str();
        // The quotes count, as they do without an escape.
        let contents = token.get(1..token.len() - 1).unwrap_or_default();
        let digest = text::decoded(contents).fold(mixed(SEED, b'"'), |digest, character| {
            let mut bytes = [0; 4];
            character
                .encode_utf8(&mut bytes)
                .bytes()
                .fold(digest, mixed)
        });
        mixed(digest, b'"')
    }

    /// Stores a token that is known to be a JSON string or integer.
    fn copied(token: &str) -> Self {
        let mut bytes = [0; INLINE_MAX];
        let Some(target) = bytes.get_mut(..token.len()) else {
            return Self(Repr::Shared(Bytes::copy_from_slice(token.as_bytes())));
        };
        target.copy_from_slice(token.as_bytes());
        Self(Repr::Inline {
            len: token.len() as u8,
            bytes,
        })
    }
}

/// Where a digest begins (FNV-1a).
const SEED: u32 = 0x811c_9dc5;

fn mixed(digest: u32, byte: u8) -> u32 {
    (digest ^ u32::from(byte)).wrapping_mul(0x0100_0193)
}

impl PartialEq for WireId {
    fn eq(&self, other: &Self) -> bool {
        let (a, b) = (self.as_bytes(), other.as_bytes());
        if a == b {
            return true;
        }
        match (self.is_string(), other.is_string()) {
            (true, true) => text::eq_tokens(self.as_str(), other.as_str()),
            (false, false) => matches!((a, b), (b"0" | b"-0", b"0" | b"-0")),
            _ => false,
        }
    }
}

impl Eq for WireId {}

impl From<u64> for WireId {
    fn from(id: u64) -> Self {
        Self::copied(itoa::Buffer::new().format(id))
    }
}

impl From<i64> for WireId {
    fn from(id: i64) -> Self {
        Self::copied(itoa::Buffer::new().format(id))
    }
}

impl fmt::Debug for WireId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WireId").field(&self.as_str()).finish()
    }
}

impl fmt::Display for WireId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether `token` is a JSON integer: no fraction, no exponent, no leading zero.
pub(crate) fn is_integer(token: &str) -> bool {
    let digits = token.strip_prefix('-').unwrap_or(token).as_bytes();
    match digits {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// The integer that a JSON number with a fraction or exponent denotes, if it is one and exact in
/// every peer.
pub(crate) fn integral_float(token: &str) -> Option<i64> {
    if !text::is_number(token) {
        return None;
    }
    let value: f64 = token.parse().ok()?;
    let safe = value.abs() <= MAX_SAFE_INTEGER as f64 && value as i64 as f64 == value;
    safe.then_some(value as i64)
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn a_call_as_a_number_tells_slots_and_generations_apart() {
        assert_eq!(CallId::new((0, 1)).as_u64(), 1 << 32);
        assert_eq!(CallId::new((3, 1)).as_u64(), (1 << 32) + 3);
        assert_eq!(CallId::new((u32::MAX, 7)).as_u64(), (7 << 32) + 0xffff_ffff);
    }

    #[test]
    fn equal_ids_share_a_digest_and_others_hardly_ever_do() {
        let digest = |token: &str| WireId::from_token(token).map(|id| id.digest());
        for (one, other) in [
            ("0", "-0"),
            (r#""a/b""#, r#""a\/b""#),
            (r#""\u00e9""#, "\"é\""),
        ] {
            assert!(digest(one).is_some());
            assert_eq!(digest(one), digest(other), "{one} {other}");
        }
        let mut all: Vec<u32> = (0..1000_u64).map(|id| WireId::from(id).digest()).collect();
        all.extend((0..1000).filter_map(|id| digest(&format!("\"request-{id}\""))));
        all.extend((0..1000).filter_map(|id| digest(&format!("\"\\n{id}\""))));
        all.sort_unstable();
        all.dedup();
        // Three thousand of four thousand million: a few at most would meet by chance.
        assert!(all.len() > 2_990, "{}", all.len());
    }
}
