//! The machine and the connection from outside, in virtual time.

mod bench;
mod connection;
mod driven;
mod endings;
mod hyper;
mod responses;
mod smuggling;
mod splits;
mod vectors;
