//! Resources and templates as callers meet them, through the in-process runner.

use mcp_server::proto::config::CacheHint;
use mcp_server::proto::error::WireError;
use mcp_server::types::{CacheScope, ReadResourceResult, ResourceContents, Revision};
use mcp_server::{
    AsJson, CompletionRequest, Context, HandlerError, Principal, ReadRequest, Resource, Server,
    ToolRunner, resource,
};
use serde_json::json;

fn only(resource: impl mcp_server::IntoResource) -> ToolRunner {
    let server = Server::new("test", "1.0.0").resource(resource);
    ToolRunner::new(server.build().expect("the server is well formed"))
}

/// URI, media type and text or blob of the one content.
fn contents(result: ReadResourceResult) -> (String, String, String) {
    match &result.contents[..] {
        [ResourceContents::Text(text)] => (
            text.uri.clone(),
            text.mime_type.clone().unwrap_or_default(),
            text.text.clone(),
        ),
        [ResourceContents::Blob(blob)] => (
            blob.uri.clone(),
            blob.mime_type.clone().unwrap_or_default(),
            blob.blob.clone(),
        ),
        other => panic!("one content, not {other:?}"),
    }
}

fn read(runner: &ToolRunner, uri: &str) -> Result<(String, String, String), WireError> {
    runner.read(uri).wait().map(contents)
}

fn row(uri: &str, mime_type: &str, body: &str) -> Result<(String, String, String), WireError> {
    Ok((uri.to_owned(), mime_type.to_owned(), body.to_owned()))
}

/// The manual.
#[resource(
    "docs://manual",
    title = "Manual",
    mime_type = "text/markdown",
    size = 8
)]
fn manual() -> &'static str {
    "# Manual"
}

#[resource(uri = "docs://logo")]
fn logo() -> Vec<u8> {
    vec![0, 1, 2]
}

#[resource(uri = "docs://settings")]
fn settings() -> AsJson<serde_json::Value> {
    AsJson(json!({"a": 1}))
}

#[test]
fn static_resources_are_listed_and_read() {
    let runner = only(manual);
    let listed = runner
        .list_resources(None)
        .wait()
        .unwrap()
        .resources
        .remove(0);
    assert_eq!(
        (listed.uri.as_str(), listed.name.as_str()),
        ("docs://manual", "manual")
    );
    assert_eq!(listed.title.as_deref(), Some("Manual"));
    assert_eq!(listed.description.as_deref(), Some("The manual."));
    assert_eq!(listed.size, Some(8));
    assert_eq!(
        read(&runner, "docs://manual"),
        row("docs://manual", "text/markdown", "# Manual")
    );
    assert_eq!(
        read(&only(logo), "docs://logo"),
        row("docs://logo", "application/octet-stream", "AAEC")
    );
    assert_eq!(
        read(&only(settings), "docs://settings"),
        row("docs://settings", "application/json", r#"{"a":1}"#)
    );
}

#[resource("users://{id}/files{/name}{?lang}", mime_type = "text/plain")]
async fn file(id: u32, name: Option<&str>, lang: Option<String>, ctx: Context) -> Option<String> {
    ctx.debug("reading");
    (id != 0).then(|| format!("{id} {name:?} {lang:?}"))
}

#[test]
fn templates_are_matched_and_their_variables_have_types() {
    let runner = only(file);
    let listed = runner
        .list_resource_templates(None)
        .wait()
        .unwrap()
        .resource_templates
        .remove(0);
    assert_eq!(listed.uri_template, "users://{id}/files{/name}{?lang}");
    assert!(
        runner
            .list_resources(None)
            .wait()
            .unwrap()
            .resources
            .is_empty()
    );
    for (uri, body) in [
        ("users://7/files", "7 None None"),
        ("users://7/files/a%20b", r#"7 Some("a b") None"#),
        ("users://7/files/a?lang=de", r#"7 Some("a") Some("de")"#),
    ] {
        assert_eq!(read(&runner, uri), row(uri, "text/plain", body));
    }
}

#[resource(template = "any://{+path}")]
fn any(request: ReadRequest) -> String {
    format!("{} {:?}", request.uri(), request.get("path"))
}

#[test]
fn a_reader_can_take_the_request_as_a_whole() {
    assert_eq!(
        read(&only(any), "any://a/b"),
        row("any://a/b", "text/plain", r#"any://a/b Some("a/b")"#)
    );
}

#[test]
fn what_does_not_exist_is_an_error_with_its_uri_and_never_empty() {
    let empty = || Resource::builder("x://empty").read(|_, _| Ok(Vec::<ResourceContents>::new()));
    for uri in [
        "users://0/files",
        "users://x/files",
        "users://7/files/a/b",
        "other://x",
        "not a uri",
        "",
    ] {
        let error = only(file).read(uri).wait().unwrap_err();
        assert_eq!(error.code, -32602, "{uri}");
        assert_eq!(
            error.data.unwrap().as_str(),
            json!({"uri": uri}).to_string()
        );
    }
    assert_eq!(
        only(empty()).read("x://empty").wait().unwrap_err().code,
        -32602
    );
    for revision in [Revision::V2024_11_05, Revision::V2025_11_25] {
        let error = only(file)
            .with_revision(revision)
            .read("other://x")
            .wait()
            .unwrap_err();
        assert_eq!(
            (error.code, error.data.unwrap().as_str()),
            (-32002, r#"{"uri":"other://x"}"#)
        );
    }
}

#[test]
fn a_reader_that_fails_says_why() {
    let failing = Resource::builder("x://y")
        .read(|_, _| Err::<String, _>(HandlerError::new("the disk is on fire")));
    let error = only(failing).read("x://y").wait().unwrap_err();
    assert_eq!(
        (error.code, &*error.message),
        (-32603, "the disk is on fire")
    );
}

#[test]
fn the_most_specific_template_answers() {
    let named =
        |template: &'static str| Resource::template(template).read(move |_, _| Ok(template));
    let server = Server::new("test", "1.0.0")
        .resource(named("logs://{+path}"))
        .resource(named("logs://today/{name}"))
        .resource(Resource::builder("logs://today/all").read(|_, _| Ok("static")));
    let runner = ToolRunner::new(server.build().unwrap());
    for (uri, expected) in [
        ("logs://today/all", "static"),
        ("logs://today/x", "logs://today/{name}"),
        ("logs://today/x/y", "logs://{+path}"),
        ("logs://2026", "logs://{+path}"),
    ] {
        assert_eq!(read(&runner, uri).unwrap().2, expected, "{uri}");
    }
}

#[test]
fn caching_is_off_for_reads_unless_somebody_says_otherwise() {
    let hint = |result: ReadResourceResult| (result.ttl_ms, result.cache_scope);
    let runner = only(manual);
    assert_eq!(
        hint(runner.read("docs://manual").wait().unwrap()),
        (Some(0), Some(CacheScope::Private))
    );
    let cached = Resource::builder("x://y")
        .cache(CacheHint {
            ttl_ms: 60_000,
            scope: CacheScope::Public,
        })
        .read(|_, _| Ok("x"));
    assert_eq!(
        hint(only(cached).read("x://y").wait().unwrap()),
        (Some(60_000), Some(CacheScope::Public))
    );
    let own = Resource::builder("x://y").read(|request, _| {
        let contents = vec![ResourceContents::text(request.uri(), "x")];
        Ok(ReadResourceResult::new(contents).with_ttl_ms(5u64))
    });
    assert_eq!(
        hint(only(own).read("x://y").wait().unwrap()),
        (Some(5), Some(CacheScope::Private))
    );
}

#[test]
fn what_needs_a_scope_is_never_shared_and_what_nobody_marked_not_between_callers_with_tokens() {
    let public = CacheHint {
        ttl_ms: 60_000,
        scope: CacheScope::Public,
    };
    let shared = |uri: &str| {
        let contents = vec![ResourceContents::text(uri, "x")];
        ReadResourceResult::new(contents).with_cache_scope(CacheScope::Public)
    };
    let server = Server::new("t", "1")
        .read_cache(public)
        .resource(Resource::builder("x://plain").read(|_, _| Ok("x")))
        .resource(
            Resource::builder("x://marked")
                .cache(public)
                .read(|_, _| Ok("x")),
        )
        .resource(Resource::builder("x://said").read(move |request, _| Ok(shared(request.uri()))))
        .resource(
            Resource::builder("s://plain")
                .scopes(["s"])
                .read(|_, _| Ok("x")),
        )
        .resource(
            Resource::builder("s://marked")
                .scopes(["s"])
                .cache(public)
                .read(|_, _| Ok("x")),
        )
        .resource(
            Resource::builder("s://said")
                .scopes(["s"])
                .read(move |request, _| Ok(shared(request.uri()))),
        );
    let anybody = ToolRunner::new(server.build().unwrap());
    let caller = anybody
        .clone()
        .with_principal(Principal::new("p").with_scopes(["s"]));
    let scope =
        |runner: &ToolRunner, uri: &str| runner.read(uri).wait().unwrap().cache_scope.unwrap();
    assert_eq!(scope(&anybody, "x://plain"), CacheScope::Public);
    assert_eq!(scope(&caller, "x://plain"), CacheScope::Private);
    for uri in ["x://marked", "x://said"] {
        assert_eq!(scope(&caller, uri), CacheScope::Public, "{uri}");
    }
    for uri in ["s://plain", "s://marked", "s://said"] {
        assert_eq!(scope(&caller, uri), CacheScope::Private, "{uri}");
    }
}

#[resource("secret://{name}", scopes("secrets"))]
fn secret(name: String) -> String {
    name
}

#[test]
fn scopes_hide_and_refuse() {
    let runner = only(secret);
    assert!(
        runner
            .list_resource_templates(None)
            .wait()
            .unwrap()
            .resource_templates
            .is_empty()
    );
    let error = runner.read("secret://x").wait().unwrap_err();
    assert_eq!(
        error.data.unwrap().as_str(),
        r#"{"reason":"insufficient_scope","scope":"secrets"}"#
    );
    assert_eq!(
        runner
            .complete_resource("secret://{name}", "name", "")
            .wait()
            .unwrap_err()
            .code,
        -32602
    );
    let allowed = runner.with_principal(Principal::new("p").with_scopes(["secrets"]));
    assert_eq!(read(&allowed, "secret://x").unwrap().2, "x");
}

fn planets(request: CompletionRequest) -> Vec<String> {
    ["mars", "mercury", "venus"]
        .into_iter()
        .filter(|planet| planet.starts_with(request.value()))
        .map(str::to_owned)
        .collect()
}

async fn moons(
    request: CompletionRequest,
    _ctx: Context,
) -> Result<[&'static str; 1], HandlerError> {
    match request.get("planet") {
        Some("venus") => Err(HandlerError::new("venus has no moons")),
        _ => Ok(["phobos"]),
    }
}

#[resource("space://{planet}/{moon}{?unit}")]
fn place(
    #[mcp(complete = planets)] planet: String,
    #[mcp(complete_async = moons)] moon: String,
    #[mcp(complete_with = ["km", "au"])] unit: Option<String>,
) -> String {
    format!("{planet} {moon} {unit:?}")
}

#[test]
fn variables_complete() {
    let runner = only(place);
    let complete = |variable: &str, typed: &str| {
        let result = runner
            .complete_resource("space://{planet}/{moon}{?unit}", variable, typed)
            .wait();
        result.map(|result| result.completion.values)
    };
    assert_eq!(complete("planet", "m").unwrap(), ["mars", "mercury"]);
    assert_eq!(complete("moon", "").unwrap(), ["phobos"]);
    assert_eq!(complete("unit", "K").unwrap(), ["km"]);
    assert_eq!(complete("sun", "").unwrap_err().code, -32602);
    assert_eq!(
        runner
            .complete_resource("space://{other}", "other", "")
            .wait()
            .unwrap_err()
            .code,
        -32602
    );
    let concrete = runner
        .complete_resource("space://mars/x", "planet", "v")
        .wait()
        .unwrap();
    assert_eq!(
        concrete.completion.values,
        ["venus"],
        "a URI stands for the template that matches it"
    );
}

#[test]
fn a_definition_that_cannot_work_is_refused_when_the_server_is_built() {
    for resource in [
        Resource::builder("no-scheme").read(|_, _| Ok("")),
        Resource::builder("x://a b").read(|_, _| Ok("")),
        Resource::builder("x://{id}").read(|_, _| Ok("")),
        Resource::template("x://{id").read(|_, _| Ok("")),
        Resource::template("x://{id*}").read(|_, _| Ok("")),
        Resource::template("x://{id}").size(3).read(|_, _| Ok("")),
        Resource::template("x://{id}")
            .complete_with("name", ["x"])
            .read(|_, _| Ok("")),
    ] {
        assert!(
            Server::new("test", "1.0.0")
                .resource(resource.clone())
                .build()
                .is_err(),
            "{resource:?}"
        );
    }
}
