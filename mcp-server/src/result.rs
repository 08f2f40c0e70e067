//! What handlers return, and what becomes of it.
//!
//! Owns [`HandlerError`] and the conversion of return values into tool results. Must never send a peer more of an error than its
//! `Display` text: no `Debug` output, no sources, no paths of ours.

use std::any::Any;
use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::io::{self, Write};

use mcp_proto::context::ClientFeatures;
use mcp_proto::error::WireError;
use mcp_types::{
    AudioContent, CallToolResult, ContentBlock, EmbeddedResource, ImageContent, Json, ResourceLink,
    Revision, TextContent,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{CompactFormatter, Formatter};

use crate::AskError;
use crate::check::Violation;
use crate::schema::{Direction, generate};

/// Why a handler did not produce its result.
///
/// Every error type converts with `?`; its `Display` text becomes the message. Tools answer with an `isError` result that a
/// model can read; resources and prompts, which have no such channel, answer with a JSON-RPC error.
///
/// ```
/// use mcp_server::HandlerError;
/// fn parse(text: &str) -> Result<u16, HandlerError> {
///     let port: u16 = text.parse()?;
///     if port == 0 {
///         return Err(HandlerError::new("port 0 is not a port that one can connect to"));
///     }
///     Ok(port)
/// }
/// assert_eq!(parse("x").unwrap_err().to_string(), "invalid digit found in string");
/// ```
pub struct HandlerError(Kind);

pub(crate) enum Kind {
    /// For the model or the user to read.
    Message(String),
    /// A whole tool result; `isError` is set on the way out.
    Result(Box<CallToolResult>),
    /// Arguments that break the schema.
    Arguments(Vec<Violation>),
    /// What was asked for does not exist.
    NotFound,
    /// A JSON-RPC error of the author's choice.
    Protocol(WireError),
    /// A question to the client that could not be asked or was not answered.
    Ask(AskError),
}

impl HandlerError {
    /// A failure, told in words that the model or user can act on.
    pub fn new(message: impl fmt::Display) -> Self {
        Self(Kind::Message(message.to_string()))
    }

    /// The resource does not exist: -32602 with `data.uri` (2026-07-28) or -32002 (before). In a tool or prompt: a message.
    #[must_use]
    pub const fn not_found() -> Self {
        Self(Kind::NotFound)
    }

    /// A JSON-RPC error. Models do not see these; prefer [`HandlerError::new`] wherever a model could act on it.
    #[must_use]
    pub const fn protocol(error: WireError) -> Self {
        Self(Kind::Protocol(error))
    }

    /// A tool result with content of your own, sent with `isError: true`.
    #[must_use]
    pub fn result(result: CallToolResult) -> Self {
        Self(Kind::Result(Box::new(result)))
    }

    pub(crate) const fn arguments(violations: Vec<Violation>) -> Self {
        Self(Kind::Arguments(violations))
    }

    pub(crate) fn into_kind(self) -> Kind {
        self.0
    }

    /// From words alone. Error types of other crates that wrap ours pass its words on; what a client did not declare is
    /// recognised by them, because it has an answer of its own on the wire.
    fn told(text: String) -> Self {
        const FEATURES: [ClientFeatures; 6] = [
            ClientFeatures::ELICITATION_FORM,
            ClientFeatures::ELICITATION_URL,
            ClientFeatures::SAMPLING,
            ClientFeatures::SAMPLING_TOOLS,
            ClientFeatures::SAMPLING_CONTEXT,
            ClientFeatures::ROOTS,
        ];
        let undeclared = FEATURES.into_iter().map(AskError::Undeclared);
        match undeclared
            .into_iter()
            .find(|error| error.to_string() == text)
        {
            Some(error) => Self(Kind::Ask(error)),
            None => Self(Kind::Message(text)),
        }
    }

    /// From anything that displays; recognises our own errors inside.
    fn from_any<E: fmt::Display + 'static>(error: E) -> Self {
        let mut error = Some(error);
        let any: &mut dyn Any = &mut error;
        if let Some(own) = any.downcast_mut::<Option<Self>>().and_then(Option::take) {
            return own;
        }
        if let Some(ask) = any
            .downcast_mut::<Option<AskError>>()
            .and_then(Option::take)
        {
            return Self(Kind::Ask(ask));
        }
        if let Some(wire) = any
            .downcast_mut::<Option<WireError>>()
            .and_then(Option::take)
        {
            return Self(Kind::Protocol(wire));
        }
        if let Some(boxed) = any
            .downcast_mut::<Option<Box<dyn Error + Send + Sync>>>()
            .and_then(Option::take)
        {
            return match AskError::find(boxed.as_ref()) {
                Some(ask) => Self(Kind::Ask(ask.clone())),
                None => Self::told(boxed.to_string()),
            };
        }
        Self::told(error.map(|error| error.to_string()).unwrap_or_default())
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Message(text) => f.write_str(text),
            Kind::Result(result) => f.write_str(
                result
                    .content
                    .iter()
                    .find_map(ContentBlock::as_text)
                    .unwrap_or("the tool failed"),
            ),
            Kind::Arguments(violations) => {
                let mut separator = "";
                for violation in violations {
                    write!(f, "{separator}{violation}")?;
                    separator = "; ";
                }
                Ok(())
            }
            Kind::NotFound => f.write_str("not found"),
            Kind::Protocol(error) => error.fmt(f),
            Kind::Ask(error) => error.fmt(f),
        }
    }
}

impl fmt::Debug for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HandlerError({self})")
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for HandlerError {
    fn from(error: E) -> Self {
        match AskError::find(&error) {
            Some(ask) => Self(Kind::Ask(ask.clone())),
            None => Self::from_any(error),
        }
    }
}

/// Errors that a handler may return: everything with a `Display` text.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a handler",
    note = "the error of a handler needs `Display`: its text is what the caller reads"
)]
pub trait IntoHandlerError {
    /// The error as the framework sees it.
    fn into_handler_error(self) -> HandlerError;
}

impl<E: fmt::Display + 'static> IntoHandlerError for E {
    fn into_handler_error(self) -> HandlerError {
        HandlerError::from_any(self)
    }
}

/// A handler's return value on its way into a `Result`: fallible or not, both work. Used by the macros.
#[doc(hidden)]
#[derive(Debug)]
pub struct Returned<T>(pub T);

impl<T, E> Returned<Result<T, E>> {
    pub fn settle(self) -> Result<T, HandlerError>
    where
        E: IntoHandlerError,
    {
        self.0.map_err(IntoHandlerError::into_handler_error)
    }
}

/// What [`Returned`] does for everything that is no `Result`.
#[doc(hidden)]
pub trait Settle {
    type Value;
    fn settle(self) -> Result<Self::Value, HandlerError>;
}

impl<T> Settle for Returned<T> {
    type Value = T;

    fn settle(self) -> Result<T, HandlerError> {
        Ok(self.0)
    }
}

/// How a tool's return type reaches the client; decided once, when the tool is built.
#[doc(hidden)]
#[derive(Debug, Clone)]
pub enum Shape {
    /// Content only; whatever the handler puts there.
    Content,
    /// One text block.
    Text,
    /// Nothing worth a block.
    Nothing,
    /// `structuredContent` and its text mirror, described by this `outputSchema`.
    Structured(Value),
}

/// Return types of tools.
///
/// - A type that derives `serde::Serialize` and `schemars::JsonSchema`, numbers, booleans, lists and maps of such: sent as
///   `structuredContent`, mirrored as one text block, described by an `outputSchema`. Revisions up to 2025-11-25 can only carry
///   objects there; other values are wrapped as `{"result": …}` for them.
/// - `String` and `&'static str`: one text block. `()`: nothing.
/// - `ContentBlock`, a `Vec` or array of them, the single content types, `CallToolResult`: as they are.
/// - A `Result` of any of these with an error that displays.
///
/// `M` tells the implementations apart and is always inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the result of a tool",
    note = "return text, numbers, `()`, content blocks, a `CallToolResult`, or a type that derives both `serde::Serialize` and `schemars::JsonSchema`",
    note = "a fallible tool returns `Result` of one of these"
)]
pub trait IntoToolResult<M> {
    #[doc(hidden)]
    fn shape() -> Shape;
    #[doc(hidden)]
    fn into_tool_result(self, shape: &Shape) -> Result<CallToolResult, HandlerError>;
}

/// Marks values that are described by a schema.
#[doc(hidden)]
#[derive(Debug)]
pub struct Described;

/// Marks values that are content already.
#[doc(hidden)]
#[derive(Debug)]
pub struct Content;

impl<T: Serialize + JsonSchema> IntoToolResult<Described> for T {
    fn shape() -> Shape {
        let schema = generate::<T>(Direction::Output).schema;
        let only = |kind: &str| {
            schema.get("type").is_some_and(|own| own == kind)
                && schema.as_object().is_some_and(|object| {
                    object
                        .keys()
                        .all(|key| matches!(key.as_str(), "type" | "description"))
                })
        };
        if only("string") {
            Shape::Text
        } else if only("null") {
            Shape::Nothing
        } else {
            Shape::Structured(schema)
        }
    }

    fn into_tool_result(self, shape: &Shape) -> Result<CallToolResult, HandlerError> {
        let unwritable = || {
            HandlerError::protocol(WireError::internal(
                "the tool's result could not be written as JSON",
            ))
        };
        match shape {
            Shape::Nothing | Shape::Content => Ok(CallToolResult::new(Vec::new())),
            Shape::Text => match serde_json::to_value(&self) {
                Ok(Value::String(text)) => Ok(CallToolResult::text(text)),
                Ok(other) => Ok(CallToolResult::text(other.to_string())),
                Err(_) => Err(unwritable()),
            },
            Shape::Structured(_) => {
                let json = to_json(&self).ok_or_else(unwritable)?;
                Ok(CallToolResult::structured(json))
            }
        }
    }
}

/// The value as JSON, integral floats without a fraction: models read `3`, not `3.0`, and typed peers may want an integer.
fn to_json<T: Serialize>(value: &T) -> Option<Json> {
    struct Compact;
    impl Formatter for Compact {
        fn write_f64<W: ?Sized + Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
            // Beyond 2^53 not every integer is exact, so the digits would pretend.
            if value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_991.0 {
                // Adding zero turns -0 into 0.
                return write!(writer, "{:.0}", value + 0.0);
            }
            CompactFormatter.write_f64(writer, value)
        }

        fn write_f32<W: ?Sized + Write>(&mut self, writer: &mut W, value: f32) -> io::Result<()> {
            if value.fract() == 0.0 && value.abs() <= 16_777_216.0 {
                return write!(writer, "{:.0}", value + 0.0);
            }
            CompactFormatter.write_f32(writer, value)
        }
    }
    let mut text = Vec::with_capacity(128);
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, Compact);
    value.serialize(&mut serializer).ok()?;
    Json::parse(String::from_utf8(text).ok()?).ok()
}

macro_rules! content {
    ($($kind:ty: $value:ident => $result:expr;)*) => {$(
        impl IntoToolResult<Content> for $kind {
            fn shape() -> Shape {
                Shape::Content
            }

            fn into_tool_result(self, _: &Shape) -> Result<CallToolResult, HandlerError> {
                let $value = self;
                Ok($result)
            }
        }
    )*};
}

content! {
    CallToolResult: result => result;
    ContentBlock: block => CallToolResult::new(vec![block]);
    Vec<ContentBlock>: blocks => CallToolResult::new(blocks);
    TextContent: content => CallToolResult::new(vec![ContentBlock::from(content)]);
    ImageContent: content => CallToolResult::new(vec![ContentBlock::from(content)]);
    AudioContent: content => CallToolResult::new(vec![ContentBlock::from(content)]);
    ResourceLink: content => CallToolResult::new(vec![ContentBlock::from(content)]);
    EmbeddedResource: content => CallToolResult::new(vec![ContentBlock::from(content)]);
    Json: value => CallToolResult::structured(value);
}

impl<const N: usize> IntoToolResult<Content> for [ContentBlock; N] {
    fn shape() -> Shape {
        Shape::Content
    }

    fn into_tool_result(self, _: &Shape) -> Result<CallToolResult, HandlerError> {
        Ok(CallToolResult::new(Vec::from(self)))
    }
}

/// A JSON-RPC error for what a resource or prompt handler reports; `uri` of the resource, if it was one.
pub(crate) fn wire_error(error: HandlerError, uri: Option<&str>, revision: Revision) -> WireError {
    match error.into_kind() {
        Kind::Message(text) => WireError::internal(Cow::Owned(text)),
        Kind::Result(result) => {
            let text = result
                .content
                .iter()
                .find_map(ContentBlock::as_text)
                .unwrap_or("the handler failed");
            WireError::internal(text.to_owned())
        }
        Kind::Arguments(violations) => {
            WireError::invalid_params(HandlerError::arguments(violations).to_string())
        }
        Kind::NotFound => match uri {
            Some(uri) => resource_not_found(uri, revision),
            None => WireError::invalid_params("not found"),
        },
        Kind::Protocol(error) => error,
        Kind::Ask(error) => error
            .to_wire(revision)
            .unwrap_or_else(|| WireError::internal(error.to_string())),
    }
}

/// Unknown resource: -32602 since 2026-07-28, -32002 before; the URI is in `data` in both.
pub(crate) fn resource_not_found(uri: &str, revision: Revision) -> WireError {
    let code = if revision.is_modern() {
        mcp_proto::error::INVALID_PARAMS
    } else {
        mcp_proto::error::RESOURCE_NOT_FOUND
    };
    let mut data = mcp_types::Object::new();
    data.insert("uri", uri);
    WireError::new(code, "Resource not found").with_data(Json::from(data))
}
