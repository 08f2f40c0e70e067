//! Code that must not compile, because what it asks for cannot be served. Compiled by the documentation tests only; mistakes
//! that the attributes find themselves are tested beside them.

/// A result that is neither content nor described.
/// ```compile_fail,E0277
/// struct Opaque;
/// #[mcp_server::tool]
/// fn f() -> Opaque { Opaque }
/// ```
/// The same with a described type compiles:
/// ```
/// #[derive(serde::Serialize, schemars::JsonSchema)]
/// struct Described {}
/// #[mcp_server::tool]
/// fn f() -> Described { Described {} }
/// ```
struct ResultOfTool;

/// An argument that cannot be deserialised.
/// ```compile_fail,E0277
/// struct Opaque;
/// #[mcp_server::tool]
/// fn f(_opaque: Opaque) {}
/// ```
struct ArgumentOfTool;

/// An error without words.
/// ```compile_fail,E0277
/// struct Silent;
/// #[mcp_server::tool]
/// fn f() -> Result<(), Silent> { Err(Silent) }
/// ```
struct ErrorOfTool;

/// A future that cannot move between threads.
/// ```compile_fail
/// #[mcp_server::tool]
/// async fn f() {
///     let local = std::rc::Rc::new(1);
///     std::future::ready(()).await;
///     drop(local);
/// }
/// ```
struct FutureOfTool;

/// A function that is no tool.
/// ```compile_fail,E0593
/// fn f(a: f64) -> f64 { a }
/// let _ = mcp_server::Server::new("a", "1").tool(f);
/// ```
struct PlainFunction;

/// A tool among the prompts.
/// ```compile_fail,E0271
/// #[mcp_server::tool]
/// fn f() {}
/// let _ = mcp_server::Server::new("a", "1").prompt(f);
/// ```
struct WrongList;

/// An argument of a prompt that does not come from text.
/// ```compile_fail,E0277
/// #[mcp_server::prompt]
/// fn f(_list: Vec<u8>) -> String { String::new() }
/// ```
struct ArgumentOfPrompt;

/// A prompt without messages.
/// ```compile_fail,E0277
/// #[mcp_server::prompt]
/// fn f() -> f64 { 1.0 }
/// ```
struct ResultOfPrompt;

/// A resource without contents.
/// ```compile_fail,E0277
/// #[mcp_server::resource("x://y")]
/// fn f() -> f64 { 1.0 }
/// ```
struct ResultOfResource;
