//! The scenarios, by what they are about.
//!
//! | what | where |
//! |-|-|
//! | calls of every kind, on every transport | [`calls`] |
//! | many calls at once on one connection | [`concurrency`] |
//! | calls that nobody waits for | [`cancels`] |
//! | questions of the server's | [`questions`] |
//! | change notifications | [`subscriptions`] |
//! | bytes that come in pieces, wrong, or too many | [`bytes`] |
//! | ends: of the input, of the peer, of the server | [`ends`] |
//! | peers that do not read | [`stalls`] |
//! | many connections | [`listeners`] |
//! | child processes | [`processes`] |
//! | HTTP connections, bodies, sessions, refusals, ends | [`http`] |

use super::case::Transport;
use super::messages::Era;
use super::table::Scenario;

mod bytes;
mod calls;
mod cancels;
mod concurrency;
mod ends;
mod http;
mod listeners;
mod processes;
mod questions;
mod stalls;
mod subscriptions;

const BOTH: &[Era] = &[Era::Modern, Era::Legacy];
const MODERN: &[Era] = &[Era::Modern];
const LEGACY: &[Era] = &[Era::Legacy];

const EVERYWHERE: &[Transport] = &[
    Transport::Stream,
    Transport::Tcp,
    Transport::Unix,
    Transport::Stdio,
    Transport::Http,
    Transport::Https,
];
/// What has the stdio framing.
const LINES: &[Transport] = &[
    Transport::Stream,
    Transport::Tcp,
    Transport::Unix,
    Transport::Stdio,
];
/// What has the stdio framing and is served in the process of the client.
const SOCKETS: &[Transport] = &[Transport::Stream, Transport::Tcp, Transport::Unix];
/// The same, where its end can be asked for.
const STOPPABLE: &[Transport] = &[
    Transport::Stream,
    Transport::Tcp,
    Transport::Unix,
    Transport::Signals,
];
const LISTENERS: &[Transport] = &[Transport::Tcp, Transport::Unix];
const STDIO: &[Transport] = &[Transport::Stdio];
const SIGNALS: &[Transport] = &[Transport::Signals];
const HTTP: &[Transport] = &[Transport::Http, Transport::Https];
#[cfg(feature = "tls")]
const HTTPS: &[Transport] = &[Transport::Https];

/// All of them.
pub(super) const ALL: &[&[Scenario]] = &[
    calls::ROWS,
    concurrency::ROWS,
    cancels::ROWS,
    questions::ROWS,
    subscriptions::ROWS,
    bytes::ROWS,
    ends::ROWS,
    stalls::ROWS,
    listeners::ROWS,
    processes::ROWS,
    http::connections::ROWS,
    http::bodies::ROWS,
    http::streams::ROWS,
    http::refusals::ROWS,
    http::smuggling::ROWS,
    http::deadlines::ROWS,
    http::ends::ROWS,
    #[cfg(feature = "tls")]
    http::tls::ROWS,
];
