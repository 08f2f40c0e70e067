//! A table with reused slots, as ordered maps.

use std::collections::BTreeMap;

/// Slot and generation.
pub type Key = (u32, u32);

/// The number that stands for a key on the wire.
#[must_use]
pub fn wire(key: Key) -> u64 {
    u64::from(key.1) * 65536 + u64::from(key.0)
}

/// The key that a number stands for.
#[must_use]
pub fn unwire(wire: u64) -> Option<Key> {
    if wire >= 1 << 53 {
        return None;
    }
    let generation = u32::try_from(wire / 65536).ok()?;
    (generation != 0).then_some(((wire % 65536) as u32, generation))
}

/// Values by slot; freed slots are used again, the last one first.
#[derive(Debug)]
pub struct Table<V> {
    values: BTreeMap<u32, V>,
    generations: BTreeMap<u32, u32>,
    free: Vec<u32>,
    max: usize,
}

impl<V> Table<V> {
    /// At most `max` values.
    #[must_use]
    pub const fn new(max: usize) -> Self {
        Self {
            values: BTreeMap::new(),
            generations: BTreeMap::new(),
            free: Vec::new(),
            max,
        }
    }

    /// Puts a value in, if there is room.
    pub fn insert(&mut self, value: V) -> Option<Key> {
        if self.values.len() >= self.max {
            return None;
        }
        let slot = self.free.pop().unwrap_or(self.generations.len() as u32);
        let generation = *self.generations.entry(slot).or_insert(1);
        self.values.insert(slot, value);
        Some((slot, generation))
    }

    /// Takes a value out.
    pub fn remove(&mut self, key: Key) -> Option<V> {
        self.get(key)?;
        *self.generations.get_mut(&key.0)? += 1;
        self.free.push(key.0);
        self.values.remove(&key.0)
    }

    /// The value under a key.
    #[must_use]
    pub fn get(&self, key: Key) -> Option<&V> {
        (self.generations.get(&key.0) == Some(&key.1))
            .then(|| self.values.get(&key.0))
            .flatten()
    }

    /// The value under a key.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut V> {
        (self.generations.get(&key.0) == Some(&key.1))
            .then(|| self.values.get_mut(&key.0))
            .flatten()
    }

    /// Keys by slot.
    #[must_use]
    pub fn keys(&self) -> Vec<Key> {
        self.values
            .keys()
            .map(|slot| (*slot, self.generations[slot]))
            .collect()
    }

    /// Keys and values by slot.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &V)> {
        self.values
            .iter()
            .map(|(slot, value)| ((*slot, self.generations[slot]), value))
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Whether no more fit.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len() >= self.max
    }
}
