//! JSON objects with arbitrary keys, in the order in which they were written.
//!
//! Owns [`Map`] and [`Object`]. Must never reorder members and must stay cheap for a hostile object with many keys:
//! decoding is O(n log n) and refuses nothing, of a repeated key the last value wins.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::borrow::Borrow;
use core::fmt;

use serde::de::{MapAccess, Visitor};
use serde::ser::Serialize;
use serde::{Deserialize, Deserializer, Serializer};

use crate::json::Json;
use crate::revision::Revision;
use crate::wire::Wire;
use crate::writer::Writer;

/// A JSON object whose values are all of one type. Keys are unique and keep their order, which counts for equality.
#[derive(Clone, PartialEq)]
pub struct Map<T> {
    entries: Vec<(String, T)>,
}

/// A JSON object of raw values.
pub type Object = Map<Json>;

impl<T> Map<T> {
    /// An empty object; allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            entries: Vec::new(),
        }
    }

    /// The number of members.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// True without members.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The value of a member. Linear in the number of members.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&T> {
        self.entries
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value)
    }

    /// The value of a member, to be changed.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut T> {
        self.entries
            .iter_mut()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value)
    }

    /// True if there is such a member.
    #[must_use]
    pub fn contains_key(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Adds a member at the end, or replaces its value in place. Returns the value that was there.
    pub fn insert(
        &mut self,
        key: impl Into<String> + Borrow<str>,
        value: impl Into<T>,
    ) -> Option<T> {
        let value = value.into();
        if let Some(old) = self.get_mut(key.borrow()) {
            return Some(core::mem::replace(old, value));
        }
        self.entries.push((key.into(), value));
        None
    }

    /// Takes a member out; the order of the others stays.
    pub fn remove(&mut self, key: &str) -> Option<T> {
        let at = self.entries.iter().position(|(name, _)| name == key)?;
        Some(self.entries.remove(at).1)
    }

    /// The members in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &T)> + DoubleEndedIterator + Clone {
        self.entries
            .iter()
            .map(|(key, value)| (key.as_str(), value))
    }

    /// The keys in order.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &str> + DoubleEndedIterator + Clone {
        self.iter().map(|(key, _)| key)
    }

    /// Keeps the members for which the function says so.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &T) -> bool) {
        self.entries.retain(|(key, value)| keep(key, value));
    }

    /// Of entries that may repeat a key: the first place and the last value of each.
    pub(crate) fn from_entries(mut entries: Vec<(String, T)>) -> Self {
        const SMALL: usize = 16;
        let repeats = if entries.len() <= SMALL {
            entries
                .iter()
                .enumerate()
                .any(|(at, (key, _))| entries[..at].iter().any(|(seen, _)| seen == key))
        } else {
            let mut keys: Vec<&str> = entries.iter().map(|(key, _)| key.as_str()).collect();
            keys.sort_unstable();
            keys.windows(2).any(|pair| pair[0] == pair[1])
        };
        if !repeats {
            return Self { entries };
        }
        // For every entry the place of the first one with the same key.
        let mut order: Vec<usize> = (0..entries.len()).collect();
        order.sort_by(|&a, &b| entries[a].0.cmp(&entries[b].0).then(a.cmp(&b)));
        let mut home = vec![0; entries.len()];
        for (index, &at) in order.iter().enumerate() {
            home[at] = match index.checked_sub(1).map(|before| order[before]) {
                Some(before) if entries[before].0 == entries[at].0 => home[before],
                _ => at,
            };
        }
        for at in 0..entries.len() {
            if home[at] != at {
                // `home[at] < at`: swapping the value down leaves the stale one here, to be dropped below.
                let (left, right) = entries.split_at_mut(at);
                core::mem::swap(&mut left[home[at]].1, &mut right[0].1);
            }
        }
        let mut at = 0;
        entries.retain(|_| {
            at += 1;
            home[at - 1] == at - 1
        });
        Self { entries }
    }
}

impl<T> Default for Map<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for Map<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Into<String>, V: Into<T>, T> FromIterator<(K, V)> for Map<T> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        Self::from_entries(
            entries
                .into_iter()
                .map(|(key, value)| (key.into(), value.into()))
                .collect(),
        )
    }
}

impl<K: Into<String>, V: Into<T>, T, const N: usize> From<[(K, V); N]> for Map<T> {
    fn from(entries: [(K, V); N]) -> Self {
        entries.into_iter().collect()
    }
}

impl<T> IntoIterator for Map<T> {
    type Item = (String, T);
    type IntoIter = vec::IntoIter<(String, T)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Map<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(core::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = Map<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Map<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    let value = map
                        .next_value()
                        .map_err(|error| crate::decode::at_field(&key, &error))?;
                    entries.push((key, value));
                }
                Ok(Map::from_entries(entries))
            }
        }

        deserializer.deserialize_map(Members(core::marker::PhantomData))
    }
}

impl<T: Wire> Wire for Map<T> {
    fn write_at(&self, revision: Revision, out: &mut Writer) {
        let mut object = out.object();
        for (key, value) in self.iter().filter(|(_, value)| value.present_at(revision)) {
            value.write_at(revision, object.named(key));
        }
        object.end();
    }
}

/// Raw members look the same in every revision.
impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::{Map, Object};
    use alloc::borrow::ToOwned;
    use alloc::format;
    use alloc::string::String;
    use alloc::vec::Vec;

    #[test]
    fn order_is_kept_and_the_last_of_a_repeated_key_wins() {
        let object: Object =
            serde_json::from_str(r#"{"z":1,"a":2,"z":3,"m":4,"a":5,"z":6}"#).expect("valid");
        let members: Vec<_> = object
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        assert_eq!(members, ["z=6", "a=5", "m=4"]);
    }

    #[test]
    fn many_keys_cost_no_quadratic_time() {
        let mut text = String::from("{\"k7\":0");
        for key in 0..100_000 {
            text.push_str(&format!(",\"k{key}\":{key}"));
        }
        text.push('}');
        let object: Object = serde_json::from_str(&text).expect("valid");
        assert_eq!(object.len(), 100_000);
        assert_eq!(
            object
                .iter()
                .next()
                .map(|(key, value)| format!("{key}={value}")),
            Some("k7=7".to_owned())
        );
    }

    #[test]
    fn insert_replaces_in_place_and_remove_keeps_order() {
        let mut map: Map<u64> = Map::from([("a", 1_u64), ("b", 2), ("c", 3)]);
        assert_eq!(map.insert("b", 9_u64), Some(2));
        assert_eq!(map.remove("a"), Some(1));
        assert_eq!(
            map.into_iter().collect::<Vec<_>>(),
            [("b".to_owned(), 9), ("c".to_owned(), 3)]
        );
    }
}
