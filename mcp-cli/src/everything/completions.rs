//! Suggestions for the arguments of prompts and the variables of templates.

use mcp_server::CompletionRequest;

/// The topics that notes and explanations know.
pub(super) const TOPICS: &[&str] = &["gravity", "geology", "music", "tides", "volcanoes"];

/// The languages of the explanations.
const LANGUAGES: &[&str] = &[
    "Chinese",
    "English",
    "French",
    "German",
    "Hindi",
    "Italian",
    "Japanese",
    "Portuguese",
    "Spanish",
    "Swahili",
];

pub(super) fn topics(request: CompletionRequest) -> Vec<&'static str> {
    beginning_with(TOPICS, request.value())
}

pub(super) fn languages(request: CompletionRequest) -> Vec<&'static str> {
    beginning_with(LANGUAGES, request.value())
}

/// The names of notes depend on the topic that was chosen before.
pub(super) fn notes(request: CompletionRequest) -> Vec<String> {
    let Some(topic) = request.get("topic") else {
        return Vec::new();
    };
    let names = ["basics", "history", "questions"].map(|name| format!("{topic}-{name}"));
    names
        .into_iter()
        .filter(|name| name.starts_with(request.value()))
        .collect()
}

fn beginning_with(words: &[&'static str], start: &str) -> Vec<&'static str> {
    let start = start.to_lowercase();
    words
        .iter()
        .copied()
        .filter(|word| word.to_lowercase().starts_with(&start))
        .collect()
}
