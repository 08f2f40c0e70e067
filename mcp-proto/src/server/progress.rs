//! Notifications that belong to one call: progress and log messages.
//!
//! Owns their wire form and the rule that progress increases. Must never decide when to send.

use alloc::string::String;

use mcp_types::{LoggingLevel, Revision};

use crate::id::WireId;
use crate::json::{text, write};
use crate::outbox::Outbox;

/// One report of progress (2026-07-28, basic/patterns/progress).
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// How far; must increase with each report. Not finite values are never sent.
    pub progress: f64,
    /// Out of how much, if known.
    pub total: Option<f64>,
    /// For people; 2025-03-26 and later.
    pub message: Option<String>,
}

impl Progress {
    /// Whether this report may follow one of `last`.
    #[must_use]
    pub fn follows(&self, last: Option<f64>) -> bool {
        self.progress.is_finite() && last.is_none_or(|last| self.progress > last)
    }
}

/// Writes `notifications/progress`, without framing.
pub fn write_progress(out: &mut Outbox, token: &WireId, progress: &Progress, revision: Revision) {
    out.put(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":");
    out.put(token.as_str().as_bytes());
    out.put(b",\"progress\":");
    write::number(out, progress.progress);
    if let Some(total) = progress.total.filter(|total| total.is_finite()) {
        out.put(b",\"total\":");
        write::number(out, total);
    }
    if let (Some(message), true) = (&progress.message, revision >= Revision::V2025_03_26) {
        out.put(b",\"message\":");
        text::write_str(out, message);
    }
    out.put(b"}}");
}

/// Writes `notifications/message`, without framing. `data` is raw JSON.
pub fn write_log(out: &mut Outbox, level: LoggingLevel, logger: Option<&str>, data: &str) {
    out.put(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":\"");
    out.put(level.as_str().as_bytes());
    out.put_byte(b'"');
    if let Some(logger) = logger {
        out.put(b",\"logger\":");
        text::write_str(out, logger);
    }
    out.put(b",\"data\":");
    write::raw(out, data);
    out.put(b"}}");
}
