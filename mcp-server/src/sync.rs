//! What threads share, and what a model checker puts in its place.
//!
//! Owns the choice alone. What is built from these is checked in every order of events by `interleavings`.

#[cfg(all(test, loom))]
pub(crate) use loom::sync::{Mutex, MutexGuard, atomic};
#[cfg(not(all(test, loom)))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic};
