//! Traces as files: one operation a line, `#` begins a comment.

use std::fmt::Write as _;

use crate::op::Op;

/// The text of a trace.
#[must_use]
pub fn write(comment: &str, ops: &[Op]) -> String {
    let mut text = String::new();
    for line in comment.lines() {
        let _ = writeln!(text, "# {line}");
    }
    for op in ops {
        let _ = writeln!(text, "{op}");
    }
    text
}

/// Reads a trace.
///
/// # Errors
/// The first line that is no operation.
pub fn read(text: &str) -> Result<Vec<Op>, String> {
    text.lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty())
        .map(|line| Op::parse(line).ok_or_else(|| format!("not an operation: {line}")))
        .collect()
}
