//! rmcp as a client of `mcp demo`, in both eras.
//!
//! Prints one line per row, `ok ROW` or `FAIL ROW: why`, and ends with 1 when a row failed.
//!
//!     interop-rmcp --stdio PATH_TO_MCP
//!     interop-rmcp --http URL

#![expect(deprecated, reason = "what the older era has is under test, too")]

mod peer;

use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rmcp::RoleClient;
use rmcp::model::{CallToolRequestParams, CallToolResult, ProtocolVersion, SubscriptionFilter};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt, RunningService, ServiceError};
use rmcp::transport::{StreamableHttpClientTransport, TokioChildProcess};
use serde_json::{Value, json};
use tokio::process::Command;

use peer::{Peer, made};

/// One row must never hold up the others for longer than this.
const LIMIT: Duration = Duration::from_secs(20);

/// Survives JSON, line framing and SSE only if all of them are right.
const CITY: &str = "Zürich\r\nと \u{2028} \\ \"🏔\"";

const WATCHED: &str = "test://watched-resource";

type Client = RunningService<RoleClient, Peer>;

/// What the rows of one era share.
struct Rows {
    prefix: String,
    modern: bool,
    failed: usize,
}

impl Rows {
    async fn row(&mut self, name: &str, body: impl Future<Output = Result<()>>) {
        let name = format!("{}/{name}", self.prefix);
        let why = match tokio::time::timeout(LIMIT, body).await {
            Ok(Ok(())) => return println!("ok {name}"),
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => format!("nothing happened for {LIMIT:?}"),
        };
        self.failed += 1;
        let why: String = why.split_whitespace().collect::<Vec<_>>().join(" ");
        println!("FAIL {name}: {}", why.chars().take(400).collect::<String>());
    }
}

/// A call, every question of the server's answered on the way.
async fn call(
    client: &Client,
    tool: &str,
    arguments: Value,
) -> Result<CallToolResult, ServiceError> {
    let params = made::<CallToolRequestParams>(json!({ "name": tool, "arguments": arguments }));
    client.call_tool(params).await
}

fn text(result: &CallToolResult) -> String {
    let value = serde_json::to_value(result).expect("JSON");
    let blocks = value["content"].as_array().cloned().unwrap_or_default();
    let texts: Vec<&str> = blocks
        .iter()
        .filter_map(|block| block["text"].as_str())
        .collect();
    texts.join(" ")
}

fn code<T: std::fmt::Debug>(answer: Result<T, ServiceError>) -> Result<i32> {
    match answer {
        Err(ServiceError::McpError(error)) => Ok(error.code.0),
        other => bail!("no error of the protocol: {other:?}"),
    }
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn connect(target: &Target, modern: bool) -> Result<Client> {
    let lifecycle = if modern {
        let versions = vec![made::<ProtocolVersion>(json!("2026-07-28"))];
        ClientLifecycleMode::Discover {
            preferred_versions: versions,
        }
    } else {
        ClientLifecycleMode::Initialize
    };
    let peer = Peer::default();
    Ok(match target {
        Target::Stdio(path) => {
            let mut command = Command::new(path);
            command.args(["demo", "--stdio"]);
            peer.serve_with_lifecycle(TokioChildProcess::new(command)?, lifecycle)
                .await?
        }
        Target::Http(url) => {
            let transport = StreamableHttpClientTransport::from_uri(url.as_str());
            peer.serve_with_lifecycle(transport, lifecycle).await?
        }
    })
}

async fn lists(rows: &mut Rows, client: &Client) {
    let wanted = if rows.modern {
        "2026-07-28"
    } else {
        "2025-11-25"
    };
    rows.row("connect", async {
        let info = client
            .peer_info()
            .context("nothing is known of the server")?;
        let version = info.protocol_version.to_string();
        ensure!(version == wanted, "{version}");
        ensure!(info.capabilities.tools.is_some(), "{:?}", info.capabilities);
        Ok(())
    })
    .await;
    rows.row("list tools with pagination", async {
        let first = client.list_tools(None).await?;
        let all = client.list_all_tools().await?;
        ensure!(
            first.next_cursor.is_some() && all.len() > first.tools.len(),
            "{} tools",
            all.len()
        );
        let add = all
            .iter()
            .find(|tool| tool.name == "add")
            .context("no add")?;
        ensure!(add.output_schema.is_some());
        Ok(())
    })
    .await;
    rows.row("list resources, templates and prompts", async {
        let resources = client.list_all_resources().await?;
        ensure!(
            resources.iter().any(|one| one.uri == "test://static-text"),
            "{resources:?}"
        );
        let templates = client.list_all_resource_templates().await?;
        ensure!(
            templates
                .iter()
                .any(|one| one.uri_template == "test://template/{id}/data")
        );
        let prompts = client.list_all_prompts().await?;
        ensure!(
            prompts.iter().any(|one| one.name == "test_simple_prompt"),
            "{prompts:?}"
        );
        Ok(())
    })
    .await;
}

async fn calls(rows: &mut Rows, client: &Client) {
    let memory = &client.service().0;
    rows.row("call", async {
        let result = call(client, "get_weather", json!({ "city": CITY })).await?;
        let weather: Value = serde_json::from_str(&text(&result))?;
        ensure!(weather["city"] == CITY, "{weather}");
        Ok(())
    })
    .await;
    rows.row("call that fails", async {
        let result = call(client, "test_error_handling", json!({})).await?;
        ensure!(result.is_error == Some(true), "{result:?}");
        Ok(())
    })
    .await;
    rows.row("arguments that break the schema", async {
        let result = call(client, "add", json!({ "a": "one", "b": 2 })).await?;
        ensure!(result.is_error == Some(true), "{result:?}");
        Ok(())
    })
    .await;
    rows.row("unknown tool", async {
        let code = code(call(client, "no_such_tool", json!({})).await)?;
        ensure!(code == -32602, "{code}");
        Ok(())
    })
    .await;
    rows.row("structured output", async {
        let result = call(client, "add", json!({ "a": 2, "b": 40 })).await?;
        let structured = result.structured_content.context("nothing structured")?;
        ensure!(structured["sum"] == 42.0, "{structured}");
        Ok(())
    })
    .await;
    rows.row("progress", async {
        memory.progress.lock().unwrap().clear();
        call(client, "test_tool_with_progress", json!({})).await?;
        until(|| memory.progress.lock().unwrap().len() >= 2).await;
        let seen = memory.progress.lock().unwrap().clone();
        ensure!(seen.is_sorted(), "{seen:?}");
        Ok(())
    })
    .await;
    rows.row(
        "a slow call delays nobody, and its end is not waited for",
        async {
            let start = Instant::now();
            let slow = call(client, "count_down", json!({ "steps": 150 }));
            let beside = async {
                tokio::time::sleep(Duration::from_millis(100)).await;
                call(client, "add", json!({ "a": 1, "b": 1 })).await
            };
            tokio::select! {
                slow = slow => bail!("the slow one was first: {slow:?}"),
                beside = beside => ensure!(text(&beside?).contains('2')),
            }
            ensure!(
                start.elapsed() < Duration::from_secs(5),
                "{:?}",
                start.elapsed()
            );
            Ok(())
        },
    )
    .await;
}

async fn questions(rows: &mut Rows, client: &Client) {
    let memory = &client.service().0;
    rows.row("elicitation form, two rounds", async {
        memory.forms.lock().unwrap().clear();
        let result = call(client, "plan_trip", json!({})).await?;
        let forms = memory.forms.lock().unwrap().len();
        ensure!(
            forms == 2 && result.is_error != Some(true),
            "{forms} forms, {result:?}"
        );
        Ok(())
    })
    .await;
    rows.row("elicitation URL", async {
        memory.urls.lock().unwrap().clear();
        call(client, "connect_account", json!({})).await?;
        let urls = memory.urls.lock().unwrap().clone();
        ensure!(
            urls.first().is_some_and(|url| url.starts_with("http")),
            "{urls:?}"
        );
        Ok(())
    })
    .await;
    rows.row("sampling", async {
        memory.prompts.lock().unwrap().clear();
        let result = call(client, "write_haiku", json!({ "topic": "tides" })).await?;
        let prompts = memory.prompts.lock().unwrap().join(" ");
        ensure!(
            prompts.contains("tides") && text(&result).contains("forty-two"),
            "{result:?}"
        );
        Ok(())
    })
    .await;
    rows.row("roots", async {
        let result = call(client, "list_roots", json!({})).await?;
        ensure!(text(&result).contains("file:///canary"), "{result:?}");
        ensure!(memory.root_requests.load(Ordering::SeqCst) >= 1);
        Ok(())
    })
    .await;
}

async fn reads(rows: &mut Rows, client: &Client) {
    rows.row("completion", async {
        let values = client
            .complete_prompt_simple("explain", "topic", "g")
            .await?;
        ensure!(values == ["gravity", "geology"], "{values:?}");
        Ok(())
    })
    .await;
    rows.row("read text, binary and from a template", async {
        for (uri, wanted) in [
            ("test://static-text", "text"),
            ("test://static-binary", "blob"),
            ("test://template/123/data", "123"),
        ] {
            let result = client.read_resource(made(json!({ "uri": uri }))).await?;
            let contents = serde_json::to_string(&result.contents)?;
            ensure!(contents.contains(wanted), "{uri}: {contents}");
        }
        Ok(())
    })
    .await;
    let not_found = if rows.modern { -32602 } else { -32002 };
    rows.row("unknown resource", async {
        let uri = json!({ "uri": "test://no-such-thing" });
        let code = code(client.read_resource(made(uri)).await)?;
        ensure!(code == not_found, "{code}");
        Ok(())
    })
    .await;
    rows.row("prompt", async {
        let arguments = json!({ "arg1": "one", "arg2": "two" });
        let params = json!({ "name": "test_prompt_with_arguments", "arguments": arguments });
        let result = client.get_prompt(made(params)).await?;
        ensure!(
            serde_json::to_string(&result.messages)?.contains("one"),
            "{result:?}"
        );
        Ok(())
    })
    .await;
}

async fn modern(rows: &mut Rows, client: &Client) {
    rows.row("subscriptions/listen", async {
        let filter: SubscriptionFilter = made(json!({
            "toolsListChanged": true, "resourceSubscriptions": [WATCHED],
        }));
        let mut events = client.listen(filter).await?;
        call(client, "touch_watched_resource", json!({})).await?;
        let event = format!("{:?}", events.next().await?);
        ensure!(event.contains("ResourceUpdated"), "{event}");
        for _ in 0..2 {
            call(client, "test_trigger_tool_change", json!({})).await?;
            let event = format!("{:?}", events.next().await?);
            ensure!(event.contains("ToolListChanged"), "{event}");
        }
        events.cancel().await?;
        Ok(())
    })
    .await;
}

async fn legacy(rows: &mut Rows, client: &Client) {
    let memory = &client.service().0;
    rows.row("logging", async {
        client.set_level(made(json!({ "level": "debug" }))).await?;
        call(client, "test_tool_with_logging", json!({})).await?;
        until(|| memory.logs.load(Ordering::SeqCst) >= 3).await;
        Ok(())
    })
    .await;
    rows.row("list_changed", async {
        for n in 1..3 {
            call(client, "test_trigger_tool_change", json!({})).await?;
            until(|| memory.tools_changed.load(Ordering::SeqCst) >= n).await;
        }
        Ok(())
    })
    .await;
    rows.row("resources/subscribe and unsubscribe", async {
        client.subscribe(made(json!({ "uri": WATCHED }))).await?;
        call(client, "touch_watched_resource", json!({})).await?;
        until(|| !memory.updated.lock().unwrap().is_empty()).await;
        client.unsubscribe(made(json!({ "uri": WATCHED }))).await?;
        Ok(())
    })
    .await;
}

enum Target {
    Stdio(String),
    Http(String),
}

async fn era(target: &Target, is_modern: bool) -> usize {
    let transport = match target {
        Target::Stdio(_) => "stdio",
        Target::Http(_) => "http",
    };
    let era = if is_modern { "modern" } else { "legacy" };
    let prefix = format!("{transport}/rmcp-{era}");
    let mut rows = Rows {
        prefix,
        modern: is_modern,
        failed: 0,
    };
    let client = match connect(target, is_modern).await {
        Ok(client) => client,
        Err(error) => {
            println!("FAIL {}/connect: {error:#}", rows.prefix);
            return 1;
        }
    };
    lists(&mut rows, &client).await;
    calls(&mut rows, &client).await;
    questions(&mut rows, &client).await;
    reads(&mut rows, &client).await;
    if is_modern {
        modern(&mut rows, &client).await;
    } else {
        legacy(&mut rows, &client).await;
    }
    rows.row("graceful end", async {
        let asked = Instant::now();
        client.cancel().await?;
        // It kills a process that has not ended by then.
        ensure!(
            asked.elapsed() < Duration::from_millis(2500),
            "{:?}",
            asked.elapsed()
        );
        Ok(())
    })
    .await;
    rows.failed
}

#[tokio::main]
async fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let target = match words.first().map(String::as_str).zip(words.get(1)) {
        Some(("--stdio", path)) => Target::Stdio(path.clone()),
        Some(("--http", url)) => Target::Http(url.clone()),
        _ => {
            eprintln!("needs --stdio PATH or --http URL");
            return ExitCode::from(2);
        }
    };
    let failed = era(&target, false).await + era(&target, true).await;
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
