//! The server's machines: [`Link`] for an ordered byte stream that carries many calls, and
//! [`Subscription`], the transport-neutral part of `subscriptions/listen`.

mod calls;
mod link;
mod link_legacy;
mod pacer;
mod progress;
mod subscription;

pub use link::{CancelledBy, Link, LinkEvent, Refused, Step};
pub use pacer::Pacer;
pub use progress::{Progress, write_log, write_progress};
pub use subscription::{Change, Dirty, Filter, Subscription, write_change};
