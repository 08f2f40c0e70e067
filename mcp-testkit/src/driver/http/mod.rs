//! An HTTP/1.1 client that can be rude: heads and bodies by hand, on connections that a scenario holds.
//!
//! [`link`] has the connection and cuts what comes into heads and bodies, [`request`] builds what is sent, [`caller`] speaks
//! MCP over them.

mod caller;
mod link;
mod request;

pub(super) use caller::{Caller, Events};
pub(super) use link::{Answer, Link};
pub(super) use request::Request;
