//! The wire matrix: every revision, transport and fault as executable rows.
//!
//! There is nothing to use here, only tests. Every message that a row sees is checked against the closed schema of its
//! revision (where the schemas are at hand) and decoded by an independent implementation of the vocabulary.

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod http;
#[cfg(test)]
mod peer;
#[cfg(test)]
mod rows;
#[cfg(test)]
mod stdio;
