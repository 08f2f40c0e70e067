//! The server's machines: [`Link`] for an ordered byte stream that carries many calls, and
//! [`Subscription`], the transport-neutral part of `subscriptions/listen`.

mod batched;
mod calls;
mod event;
mod link;
mod link_legacy;
mod link_receive;
mod pacer;
mod progress;
mod subscription;

pub use event::{CancelledBy, LinkEvent, Refused, Step};
pub use link::{Link, MayWatch};
pub use pacer::Pacer;
pub use progress::{Progress, write_log, write_progress};
pub use subscription::{Change, Dirty, Filter, Subscription, write_change};
