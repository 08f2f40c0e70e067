//! What a client's byte stream does, in both eras. Virtual time, scripted bytes.
#![allow(clippy::disallowed_types, reason = "tests compare trees")]

mod asks;
mod endings;
mod lines;
mod requests;
mod rig;
