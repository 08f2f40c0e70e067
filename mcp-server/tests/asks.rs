//! Questions to the client, asked from tools in straight-line code, answered by the runner in both eras.

use mcp_server::proto::context::ClientFeatures;
use mcp_server::types::{ElicitRequestFormParams, Json, Object, RequestedSchema, Revision};
use mcp_server::{AskError, Context, Elicited, Note, Server, ToolRunner, tool};

const ERAS: [Revision; 2] = [Revision::V2025_11_25, Revision::V2026_07_28];

fn form(message: &str) -> ElicitRequestFormParams {
    let schema = r#"{"type":"object","properties":{"name":{"type":"string"}},"required":["name"]}"#;
    let schema: RequestedSchema = serde_json::from_str(schema).expect("a form");
    ElicitRequestFormParams::new(message, schema)
}

#[tool]
async fn introduce(ctx: Context) -> Result<String, AskError> {
    let first = ctx.elicit_schema("first", form("Who are you?")).await?;
    let second = ctx.elicit_schema("second", form("And you?")).await?;
    let name = |answer: &Elicited<Object>| match answer {
        Elicited::Accepted(content) => content
            .get("name")
            .and_then(|name| name.decode().ok())
            .unwrap_or_default(),
        _ => "nobody".to_owned(),
    };
    ctx.info("introduced");
    Ok(format!("{} and {}", name(&first), name(&second)))
}

fn runner(revision: Revision) -> ToolRunner {
    let service = Server::new("test", "1.0.0")
        .tool(introduce)
        .build()
        .unwrap();
    ToolRunner::new(service).with_revision(revision)
}

#[test]
fn the_same_lines_ask_in_both_eras() {
    for revision in ERAS {
        let runner =
            runner(revision).with_answers(ClientFeatures::ELICITATION_FORM, |method, params| {
                assert_eq!(method, "elicitation/create");
                let answer = if params.as_str().contains("Who are you?") {
                    r#"{"action":"accept","content":{"name":"Ada"}}"#
                } else {
                    r#"{"action":"decline"}"#
                };
                Json::parse(answer).map_err(|error| error.to_string())
            });
        let result = runner.call("introduce", "{}").wait().unwrap();
        assert_eq!(
            result.content[0].as_text(),
            Some("Ada and nobody"),
            "{revision}"
        );
        assert!(
            matches!(runner.notes()[..], [Note::Log { .. }]),
            "{revision}: said once"
        );
    }
}

#[test]
fn a_client_that_cannot_be_asked_is_told_so_in_the_way_of_its_era() {
    let error = runner(Revision::V2026_07_28)
        .call("introduce", "{}")
        .wait()
        .unwrap_err();
    assert_eq!(error.code, -32021);
    assert_eq!(
        error.data.unwrap().as_str(),
        r#"{"requiredCapabilities":{"elicitation":{"form":{}}}}"#
    );
    let result = runner(Revision::V2025_11_25)
        .call("introduce", "{}")
        .wait()
        .unwrap();
    assert_eq!(result.is_error, Some(true));
    assert!(result.content[0].as_text().unwrap().contains("elicitation"));
}

#[test]
fn a_client_that_refuses_is_an_error_that_the_model_can_read() {
    let runner = runner(Revision::V2025_11_25)
        .with_answers(ClientFeatures::ELICITATION_FORM, |_, _| {
            Err("the user is away".to_owned())
        });
    let result = runner.call("introduce", "{}").wait().unwrap();
    assert_eq!(result.is_error, Some(true));
    assert!(
        result.content[0]
            .as_text()
            .unwrap()
            .contains("the user is away")
    );
}

/// Another crate's error type, which passes the words of what it wraps on.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Wrapped(#[from] AskError);

#[tool]
async fn wrapped(ctx: Context) -> Result<String, Wrapped> {
    ctx.elicit_schema("first", form("Who are you?")).await?;
    Ok(String::new())
}

#[test]
fn a_missing_capability_keeps_its_code_inside_of_other_errors() {
    let service = Server::new("test", "1.0.0").tool(wrapped).build().unwrap();
    let error = ToolRunner::new(service)
        .call("wrapped", "{}")
        .wait()
        .unwrap_err();
    assert_eq!(error.code, -32021);
}

#[tool]
async fn keyed(ctx: Context) -> Result<String, AskError> {
    ctx.once("work", |key| async move { key }).await
}

#[test]
fn no_two_runners_have_the_same_idempotency_keys() {
    let service = Server::new("test", "1.0.0").tool(keyed).build().unwrap();
    let key = || {
        let result = ToolRunner::new(service.clone()).call("keyed", "{}").wait();
        result.unwrap().content[0].as_text().unwrap().to_owned()
    };
    assert_ne!(key(), key());
}
