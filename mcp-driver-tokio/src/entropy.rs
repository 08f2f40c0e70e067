//! Seeds for the machines, from the operating system.
//!
//! Owns the one call to the system's random source. It must never fall back
//! to anything weaker: session ids and sealed state depend on it.

/// The operating system has no randomness to give.
#[derive(Debug)]
pub struct NoEntropy(getrandom::Error);

impl std::fmt::Display for NoEntropy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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
    getrandom::fill(&mut seed).map_err(NoEntropy)?;
    Ok(seed)
}

#[cfg(test)]
mod tests {
    #[test]
    fn seeds_differ() {
        assert_ne!(super::seed().unwrap(), super::seed().unwrap());
    }
}
