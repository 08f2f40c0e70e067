//! The client's machine: [`Client`] for an ordered byte stream that carries many requests.
//!
//! Owns nothing itself. Flows over several requests (probing, paging, answering questions) are built on
//! top of it and never inside it.

mod asks;
mod config;
mod event;
mod link;
mod receive;
mod requests;

pub use config::{ClientConfig, ClientProfile};
pub use event::{
    ClientEvent, Invalid, Limit, Outcome, PeerError, Refused, RequestOptions, Violation,
};
pub use link::Client;
