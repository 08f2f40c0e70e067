//! The attributes `#[tool]`, `#[resource]` and `#[prompt]` of `mcp-server`.
//!
//! Each replaces a function by one of the same name that takes nothing and returns a tool, a resource or a prompt; it calls the
//! public builders of `mcp-server` and holds the original inside. What the attributes mean is documented on each of them;
//! what they accept is checked here, at compile time, with the place of the mistake.

mod borrow;
mod expand;
mod function;
mod options;
mod prompt;
mod resource;
#[cfg(test)]
mod tests;
mod tool;

use proc_macro::TokenStream;

/// Makes a tool of a function.
///
/// The arguments become the input schema, the return type the output schema, doc comments become descriptions. What is left
/// under the name of the function is a function that returns the tool: `server.tool(add)`, or `add()` for the tool itself.
///
/// ```
/// # use mcp_server::tool;
/// /// Adds two numbers.
/// #[tool(read_only, idempotent)]
/// async fn add(a: f64, /** the second addend */ b: f64) -> f64 {
///     a + b
/// }
/// # let _ = add();
/// ```
///
/// # Options
///
/// `name = "…"` (otherwise the function's), `title = "…"`, `description = "…"` (otherwise the doc comment), `icon = "https://…"`;
/// the hints `read_only`, `destructive`, `idempotent`, `open_world` (also `destructive = false`);
/// `scopes("a", "b")`: what a caller must be allowed to do; `blocking`: a `fn` that runs on the pool of threads; `spawn`: an
/// `async fn` that runs as a task.
///
/// # Arguments
///
/// Anything that derives `serde::Deserialize` and `schemars::JsonSchema`; `Option` makes an argument optional; `&str`, `&[T]` and
/// `Option<&str>` borrow from the arguments. `Context`, `&Context` and `State<T>` are not arguments but what the framework
/// provides. On an argument: doc comments, `#[serde(…)]`, `#[schemars(…)]`, and
/// `#[mcp(name = "…", description = "…", default = expression, header = "Region")]`.
///
/// # What is enforced
///
/// The types, and of what `#[schemars(…)]` adds: ranges, lengths of texts and lists, `multipleOf`, unique items, numbers of
/// members, alternatives. What only a complete validator knows (`regex`, that is `pattern`; `contains`; `if` with `then` and
/// `else`; names of properties) is shown to clients and enforced with the feature `validate` of `mcp-server`; without it,
/// `Service::warnings` names the tool and the keyword. A null for an optional argument counts as left out, unless
/// `Server::null_is_absent` says otherwise.
#[proc_macro_attribute]
pub fn tool(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(options, item, tool::expand)
}

/// Makes a resource, or a family of them, of a function.
///
/// ```
/// # use mcp_server::{State, resource};
/// # struct Database;
/// # impl Database {
/// #     async fn profile(&self, _id: u64) -> Result<Option<String>, std::io::Error> {
/// #         Ok(None)
/// #     }
/// # }
/// /// The configuration.
/// #[resource("config://app", mime_type = "application/json")]
/// fn config() -> &'static str {
///     "{}"
/// }
///
/// /// A user's profile.
/// #[resource(template = "users://{id}/profile")]
/// async fn profile(id: u64, database: State<Database>) -> Result<Option<String>, std::io::Error> {
///     database.profile(id).await
/// }
/// # let _ = (config(), profile());
/// ```
///
/// # Options
///
/// `uri = "…"` or `template = "…"`, or just the text; `name = "…"` (otherwise the function's), `title`, `description`,
/// `mime_type`, `icon`, `size = 42`, `scopes("a")`, `blocking`, `spawn`.
///
/// # Arguments
///
/// One for each variable of the template, of a type that comes from text (`FromArgument`): strings, numbers, `bool`, `char`,
/// `Option`. A `ReadRequest` gives the URI as it was asked for. `Context` and `State<T>` as with tools. On an argument:
/// `#[mcp(name = "…", complete = function, complete_with = ["a", "b"], complete_async = function)]`.
#[proc_macro_attribute]
pub fn resource(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(options, item, resource::expand)
}

/// Makes a prompt of a function.
///
/// ```
/// # use mcp_server::prompt;
/// /// Asks for a code review.
/// #[prompt]
/// fn review(code: &str, #[mcp(complete_with = ["rust", "python"])] language: Option<&str>) -> String {
///     format!("Review this {} code:\n{code}", language.unwrap_or_default())
/// }
/// # let _ = review();
/// ```
///
/// # Options
///
/// `name = "…"` (otherwise the function's), `title`, `description`, `icon`, `scopes("a")`, `blocking`, `spawn`.
///
/// # Arguments
///
/// Of a type that comes from text (`FromArgument`): strings, numbers, `bool`, `char`; `Option` makes one optional. `Context` and
/// `State<T>` as with tools. On an argument: doc comments and `#[mcp(name = "…", title = "…", description = "…",
/// default = expression, complete = function, complete_with = ["a", "b"], complete_async = function)]`.
#[proc_macro_attribute]
pub fn prompt(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(options, item, prompt::expand)
}
