//! Everything session-shaped: what revisions up to 2025-11-25 need and 2026-07-28 removed.
//!
//! Owns the handshake and what it leaves behind, server-to-client requests, sealed session ids, the
//! session table and the replay ring. Nothing outside this module may depend on a session existing.

pub mod batch;
mod peer;
mod replay;
mod requests;
mod session_id;
mod sessions;

pub use peer::Peer;
pub use replay::{EventId, GENERAL, Replay};
pub use requests::{Answer, ServerRequests};
pub use session_id::{MAX_TEXT as MAX_SESSION_ID, SessionKey, SessionToken};
pub use sessions::{CannotTerminate, Full, SessionLimits, Sessions};
