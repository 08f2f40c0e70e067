//! Prompts: a definition with textual arguments, and a handler that makes messages of them.
//!
//! Owns [`Prompt`] and its builder; `#[prompt]` expands to it. Must never run a handler while a required argument is missing or an
//! unknown one is given: both are -32602 (2026-07-28, server/prompts, "Error Handling").

use std::any::TypeId;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use mcp_types::{self as types, GetPromptResult, Icon, Meta, PromptArgument, PromptMessage};

use crate::Context;
use crate::argument::Arguments;
use crate::check::Violation;
use crate::completion::{Completer, completing};
use crate::result::HandlerError;
use crate::tool::Work;

pub(crate) type PromptOutcome = Result<GetPromptResult, HandlerError>;
type PromptFn = dyn Fn(Arguments, Context) -> Work<PromptOutcome> + Send + Sync;

/// A prompt, ready to be added to a server. Cheap to clone.
///
/// ```
/// use mcp_server::Prompt;
/// use mcp_server::types::PromptArgument;
///
/// let review = Prompt::builder("review")
///     .description("Asks for a code review.")
///     .argument(PromptArgument::new("code").with_required(true))
///     .argument(PromptArgument::new("language"))
///     .complete_with("language", ["python", "rust"])
///     .get(|arguments, _ctx| {
///         let code: String = arguments.parse("code")?;
///         Ok(format!("Review this {} code:\n{code}", arguments.get("language").unwrap_or("")))
///     });
/// assert_eq!(review.name(), "review");
/// ```
#[derive(Clone)]
pub struct Prompt {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) definition: types::Prompt,
    pub(crate) scopes: Vec<String>,
    pub(crate) completers: Vec<(String, Completer)>,
    pub(crate) handler: Box<PromptFn>,
    pub(crate) states: Vec<(TypeId, &'static str)>,
    pub(crate) problems: Vec<String>,
}

impl fmt::Debug for Prompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prompt")
            .field("definition", &self.inner.definition)
            .finish_non_exhaustive()
    }
}

impl Prompt {
    /// Starts a prompt.
    pub fn builder(name: impl Into<String>) -> PromptBuilder {
        PromptBuilder {
            definition: types::Prompt::new(name.into()),
            scopes: Vec::new(),
            completers: Vec::new(),
            spawn: false,
            states: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// The name that clients ask for.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.definition.name
    }

    /// The declared arguments.
    pub(crate) fn arguments(&self) -> &[PromptArgument] {
        self.inner
            .definition
            .arguments
            .as_deref()
            .unwrap_or_default()
    }

    /// What is wrong with the arguments of a request, before the handler sees them.
    pub(crate) fn violations(&self, given: &Arguments) -> Vec<Violation> {
        let declared = self.arguments();
        let mut found: Vec<Violation> = declared
            .iter()
            .filter(|argument| {
                argument.required == Some(true) && given.get(&argument.name).is_none()
            })
            .map(|argument| Violation::new(&argument.name, "a string", "nothing"))
            .collect();
        for (name, _) in given.iter() {
            if declared.iter().all(|argument| argument.name != name) {
                let known = declared.iter().map(|argument| argument.name.as_str());
                found.push(Violation::unknown("", name, "argument", known));
            }
        }
        found.truncate(8);
        found
    }

    pub(crate) fn get(&self, arguments: Arguments, context: Context) -> Work<PromptOutcome> {
        (self.inner.handler)(arguments, context)
    }
}

/// Things that are a prompt: [`Prompt`] itself, and a function that returns one, which is what `#[prompt]` makes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a prompt",
    note = "write `#[prompt]` above the function, or build one with `Prompt::builder`"
)]
pub trait IntoPrompt {
    /// The prompt.
    fn into_prompt(self) -> Prompt;
}

impl<F: FnOnce() -> Prompt> IntoPrompt for F {
    fn into_prompt(self) -> Prompt {
        self()
    }
}

impl IntoPrompt for Prompt {
    fn into_prompt(self) -> Prompt {
        self
    }
}

/// Return types of prompts: text (one message by the user), one or several `PromptMessage`s, a whole `GetPromptResult`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the result of a prompt",
    note = "return text, one or several `PromptMessage`s, or a `GetPromptResult`"
)]
pub trait IntoMessages {
    /// The result.
    fn into_messages(self) -> GetPromptResult;
}

macro_rules! messages {
    ($($kind:ty: $value:ident => $messages:expr;)*) => {$(
        impl IntoMessages for $kind {
            fn into_messages(self) -> GetPromptResult {
                let $value = self;
                GetPromptResult::new($messages)
            }
        }
    )*};
}

messages! {
    String: text => vec![PromptMessage::user(text)];
    &'static str: text => vec![PromptMessage::user(text)];
    PromptMessage: message => vec![message];
    Vec<PromptMessage>: messages => messages;
}

impl<const N: usize> IntoMessages for [PromptMessage; N] {
    fn into_messages(self) -> GetPromptResult {
        GetPromptResult::new(Vec::from(self))
    }
}

impl IntoMessages for GetPromptResult {
    fn into_messages(self) -> GetPromptResult {
        self
    }
}

/// Builds a [`Prompt`]; ends with one of the `get` methods.
#[must_use = "a prompt builder does nothing until one of its `get` methods is given a handler"]
pub struct PromptBuilder {
    definition: types::Prompt,
    scopes: Vec<String>,
    completers: Vec<(String, Completer)>,
    spawn: bool,
    states: Vec<(TypeId, &'static str)>,
    problems: Vec<String>,
}

impl fmt::Debug for PromptBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PromptBuilder")
            .field("definition", &self.definition)
            .finish_non_exhaustive()
    }
}

impl PromptBuilder {
    /// A name for people.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.definition.title = Some(title.into());
        self
    }

    /// What the prompt is for.
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.definition.description = Some(text.into());
        self
    }

    /// An icon for people. May be repeated.
    pub fn icon(mut self, icon: Icon) -> Self {
        self.definition.icons.get_or_insert_default().push(icon);
        self
    }

    /// Metadata of the definition.
    pub fn meta(mut self, meta: Meta) -> Self {
        self.definition.meta = Some(meta);
        self
    }

    /// The next argument. Only declared arguments reach the handler.
    pub fn argument(mut self, argument: PromptArgument) -> Self {
        self.definition
            .arguments
            .get_or_insert_default()
            .push(argument);
        self
    }

    /// Scopes that a caller must have, all of them. Others neither see nor get the prompt.
    pub fn scopes<I: IntoIterator<Item: Into<String>>>(mut self, scopes: I) -> Self {
        self.scopes.extend(scopes.into_iter().map(Into::into));
        self
    }

    completing!(argument, "an argument");

    /// Runs an async handler as a task of the driver's runtime.
    pub const fn spawn(mut self) -> Self {
        self.spawn = true;
        self
    }

    #[doc(hidden)]
    pub fn needs_state<T: 'static>(mut self) -> Self {
        self.states
            .push((TypeId::of::<T>(), std::any::type_name::<T>()));
        self
    }

    /// Ends with a handler that runs in place. It must not block: it holds up its connection.
    pub fn get<R, F>(self, handler: F) -> Prompt
    where
        R: IntoMessages,
        F: Fn(Arguments, Context) -> Result<R, HandlerError> + Send + Sync + 'static,
    {
        let description = self.definition.description.clone();
        self.finish(Box::new(move |arguments, context| {
            Work::Ready(
                handler(arguments, context)
                    .map(|messages| described(messages, description.as_ref())),
            )
        }))
    }

    /// Ends with an async handler. It must not block between its awaits.
    pub fn get_async<R, F, Fut>(self, handler: F) -> Prompt
    where
        R: IntoMessages,
        F: Fn(Arguments, Context) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, HandlerError>> + Send + 'static,
    {
        let description = self.definition.description.clone();
        let spawn = self.spawn;
        self.finish(Box::new(move |arguments, context| {
            let future = handler(arguments, context);
            let description = description.clone();
            let future =
                Box::pin(async move { Ok(described(future.await?, description.as_ref())) });
            if spawn {
                Work::Spawn(future)
            } else {
                Work::Pending(future)
            }
        }))
    }

    /// Ends with a handler that may block: it runs on the driver's bounded pool of threads.
    pub fn get_blocking<R, F>(self, handler: F) -> Prompt
    where
        R: IntoMessages,
        F: Fn(Arguments, Context) -> Result<R, HandlerError> + Send + Sync + 'static,
    {
        let description = self.definition.description.clone();
        let handler = Arc::new(handler);
        self.finish(Box::new(move |arguments, context| {
            let (handler, description) = (Arc::clone(&handler), description.clone());
            Work::Blocking(Box::new(move || {
                Ok(described(
                    handler(arguments, context)?,
                    description.as_ref(),
                ))
            }))
        }))
    }

    fn finish(mut self, handler: Box<PromptFn>) -> Prompt {
        let declared = self.definition.arguments.as_deref().unwrap_or_default();
        for (argument, _) in &self.completers {
            if declared.iter().all(|own| own.name != *argument) {
                self.problems.push(format!(
                    "it completes `{argument}`, which is none of its arguments"
                ));
            }
        }
        for (index, argument) in declared.iter().enumerate() {
            if declared[..index]
                .iter()
                .any(|earlier| earlier.name == argument.name)
            {
                self.problems.push(format!(
                    "its argument `{}` is declared twice",
                    argument.name
                ));
            }
        }
        Prompt {
            inner: Arc::new(Inner {
                definition: self.definition,
                scopes: self.scopes,
                completers: self.completers,
                handler,
                states: self.states,
                problems: self.problems,
            }),
        }
    }
}

/// The result, with the prompt's own description where the handler gave none.
fn described(messages: impl IntoMessages, description: Option<&String>) -> GetPromptResult {
    let mut result = messages.into_messages();
    if result.description.is_none() {
        result.description = description.cloned();
    }
    result
}
