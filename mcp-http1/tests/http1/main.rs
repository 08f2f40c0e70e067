//! The machine and the connection from outside, in virtual time.

mod driven;
mod responses;
mod smuggling;
mod splits;
mod vectors;
