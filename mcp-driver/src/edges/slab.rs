//! Places for what a loop serves, each with a generation.
//!
//! Owns the places and what is in them. A key that is older than what is in its place finds nothing.

/// The key of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// Which place it is.
    pub index: u32,
    /// How often something was removed from it before.
    pub generation: u32,
}

/// Places, and what is in them.
#[derive(Debug)]
pub struct Slab<T> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
    capacity: usize,
    generations: u32,
}

#[derive(Debug)]
struct Place<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Slab<T> {
    /// At most `capacity` places. Generations are below `generations`, then they begin again.
    #[must_use]
    pub const fn new(capacity: usize, generations: u32) -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
            capacity,
            generations,
        }
    }

    /// Whether a place is free.
    #[must_use]
    pub const fn has_room(&self) -> bool {
        !self.free.is_empty() || self.places.len() < self.capacity
    }

    /// How many places are taken.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Whether no place is taken.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts in what `make` makes for its key; `None` if every place is taken.
    pub fn insert(&mut self, make: impl FnOnce(Id) -> T) -> Option<Id> {
        let index = match self.free.pop() {
            Some(index) => index,
            None if self.places.len() < self.capacity => {
                let index = u32::try_from(self.places.len()).ok()?;
                self.places.push(Place {
                    generation: 0,
                    value: None,
                });
                index
            }
            None => return None,
        };
        let place = &mut self.places[index as usize];
        let id = Id {
            index,
            generation: place.generation,
        };
        place.value = Some(make(id));
        Some(id)
    }

    /// What is there under this key.
    pub fn get_mut(&mut self, id: Id) -> Option<&mut T> {
        let place = self.places.get_mut(id.index as usize)?;
        if place.generation != id.generation {
            return None;
        }
        place.value.as_mut()
    }

    /// Takes out what is there under this key, which finds nothing any more.
    pub fn remove(&mut self, id: Id) -> Option<T> {
        let place = self.places.get_mut(id.index as usize)?;
        if place.generation != id.generation {
            return None;
        }
        let value = place.value.take()?;
        place.generation = (place.generation + 1) % self.generations.max(1);
        self.free.push(id.index);
        Some(value)
    }

    /// Everything, with its key.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Id, &mut T)> {
        let indexed = (0_u32..).zip(&mut self.places);
        indexed.filter_map(|(index, place)| {
            let id = Id {
                index,
                generation: place.generation,
            };
            place.value.as_mut().map(|value| (id, value))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_key_finds_nothing() {
        let mut slab = Slab::new(1, 256);
        let old = slab.insert(|_| 'a').unwrap();
        assert!(!slab.has_room() && slab.insert(|_| 'b').is_none());
        assert_eq!(slab.remove(old), Some('a'));
        assert_eq!(slab.remove(old), None);
        let new = slab.insert(|_| 'c').unwrap();
        assert_eq!(old.index, new.index);
        assert_eq!(slab.get_mut(old), None);
        assert_eq!(slab.get_mut(new), Some(&mut 'c'));
        assert_eq!((slab.len(), slab.iter_mut().count()), (1, 1));
        assert!(!slab.is_empty());
    }

    #[test]
    fn generations_stay_below_their_bound() {
        let mut slab = Slab::new(4, 3);
        for round in 0..7 {
            let id = slab.insert(|id| id).unwrap();
            assert_eq!(id.generation, round % 3);
            assert_eq!(slab.remove(id), Some(id));
        }
    }
}
