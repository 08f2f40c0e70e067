//! The command line.

use std::collections::HashMap;
use std::error::Error;

pub(crate) type Fallible<T> = Result<T, Box<dyn Error>>;

/// Which protocol is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// HTTP: a server that answers everything with the same bytes.
    Fixed,
    /// 2025-06-18 without a session.
    Legacy,
    /// 2025-06-18; over HTTP with one session per connection.
    Session,
    /// 2026-07-28.
    Modern,
}

pub(crate) struct Options {
    named: HashMap<String, String>,
    pub(crate) command: Vec<String>,
}

impl Options {
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Fallible<Self> {
        let mut named = HashMap::new();
        let mut command = Vec::new();
        let mut words = words;
        while let Some(word) = words.next() {
            if word == "--" {
                command = words.by_ref().collect();
            } else if let Some(name) = word.strip_prefix("--") {
                let value = if name == "call" {
                    Some(String::new())
                } else {
                    words.next()
                };
                named.insert(
                    name.to_owned(),
                    value.ok_or_else(|| format!("{word} needs a value"))?,
                );
            } else {
                return Err(format!("unknown argument `{word}`").into());
            }
        }
        if command.is_empty() {
            return Err("no command of a server behind `--`".into());
        }
        Ok(Self { named, command })
    }

    pub(crate) fn text(&self, name: &str, default: &'static str) -> &str {
        self.named.get(name).map_or(default, String::as_str)
    }

    pub(crate) fn number(&self, name: &str, default: usize) -> Fallible<usize> {
        match self.named.get(name) {
            None => Ok(default),
            Some(text) => Ok(text
                .parse()
                .map_err(|error| format!("--{name} {text}: {error}"))?),
        }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.named.contains_key(name)
    }

    pub(crate) fn mode(&self) -> Fallible<Mode> {
        let text = self.named.get("mode").or_else(|| self.named.get("era"));
        match text.map_or("legacy", String::as_str) {
            "fixed" => Ok(Mode::Fixed),
            "legacy" => Ok(Mode::Legacy),
            "session" => Ok(Mode::Session),
            "modern" => Ok(Mode::Modern),
            other => Err(format!("unknown mode `{other}`").into()),
        }
    }
}
