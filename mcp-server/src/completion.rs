//! Suggestions for the arguments of prompts and the variables of resource templates.
//!
//! Owns what a completer is asked and what it may answer. Must never send more than 100 values (2026-07-28,
//! server/utilities/completion).

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use mcp_types::{CompleteResult, Completion};

use crate::Context;
use crate::argument::Arguments;
use crate::outcome::BoxFuture;
use crate::result::HandlerError;
use crate::tool::Work;

/// The most values of one answer.
const MAX_VALUES: usize = 100;

/// What a client wants completed.
#[derive(Debug, Clone)]
pub struct CompletionRequest {
    pub(crate) argument: String,
    pub(crate) value: String,
    pub(crate) resolved: Arguments,
}

impl CompletionRequest {
    /// The argument or variable to be completed.
    #[must_use]
    pub fn argument(&self) -> &str {
        &self.argument
    }

    /// What was typed so far; may be empty.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// The value of another argument that the user has settled already.
    #[must_use]
    pub fn get(&self, argument: &str) -> Option<&str> {
        self.resolved.get(argument)
    }
}

/// Suggested values, best first.
///
/// Any list of strings converts. More than 100 values are cut, with `hasMore` and the total told to the client.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Completions {
    values: Vec<String>,
    total: Option<u64>,
}

impl Completions {
    /// Values out of a larger, known number of matches.
    #[must_use]
    pub const fn with_total(mut self, total: u64) -> Self {
        self.total = Some(total);
        self
    }

    pub(crate) fn into_result(self) -> CompleteResult {
        let found = self.values.len() as u64;
        let total = self.total.unwrap_or(found).max(found);
        let values: Vec<String> = self.values.into_iter().take(MAX_VALUES).collect();
        let has_more = total > values.len() as u64;
        CompleteResult::new(
            Completion::new(values)
                .with_total(total)
                .with_has_more(has_more),
        )
    }
}

impl<T: Into<String>> From<Vec<T>> for Completions {
    fn from(values: Vec<T>) -> Self {
        values.into_iter().collect()
    }
}

impl<T: Into<String>, const N: usize> From<[T; N]> for Completions {
    fn from(values: [T; N]) -> Self {
        values.into_iter().collect()
    }
}

impl<T: Into<String>> FromIterator<T> for Completions {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        Self {
            values: values.into_iter().map(Into::into).collect(),
            total: None,
        }
    }
}

type Answer = Result<Completions, HandlerError>;

/// A completer of one argument.
#[derive(Clone)]
pub(crate) enum Completer {
    Sync(Arc<dyn Fn(CompletionRequest) -> Completions + Send + Sync>),
    Future(Arc<dyn Fn(CompletionRequest, Context) -> BoxFuture<Answer> + Send + Sync>),
}

impl fmt::Debug for Completer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Completer")
    }
}

impl Completer {
    pub(crate) fn sync<C: Into<Completions>>(
        completer: impl Fn(CompletionRequest) -> C + Send + Sync + 'static,
    ) -> Self {
        Self::Sync(Arc::new(move |request| completer(request).into()))
    }

    pub(crate) fn future<C, Fut>(
        completer: impl Fn(CompletionRequest, Context) -> Fut + Send + Sync + 'static,
    ) -> Self
    where
        C: Into<Completions>,
        Fut: Future<Output = Result<C, HandlerError>> + Send + 'static,
    {
        Self::Future(Arc::new(move |request, context| {
            let future = completer(request, context);
            Box::pin(async move { future.await.map(Into::into) })
        }))
    }

    /// Fixed values, filtered by what was typed.
    pub(crate) fn among<I: IntoIterator<Item: AsRef<str>>>(values: I) -> Self {
        let values: Vec<String> = values
            .into_iter()
            .map(|value| value.as_ref().to_owned())
            .collect();
        Self::sync(move |request| {
            let typed = request.value.to_lowercase();
            values
                .iter()
                .filter(|value| value.to_lowercase().starts_with(&typed))
                .cloned()
                .collect::<Completions>()
        })
    }

    pub(crate) fn run(&self, request: CompletionRequest, context: Context) -> Work<Answer> {
        match self {
            Self::Sync(completer) => Work::Ready(Ok(completer(request))),
            Self::Future(completer) => Work::Pending(completer(request, context)),
        }
    }
}

/// The methods by which a builder takes completions into its `completers`; `$name` is what is completed.
macro_rules! completing {
    ($name:ident, $what:literal) => {
        #[doc = concat!("Suggests those of the given values for ", $what, " that begin with what was typed, whatever the case.")]
        pub fn complete_with<I: IntoIterator<Item: AsRef<str>>>(
            mut self,
            $name: impl Into<String>,
            values: I,
        ) -> Self {
            self.completers
                .push(($name.into(), $crate::completion::Completer::among(values)));
            self
        }

        #[doc = concat!("Suggests values for ", $what, ".")]
        pub fn complete<C: Into<$crate::Completions>>(
            mut self,
            $name: impl Into<String>,
            completer: impl Fn($crate::CompletionRequest) -> C + Send + Sync + 'static,
        ) -> Self {
            self.completers
                .push(($name.into(), $crate::completion::Completer::sync(completer)));
            self
        }

        #[doc = concat!("Suggests values for ", $what, ", asynchronously.")]
        pub fn complete_async<C, Fut>(
            mut self,
            $name: impl Into<String>,
            completer: impl Fn($crate::CompletionRequest, $crate::Context) -> Fut + Send + Sync + 'static,
        ) -> Self
        where
            C: Into<$crate::Completions>,
            Fut: Future<Output = Result<C, $crate::HandlerError>> + Send + 'static,
        {
            self.completers
                .push(($name.into(), $crate::completion::Completer::future(completer)));
            self
        }
    };
}
pub(crate) use completing;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_at_most_a_hundred_values_and_says_so() {
        let all: Completions = (0..250).map(|number| number.to_string()).collect();
        let completion = all.into_result().completion;
        assert_eq!(completion.values.len(), 100);
        assert_eq!(
            (completion.total, completion.has_more),
            (Some(250), Some(true))
        );
        let few = Completions::from(["a", "b"]).into_result().completion;
        assert_eq!((few.total, few.has_more), (Some(2), Some(false)));
        let more = Completions::from(["a"])
            .with_total(7)
            .into_result()
            .completion;
        assert_eq!((more.total, more.has_more), (Some(7), Some(true)));
    }

    #[test]
    fn fixed_values_are_filtered_by_what_was_typed() {
        let Completer::Sync(run) = Completer::among(["Paris", "park", "Rome"]) else {
            panic!("fixed values need no future");
        };
        let request = CompletionRequest {
            argument: "place".to_owned(),
            value: "PA".to_owned(),
            resolved: Arguments::default(),
        };
        assert_eq!(run(request), Completions::from(["Paris", "park"]));
    }
}
