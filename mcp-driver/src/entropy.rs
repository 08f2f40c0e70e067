//! Seeds for the machines, from the operating system.
//!
//! Owns the one call to the system's random source. Must never fall back to anything weaker: session ids and sealed state
//! depend on it.

use std::fmt;

/// The operating system has no randomness to give.
#[derive(Debug)]
pub struct NoEntropy(std::io::Error);

impl fmt::Display for NoEntropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the operating system gave no randomness: {}", self.0)
    }
}

impl std::error::Error for NoEntropy {}

impl From<NoEntropy> for std::io::Error {
    fn from(error: NoEntropy) -> Self {
        Self::other(error)
    }
}

/// 32 fresh bytes, as every machine wants at its construction.
///
/// # Errors
/// When the operating system's random source fails.
pub fn seed() -> Result<[u8; 32], NoEntropy> {
    let mut seed = [0; 32];
    fill(&mut seed).map_err(NoEntropy)?;
    Ok(seed)
}

#[cfg(target_os = "linux")]
fn fill(seed: &mut [u8]) -> std::io::Result<()> {
    use rustix::rand::{GetRandomFlags, getrandom};

    let mut filled = 0;
    while filled < seed.len() {
        match getrandom(&mut seed[filled..], GetRandomFlags::empty()) {
            Ok(0) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            Ok(more) => filled += more,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn fill(seed: &mut [u8]) -> std::io::Result<()> {
    getrandom::fill(seed).map_err(|error| std::io::Error::other(error.to_string()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn seeds_differ() {
        assert_ne!(super::seed().unwrap(), super::seed().unwrap());
    }
}
