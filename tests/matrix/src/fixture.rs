//! The server that the rows talk to: small handlers whose effects a row can see.
//!
//! Owns the handlers and the counters beside them. One fixture belongs to one test.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mcp_server::types::{
    CallToolResult, CreateMessageRequestParams, Json, LoggingLevel, SamplingMessage,
};
use mcp_server::{AskError, Context, Elicited, Server, Service, prompt, resource, tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A page of any list of the fixture.
pub(crate) const PAGE: usize = 4;

/// What happened in the handlers.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    started: AtomicUsize,
    cancelled: AtomicUsize,
    finished: AtomicUsize,
}

impl Seen {
    pub(crate) fn started(&self) -> usize {
        self.started.load(Ordering::SeqCst)
    }

    pub(crate) fn cancelled(&self) -> usize {
        self.cancelled.load(Ordering::SeqCst)
    }

    pub(crate) fn finished(&self) -> usize {
        self.finished.load(Ordering::SeqCst)
    }
}

/// A server and the counters that its handlers write.
pub(crate) struct Fixture {
    pub(crate) service: Service,
    pub(crate) seen: Arc<Seen>,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with(|server| server)
    }

    /// The fixture after `more` was done to its builder.
    pub(crate) fn with(more: impl FnOnce(Server) -> Server) -> Self {
        let seen = Arc::new(Seen::default());
        let server = Server::new("fixture", "1.0.0")
            .title("Fixture")
            .state(Arc::clone(&seen))
            .page_size(PAGE)
            .tool(add)
            .tool(echo)
            .tool(wait)
            .tool(panics)
            .tool(fails)
            .tool(ask)
            .tool(ask_twice)
            .tool(ask_model)
            .tool(ask_roots)
            .tool(ask_url)
            .tool(report)
            .tool(talk)
            .tool(whoami)
            .tool(secret)
            .tool(region)
            .tool(maybe)
            .resource(text)
            .resource(user)
            .prompt(greet);
        let service = more(server).build().expect("the fixture is well formed");
        Self { service, seen }
    }
}

impl Default for Fixture {
    fn default() -> Self {
        Self::new()
    }
}

fn seen(ctx: &Context) -> Arc<Seen> {
    let state = ctx
        .service()
        .state::<Arc<Seen>>()
        .expect("the fixture has its counters");
    Arc::clone(&state)
}

/// Counts a call that was dropped before it finished.
struct Watch {
    seen: Arc<Seen>,
    done: bool,
}

impl Drop for Watch {
    fn drop(&mut self) {
        let counter = if self.done {
            &self.seen.finished
        } else {
            &self.seen.cancelled
        };
        counter.fetch_add(1, Ordering::SeqCst);
    }
}

#[derive(Serialize, JsonSchema)]
struct Sum {
    sum: f64,
}

/// Adds two numbers.
#[tool(title = "Adder", read_only, idempotent)]
fn add(
    ctx: Context,
    a: f64,
    /// the second addend
    b: f64,
) -> Sum {
    seen(&ctx).started.fetch_add(1, Ordering::SeqCst);
    Sum { sum: a + b }
}

/// Returns its argument.
#[tool]
fn echo(ctx: Context, text: String) -> String {
    seen(&ctx).started.fetch_add(1, Ordering::SeqCst);
    text
}

/// Waits for some milliseconds.
#[tool]
async fn wait(ctx: Context, ms: u64) -> String {
    let seen = seen(&ctx);
    seen.started.fetch_add(1, Ordering::SeqCst);
    let mut watch = Watch { seen, done: false };
    tokio::time::sleep(Duration::from_millis(ms)).await;
    watch.done = true;
    "waited".to_owned()
}

/// Panics.
#[tool]
fn panics() -> String {
    panic!("a secret detail")
}

/// Fails with a domain error.
#[tool]
fn fails() -> Result<String, String> {
    Err("there is no moon tonight".to_owned())
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Name {
    name: String,
}

/// Asks for a name.
#[tool]
async fn ask(ctx: Context) -> Result<String, AskError> {
    Ok(match ctx.elicit::<Name>("name", "Who are you?").await? {
        Elicited::Accepted(answer) => format!("Hello {}", answer.name),
        _ => "no name".to_owned(),
    })
}

/// Asks for a name and then for another.
#[tool]
async fn ask_twice(ctx: Context) -> Result<String, AskError> {
    let Elicited::Accepted(first) = ctx.elicit::<Name>("first", "First name?").await? else {
        return Ok("no first name".to_owned());
    };
    let Elicited::Accepted(last) = ctx
        .elicit::<Name>("last", &format!("And then, {}?", first.name))
        .await?
    else {
        return Ok("no last name".to_owned());
    };
    Ok(format!("{} {}", first.name, last.name))
}

/// Asks the client's model.
#[tool]
async fn ask_model(ctx: Context) -> Result<String, AskError> {
    let request =
        CreateMessageRequestParams::new(vec![SamplingMessage::user("Anybody there?")], 100);
    let answer = ctx.sample("model", request).await?;
    Ok(answer.model)
}

/// Asks for the client's roots.
#[tool]
async fn ask_roots(ctx: Context) -> Result<String, AskError> {
    let roots = ctx.roots("roots").await?;
    Ok(roots
        .iter()
        .map(|root| root.uri.as_str())
        .collect::<Vec<_>>()
        .join(" "))
}

/// Sends the user to a page.
#[tool]
async fn ask_url(ctx: Context) -> Result<String, AskError> {
    Ok(
        match ctx
            .elicit_url("page", "Please look", "https://example.com/")
            .await?
        {
            Elicited::Accepted(()) => "looked".to_owned(),
            _ => "did not look".to_owned(),
        },
    )
}

/// Reports progress, also some that goes backwards, and takes at least the time between two reports.
#[tool]
async fn report(ctx: Context) -> String {
    for progress in [1.0, 3.0, 2.0, 3.0, 4.0] {
        ctx.progress(progress, Some(4.0), Some("on the way"));
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    "reported".to_owned()
}

/// Logs at three levels.
#[tool]
fn talk(ctx: Context) -> String {
    ctx.log(LoggingLevel::Debug, Some("fixture"), "quietly");
    ctx.log(LoggingLevel::Warning, Some("fixture"), "loudly");
    ctx.log(LoggingLevel::Emergency, None, "at the top of its voice");
    "talked".to_owned()
}

/// Names the caller.
#[tool]
fn whoami(ctx: Context) -> String {
    ctx.principal()
        .map_or_else(|| "nobody".to_owned(), |principal| principal.id.clone())
}

/// Only for administrators.
#[tool(scopes("admin"))]
fn secret(ctx: Context) -> String {
    seen(&ctx).started.fetch_add(1, Ordering::SeqCst);
    "42".to_owned()
}

/// Has mirrored arguments.
#[tool]
fn region(
    #[mcp(header = "Region")] region: String,
    #[mcp(header = "Count")] count: Option<i64>,
) -> String {
    format!("{region} {count:?}")
}

/// Returns null as structured content.
#[tool]
fn maybe() -> CallToolResult {
    CallToolResult::new(vec![]).with_structured_content(Json::parse("null").expect("JSON"))
}

/// A text.
#[resource(uri = "test://text", mime_type = "text/plain")]
fn text() -> &'static str {
    "text"
}

/// A user.
#[resource(template = "user://{id}", mime_type = "text/plain")]
fn user(id: String) -> Option<String> {
    (id != "nobody").then(|| format!("user {id}"))
}

/// Greets.
#[prompt(title = "Greeter")]
fn greet(
    name: String,
    #[mcp(complete_with = ["formal", "friendly", "frosty"])] tone: Option<String>,
) -> String {
    format!(
        "Greet {name} in a {} tone.",
        tone.unwrap_or_else(|| "friendly".to_owned())
    )
}

/// A tool that comes and goes.
pub(crate) fn visitor() -> mcp_server::Tool {
    mcp_server::Tool::builder("visitor")
        .input_schema(r#"{"type":"object"}"#)
        .call(|_: serde_json::Value, _ctx| Ok("hello".to_owned()))
}
