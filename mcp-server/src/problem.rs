//! What can be wrong with a server before its first request, and what known clients merely dislike.
//!
//! Owns the rules for names, duplicates and definitions, for building and for changes at run time alike. Must never let a
//! definition pass that clients would reject.

use std::any::TypeId;
use std::collections::HashSet;
use std::fmt;

use crate::page::ListKind;
use crate::prompt::Prompt;
use crate::registry::Entry;
use crate::resource::Resource;
use crate::state::States;
use crate::tool::Tool;

/// The longest tool name (2026-07-28, server/tools, "Tool Names").
const MAX_NAME: usize = 128;
/// The longest tool name that every known client takes.
const SAFE_NAME: usize = 64;

/// Everything that keeps a server from being built.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BuildError {
    /// At least one.
    pub problems: Vec<Problem>,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for problem in &self.problems {
            write!(f, "{separator}{problem}")?;
            separator = "; ";
        }
        Ok(())
    }
}

impl std::error::Error for BuildError {}

/// One thing that is wrong with a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Two items of one list have the same name or URI.
    #[error("there are two {list} called `{name}`")]
    Duplicate {
        /// `tools`, `resources`, `resourceTemplates` or `prompts`.
        list: &'static str,
        /// The name or URI.
        name: String,
    },
    /// A tool's name is empty, too long, or has characters that no tool name has.
    #[error("`{0}` is not a tool name: it needs 1 to 128 of the characters A-Z a-z 0-9 _ - .")]
    ToolName(String),
    /// A prompt's name is empty or has control characters.
    #[error("`{0}` is not a prompt name: it must not be empty or hold control characters")]
    PromptName(String),
    /// A definition is not valid.
    #[error("{list}: `{name}`: {reason}")]
    Definition {
        /// Which list it would be in.
        list: &'static str,
        /// The name or URI.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// A handler wants a state that the server was not given.
    #[error("`{name}` needs a `State<{state}>`; add one with `Server::state`")]
    MissingState {
        /// The name or URI.
        name: String,
        /// The Rust type.
        state: &'static str,
    },
    /// Pages without items would never end.
    #[error("the page size must be at least 1")]
    PageSize,
}

/// Something that is allowed but that a known client stumbles over, or an author may not expect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// Some clients take only names of at most 64 of `A-Z a-z 0-9 _ -`, and drop the tool or fail.
    #[error(
        "tool `{0}`: some clients take only names of at most 64 of the characters A-Z a-z 0-9 _ -"
    )]
    NarrowName(String),
    /// A tool without a description: models have to guess from its name.
    #[error("tool `{0}` has no description")]
    NoDescription(String),
    /// Clients are shown a rule that the server does not hold them to.
    #[error(
        "tool `{tool}`: `{keyword}` in its input schema is enforced with the feature `validate` only"
    )]
    Unenforced {
        /// The tool's name.
        tool: String,
        /// The keyword of JSON Schema.
        keyword: &'static str,
    },
}

pub(crate) fn check_tool(
    tool: &Tool,
    states: &States,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Warning>,
) {
    let name = tool.name();
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(legal) {
        problems.push(Problem::ToolName(name.to_owned()));
    } else if name.len() > SAFE_NAME || name.contains('.') {
        warnings.push(Warning::NarrowName(name.to_owned()));
    }
    if tool.definition().description.is_none() {
        warnings.push(Warning::NoDescription(name.to_owned()));
    }
    for keyword in tool.inner.rules.unenforced() {
        let tool = name.to_owned();
        warnings.push(Warning::Unenforced { tool, keyword });
    }
    definition(ListKind::Tools, name, &tool.inner.problems, problems);
    missing(name, &tool.inner.states, states, problems);
}

pub(crate) fn check_resource(resource: &Resource, states: &States, problems: &mut Vec<Problem>) {
    let kind = if resource.is_template() {
        ListKind::Templates
    } else {
        ListKind::Resources
    };
    definition(kind, resource.uri(), &resource.inner.problems, problems);
    missing(resource.uri(), &resource.inner.states, states, problems);
}

pub(crate) fn check_prompt(prompt: &Prompt, states: &States, problems: &mut Vec<Problem>) {
    let name = prompt.name();
    if name.is_empty() || name.chars().any(char::is_control) {
        problems.push(Problem::PromptName(name.to_owned()));
    }
    definition(ListKind::Prompts, name, &prompt.inner.problems, problems);
    missing(name, &prompt.inner.states, states, problems);
}

fn definition(kind: ListKind, name: &str, reasons: &[String], problems: &mut Vec<Problem>) {
    problems.extend(reasons.iter().map(|reason| Problem::Definition {
        list: kind.member(),
        name: name.to_owned(),
        reason: reason.clone(),
    }));
}

fn missing(
    name: &str,
    wanted: &[(TypeId, &'static str)],
    states: &States,
    problems: &mut Vec<Problem>,
) {
    for (id, state) in wanted {
        if !states.contains(*id) {
            problems.push(Problem::MissingState {
                name: name.to_owned(),
                state,
            });
        }
    }
}

pub(crate) fn duplicates<T: Entry>(entries: &[T], problems: &mut Vec<Problem>) {
    let mut seen = HashSet::new();
    for entry in entries {
        if !seen.insert(entry.key()) {
            problems.push(Problem::Duplicate {
                list: T::KIND.member(),
                name: entry.key().to_owned(),
            });
        }
    }
}

pub(crate) fn taken<T: Entry>(name: &str) -> BuildError {
    BuildError {
        problems: vec![Problem::Duplicate {
            list: T::KIND.member(),
            name: name.to_owned(),
        }],
    }
}
