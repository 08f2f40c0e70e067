//! How threads wait where there is no `poll(2)`: for each other. Each direction of a stream has a thread that blocks in it,
//! and a listener has one, too.
//!
//! Owns nothing but the choice; the names are those of [`poll`](../poll).

mod bell;
mod door;
mod duplex;

use std::io::{Read, Write};

pub(crate) use bell::Bell;
pub(crate) use door::Door;
#[cfg(not(unix))]
pub(crate) use door::Listener;
pub(crate) use duplex::Duplex;

/// What can be read and waited for: on Unix any descriptor, elsewhere any reader.
pub trait Input: Read + Send + 'static {}

impl<T: Read + Send + 'static> Input for T {}

/// What can be written and waited for: on Unix any descriptor, elsewhere any writer.
pub trait Output: Write + Send + 'static {}

impl<T: Write + Send + 'static> Output for T {}

#[cfg(test)]
mod tests;
