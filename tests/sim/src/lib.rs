//! A simulator that tries to break the machines before anyone else does.
//!
//! Many clients and servers in one process and in virtual time, over bad pipes, with bad peers, beside a
//! reference model that is too simple to be wrong. A run is a function of its seed; a failing one shrinks to
//! a short trace.

#![forbid(unsafe_code)]

pub mod failure;
pub mod lane;
pub mod model;
pub mod mutation;
pub mod op;
pub mod pipe;
pub mod rng;
pub mod shrink;
pub mod stage;
pub mod trace;
pub mod world;
