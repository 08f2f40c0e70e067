//! Tools: a definition, a handler and the rules between them.
//!
//! Owns [`Tool`] and its builder; the `#[tool]` macro expands to the same builder. Must never run a handler whose arguments have
//! not been accepted.

use std::any::TypeId;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use mcp_proto::http::param::ParamHeaders;
use mcp_types::{self as types, CallToolResult, Icon, Json, Meta, ToolAnnotations};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Context;
use crate::outcome::BoxFuture;
use crate::result::{HandlerError, IntoToolResult, Shape};
use crate::schema::{self, Direction};
use crate::validate::Rules;

/// What a handler comes to.
pub(crate) type ToolOutcome = Result<CallToolResult, HandlerError>;

/// A handler that has accepted its arguments.
pub(crate) enum Work<T> {
    Ready(T),
    Pending(BoxFuture<T>),
    Spawn(BoxFuture<T>),
    Blocking(Box<dyn FnOnce() -> T + Send>),
}

pub(crate) type ToolFn =
    dyn Fn(&Rules, &str, Context) -> Result<Work<ToolOutcome>, HandlerError> + Send + Sync;

/// A tool, ready to be added to a server. Cheap to clone.
///
/// ```
/// use mcp_server::{HandlerError, Tool};
/// use mcp_server::schemars::JsonSchema;
/// use mcp_server::serde::Deserialize;
///
/// #[derive(Deserialize, JsonSchema)]
/// #[serde(crate = "mcp_server::serde")]
/// #[schemars(crate = "mcp_server::schemars")]
/// struct Division {
///     dividend: f64,
///     divisor: f64,
/// }
///
/// let tool = Tool::builder("divide")
///     .description("Divides two numbers.")
///     .read_only(true)
///     .call(|division: Division, _ctx| {
///         if division.divisor == 0.0 {
///             return Err(HandlerError::new("the divisor must not be 0"));
///         }
///         Ok(division.dividend / division.divisor)
///     });
/// assert_eq!(tool.name(), "divide");
/// ```
#[derive(Clone)]
pub struct Tool {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) definition: types::Tool,
    pub(crate) scopes: Vec<String>,
    pub(crate) rules: Rules,
    /// Arguments that HTTP clients repeat in headers; `None` for most tools.
    pub(crate) headers: Option<Arc<ParamHeaders>>,
    /// The schema that results are held to; `None` without one.
    pub(crate) output: Option<Rules>,
    pub(crate) handler: Box<ToolFn>,
    pub(crate) states: Vec<(TypeId, &'static str)>,
    /// What was wrong while it was built; told when the server is.
    pub(crate) problems: Vec<String>,
}

impl fmt::Debug for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tool")
            .field("definition", &self.inner.definition)
            .finish_non_exhaustive()
    }
}

impl Tool {
    /// Starts a tool. The name has 1 to 128 of the characters `A-Z a-z 0-9 _ - .`; the common subset of all clients is 64 of
    /// `A-Z a-z 0-9 _ -`.
    pub fn builder(name: impl Into<String>) -> ToolBuilder {
        ToolBuilder {
            parts: Parts {
                definition: types::Tool::new(name.into(), Json::default()),
                scopes: Vec::new(),
                output: None,
                spawn: false,
                states: Vec::new(),
                problems: Vec::new(),
            },
            input: Derived,
        }
    }

    /// The name that clients call it by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.definition.name
    }

    /// The definition as clients see it in the list, in the neutral model.
    #[must_use]
    pub fn definition(&self) -> &types::Tool {
        &self.inner.definition
    }
}

/// Things that are a tool: [`Tool`] itself, and a function that returns one, which is what `#[tool]` makes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a tool",
    note = "write `#[tool]` above the function, or build one with `Tool::builder`"
)]
pub trait IntoTool {
    /// The tool.
    fn into_tool(self) -> Tool;
}

impl<F: FnOnce() -> Tool> IntoTool for F {
    fn into_tool(self) -> Tool {
        self()
    }
}

impl IntoTool for Tool {
    fn into_tool(self) -> Tool {
        self
    }
}

/// The input schema comes from the type of the arguments.
#[derive(Debug)]
pub struct Derived;

/// The input schema was written by hand.
#[derive(Debug)]
pub struct Written(Json);

/// Builds a [`Tool`]; ends with one of the `call` methods.
///
/// The handler gets its arguments as one value and a [`Context`]. It returns `Result<T, HandlerError>`, so that `?` works on
/// every error; `T` is anything that [`IntoToolResult`] names.
#[derive(Debug)]
#[must_use = "a tool builder does nothing until one of its `call` methods is given a handler"]
pub struct ToolBuilder<S = Derived> {
    parts: Parts,
    input: S,
}

#[derive(Debug)]
struct Parts {
    definition: types::Tool,
    scopes: Vec<String>,
    output: Option<Json>,
    spawn: bool,
    states: Vec<(TypeId, &'static str)>,
    problems: Vec<String>,
}

impl<S> ToolBuilder<S> {
    /// What the tool does, for models. Markdown is fine.
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.parts.definition.description = Some(text.into());
        self
    }

    /// A name for people.
    pub fn title(mut self, text: impl Into<String>) -> Self {
        self.parts.definition.title = Some(text.into());
        self
    }

    /// An icon for people. May be repeated.
    pub fn icon(mut self, icon: Icon) -> Self {
        self.parts
            .definition
            .icons
            .get_or_insert_default()
            .push(icon);
        self
    }

    /// A hint: the tool changes nothing.
    pub fn read_only(mut self, hint: bool) -> Self {
        self.annotations().read_only_hint = Some(hint);
        self
    }

    /// A hint: the tool may destroy or overwrite something. Clients assume so unless told otherwise.
    pub fn destructive(mut self, hint: bool) -> Self {
        self.annotations().destructive_hint = Some(hint);
        self
    }

    /// A hint: calling it again with the same arguments adds nothing.
    pub fn idempotent(mut self, hint: bool) -> Self {
        self.annotations().idempotent_hint = Some(hint);
        self
    }

    /// A hint: the tool reaches an open world, such as the web. Clients assume so unless told otherwise.
    pub fn open_world(mut self, hint: bool) -> Self {
        self.annotations().open_world_hint = Some(hint);
        self
    }

    fn annotations(&mut self) -> &mut ToolAnnotations {
        self.parts
            .definition
            .annotations
            .get_or_insert_with(ToolAnnotations::new)
    }

    /// Metadata of the definition.
    pub fn meta(mut self, meta: Meta) -> Self {
        self.parts.definition.meta = Some(meta);
        self
    }

    /// Scopes that a caller must have, all of them. Others neither see nor call the tool.
    pub fn scopes<I: IntoIterator<Item: Into<String>>>(mut self, scopes: I) -> Self {
        self.parts.scopes.extend(scopes.into_iter().map(Into::into));
        self
    }

    /// The schema of the structured result, written by hand; goes out as it is. It replaces the one of the return type.
    pub fn output_schema(mut self, schema: impl IntoJson) -> Self {
        match schema.into_json() {
            Ok(schema) => self.parts.output = Some(schema),
            Err(problem) => self
                .parts
                .problems
                .push(format!("its output schema: {problem}")),
        }
        self
    }

    /// Runs async handlers as tasks of the driver's runtime, instead of being polled in place. For handlers that compute for long
    /// between two awaits, or that need the runtime's own timers to make progress at once.
    pub fn spawn(mut self) -> Self {
        self.parts.spawn = true;
        self
    }

    /// The server must have been given a state of this type ([`Server::state`](crate::Server::state)).
    #[doc(hidden)]
    pub fn needs_state<T: 'static>(mut self) -> Self {
        self.parts
            .states
            .push((TypeId::of::<T>(), std::any::type_name::<T>()));
        self
    }
}

impl ToolBuilder<Derived> {
    /// A schema of the arguments that is written by hand, or known only at run time. It goes out as it is; arguments are held to
    /// it. The feature `validate` enforces all of JSON Schema, without it the common keywords are enforced.
    pub fn input_schema(mut self, schema: impl IntoJson) -> ToolBuilder<Written> {
        let schema = schema.into_json().unwrap_or_else(|problem| {
            self.parts
                .problems
                .push(format!("its input schema: {problem}"));
            Json::default()
        });
        ToolBuilder {
            parts: self.parts,
            input: Written(schema),
        }
    }

    /// Ends with a handler that runs in place. It must not block: it holds up its connection.
    pub fn call<A, R, M, F>(self, handler: F) -> Tool
    where
        A: DeserializeOwned + JsonSchema,
        R: IntoToolResult<M>,
        F: Fn(A, Context) -> Result<R, HandlerError> + Send + Sync + 'static,
    {
        self.derive::<A>().call(handler)
    }

    /// Ends with an async handler. It must not block between its awaits.
    pub fn call_async<A, R, M, F, Fut>(self, handler: F) -> Tool
    where
        A: DeserializeOwned + JsonSchema,
        R: IntoToolResult<M>,
        F: Fn(A, Context) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, HandlerError>> + Send + 'static,
    {
        self.derive::<A>().call_async(handler)
    }

    /// Ends with a handler that may block: it runs on the driver's bounded pool of threads.
    pub fn call_blocking<A, R, M, F>(self, handler: F) -> Tool
    where
        A: DeserializeOwned + JsonSchema + Send + 'static,
        R: IntoToolResult<M>,
        F: Fn(A, Context) -> Result<R, HandlerError> + Send + Sync + 'static,
    {
        self.derive::<A>().call_blocking(handler)
    }

    fn derive<A: JsonSchema>(mut self) -> ToolBuilder<Proved> {
        let mut generated = schema::generate::<A>(Direction::Input);
        if let Err(problem) = schema::as_arguments(&mut generated.schema) {
            self.parts.problems.push(format!(
                "its arguments must be an object (a struct), but they are {problem}"
            ));
        }
        ToolBuilder {
            parts: self.parts,
            input: Proved(generated),
        }
    }
}

/// Generated from the type that is deserialised.
struct Proved(schema::Generated);

/// Where the rules for the arguments come from.
trait Input {
    fn rules(self, parts: &mut Parts) -> Rules;
}

impl Input for Proved {
    fn rules(self, parts: &mut Parts) -> Rules {
        match Json::from_serialize(&self.0.schema) {
            Ok(schema) => parts.definition.input_schema = schema,
            Err(error) => parts.problems.push(format!("its input schema: {error}")),
        }
        Rules::proved(self.0.schema, self.0.constrained).unwrap_or_else(|problem| {
            parts
                .problems
                .push(format!("its input schema: {}", problem.0));
            Rules::generated(Value::Null, false)
        })
    }
}

impl Input for Written {
    fn rules(self, parts: &mut Parts) -> Rules {
        let rules = written(&self.0, "input", &mut parts.problems);
        if parts.problems.is_empty()
            && rules
                .schema()
                .get("type")
                .is_none_or(|kind| kind != "object")
        {
            parts
                .problems
                .push("its input schema must say `\"type\": \"object\"` at the root".to_owned());
        }
        parts.definition.input_schema = self.0;
        rules
    }
}

fn written(schema: &Json, which: &str, problems: &mut Vec<String>) -> Rules {
    let value: Value = schema.decode().unwrap_or_default();
    Rules::written(value).unwrap_or_else(|problem| {
        problems.push(format!("its {which} schema: {}", problem.0));
        Rules::generated(Value::Null, false)
    })
}

#[expect(
    private_bounds,
    reason = "only the two builders of this module have these methods"
)]
impl<S: Input> ToolBuilder<S> {
    fn finish(mut self, shape: Shape, handler: Box<ToolFn>) -> Tool {
        let rules = self.input.rules(&mut self.parts);
        let Parts {
            mut definition,
            scopes,
            output,
            states,
            mut problems,
            ..
        } = self.parts;
        let output = match (output, shape) {
            (Some(schema), _) => {
                let rules = written(&schema, "output", &mut problems);
                definition.output_schema = Some(schema);
                Some(rules)
            }
            (None, Shape::Structured(schema)) => {
                definition.output_schema = Json::from_serialize(&schema).ok();
                Some(Rules::output(schema))
            }
            (None, _) => None,
        };
        let headers = match ParamHeaders::compile(definition.input_schema.as_str()) {
            Ok(headers) => (!headers.is_empty()).then(|| Arc::new(headers)),
            Err(problem) => {
                problems.push(problem.to_string());
                None
            }
        };
        Tool {
            inner: Arc::new(Inner {
                definition,
                headers,
                scopes,
                rules,
                output,
                handler,
                states,
                problems,
            }),
        }
    }
}

macro_rules! calls {
    ($input:ty, $vis:vis) => {
        impl ToolBuilder<$input> {
            /// Ends with a handler that runs in place. It must not block: it holds up its connection.
            $vis fn call<A, R, M, F>(self, handler: F) -> Tool
            where
                A: DeserializeOwned,
                R: IntoToolResult<M>,
                F: Fn(A, Context) -> Result<R, HandlerError> + Send + Sync + 'static,
            {
                let shape = R::shape();
                let own = shape.clone();
                self.finish(
                    shape,
                    Box::new(move |rules, arguments, context| {
                        let nulls = context.service().nulls();
                        let arguments = rules.parse::<A>(arguments, nulls).map_err(HandlerError::arguments)?;
                        let returned = handler(arguments, context);
                        Ok(Work::Ready(returned.and_then(|value| value.into_tool_result(&own))))
                    }),
                )
            }

            /// Ends with an async handler. It must not block between its awaits.
            $vis fn call_async<A, R, M, F, Fut>(self, handler: F) -> Tool
            where
                A: DeserializeOwned,
                R: IntoToolResult<M>,
                F: Fn(A, Context) -> Fut + Send + Sync + 'static,
                Fut: Future<Output = Result<R, HandlerError>> + Send + 'static,
            {
                let shape = R::shape();
                let own = Arc::new(shape.clone());
                let spawn = self.parts.spawn;
                self.finish(
                    shape,
                    Box::new(move |rules, arguments, context| {
                        let nulls = context.service().nulls();
                        let arguments = rules.parse::<A>(arguments, nulls).map_err(HandlerError::arguments)?;
                        let future = handler(arguments, context);
                        let own = Arc::clone(&own);
                        let future = Box::pin(async move { future.await?.into_tool_result(&own) });
                        Ok(if spawn { Work::Spawn(future) } else { Work::Pending(future) })
                    }),
                )
            }

            /// Ends with a handler that may block: it runs on the driver's bounded pool of threads.
            $vis fn call_blocking<A, R, M, F>(self, handler: F) -> Tool
            where
                A: DeserializeOwned + Send + 'static,
                R: IntoToolResult<M>,
                F: Fn(A, Context) -> Result<R, HandlerError> + Send + Sync + 'static,
            {
                let shape = R::shape();
                let own = Arc::new(shape.clone());
                let handler = Arc::new(handler);
                self.finish(
                    shape,
                    Box::new(move |rules, arguments, context| {
                        let nulls = context.service().nulls();
                        let arguments = rules.parse::<A>(arguments, nulls).map_err(HandlerError::arguments)?;
                        let (own, handler) = (Arc::clone(&own), Arc::clone(&handler));
                        Ok(Work::Blocking(Box::new(move || {
                            handler(arguments, context)?.into_tool_result(&own)
                        })))
                    }),
                )
            }
        }
    };
}

calls!(Written, pub);
calls!(Proved, pub(self));

/// JSON in any of its forms: text, a `serde_json::Value`, a [`Json`] or a [`schemars::Schema`]. Text stays as it is.
pub trait IntoJson {
    /// The JSON text.
    ///
    /// # Errors
    /// When it is not JSON; the text says why.
    fn into_json(self) -> Result<Json, String>;
}

impl IntoJson for Json {
    fn into_json(self) -> Result<Json, String> {
        Ok(self)
    }
}

impl IntoJson for &str {
    fn into_json(self) -> Result<Json, String> {
        Json::parse(self).map_err(|error| error.to_string())
    }
}

impl IntoJson for String {
    fn into_json(self) -> Result<Json, String> {
        Json::parse(self).map_err(|error| error.to_string())
    }
}

impl IntoJson for Value {
    fn into_json(self) -> Result<Json, String> {
        Json::from_serialize(&self).map_err(|error| error.to_string())
    }
}

impl IntoJson for schemars::Schema {
    fn into_json(self) -> Result<Json, String> {
        Json::from_serialize(&self).map_err(|error| error.to_string())
    }
}
