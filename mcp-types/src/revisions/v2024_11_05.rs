//! 2024-11-05, the first revision, seen from 2025-03-26.
//!
//! Beyond the tables: prompts, results and samples hold no audio, so that such a block is written as text.

use super::Differences;
use crate::revision::Revision;

pub(super) const DIFFERENCES: Differences = Differences {
    lacks_types: &["AudioContent", "ToolAnnotations"],
    lacks_members: &[
        ("ProgressNotificationParams", &["message"]),
        ("ServerCapabilities", &["completions"]),
        ("Tool", &["annotations"]),
    ],
    ..Differences::none(Revision::V2024_11_05)
};
