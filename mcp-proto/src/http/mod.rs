//! Streamable HTTP without I/O: pure judgements of a request head, and the answer as a typestate.
//!
//! Owns what the specification says about HTTP, over the types of the `http` crate. Must never know
//! a socket, a runtime or a server library: a driver turns its requests into [`Head`](head::Head)s
//! and chunks, and writes the head and chunks that come back.
//!
//! ```text
//! head ──admit──▶ Respond | Read(Posted) | Listen | Terminate
//! body ──Exchange<AwaitBody>──▶ Exchange<Open> ──finish──▶ Exchange<Draining>
//! ```

pub mod accept;
pub mod admit;
pub mod cors;
mod decimal;
pub mod exchange;
pub mod head;
pub mod host;
pub mod mirror;
pub mod origin;
pub mod outline;
pub mod param;
pub mod sentinel;
pub mod status;
