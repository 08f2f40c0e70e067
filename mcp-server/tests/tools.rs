//! Tools as callers meet them: schemas, arguments, results and errors, through the in-process runner.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use mcp_server::proto::error::WireError;
use mcp_server::types::{CallToolResult, ContentBlock, Json, Revision, Tool as Definition};
use mcp_server::{Context, HandlerError, Principal, Server, State, Tool, ToolRunner, tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

fn runner(server: Server) -> ToolRunner {
    ToolRunner::new(server.build().expect("the server is well formed"))
}

fn only(tool: impl mcp_server::IntoTool) -> ToolRunner {
    runner(Server::new("test", "1.0.0").tool(tool))
}

fn definition(runner: &ToolRunner) -> Definition {
    runner
        .list_tools(None)
        .wait()
        .expect("the list")
        .tools
        .remove(0)
}

fn value(json: &Json) -> Value {
    json.decode().expect("it is JSON")
}

fn text(result: &CallToolResult) -> &str {
    result
        .content
        .first()
        .and_then(ContentBlock::as_text)
        .expect("text")
}

/// Adds two numbers.
///
/// With **Markdown**.
#[tool(read_only, idempotent, destructive = false, title = "Add")]
fn add(
    a: f64,
    /// the second addend
    b: f64,
) -> f64 {
    a + b
}

#[test]
fn a_function_becomes_a_definition() {
    let tool = definition(&only(add));
    assert_eq!(tool.name, "add");
    assert_eq!(tool.title.as_deref(), Some("Add"));
    assert_eq!(
        tool.description.as_deref(),
        Some("Adds two numbers.\n\nWith **Markdown**.")
    );
    let annotations = tool.annotations.expect("annotations");
    assert_eq!(annotations.read_only_hint, Some(true));
    assert_eq!(annotations.destructive_hint, Some(false));
    assert_eq!(annotations.open_world_hint, None);
    assert_eq!(
        tool.input_schema.as_str(),
        r#"{"type":"object","properties":{"a":{"type":"number"},"b":{"type":"number","description":"the second addend"}},"required":["a","b"],"additionalProperties":false}"#
    );
    assert_eq!(
        value(&tool.output_schema.expect("an output schema")),
        json!({"type": "number"})
    );
}

#[test]
fn the_name_stays_free_for_local_variables() {
    let add = add();
    assert_eq!(add.name(), "add");
}

#[test]
fn one_value_is_text_and_structure() {
    let result = only(add).call("add", r#"{"a":1,"b":2.5}"#).wait().unwrap();
    assert_eq!(text(&result), "3.5");
    assert_eq!(result.structured_content.unwrap().as_str(), "3.5");
    assert_eq!(result.is_error, None);
}

#[test]
fn whole_numbers_have_no_fraction_and_no_number_is_sent_as_null() {
    let add = |arguments: Value| only(add).call("add", arguments).wait();
    for (arguments, expected) in [
        (json!({"a": 1, "b": 2}), "3"),
        (json!({"a": -0.0, "b": -0.0}), "0"),
        (json!({"a": -1.5, "b": 0.5}), "-1"),
        (json!({"a": 1e300, "b": 0}), "1e+300"),
    ] {
        assert_eq!(text(&add(arguments).unwrap()), expected);
    }
    let error = add(json!({"a": 1.7e308, "b": 1.7e308})).unwrap_err();
    assert_eq!(error.code, -32603);
    assert!(
        error.message.contains("expected a number, got null"),
        "{error}"
    );
}

#[test]
fn before_2026_output_that_is_no_object_is_wrapped_and_so_is_its_schema() {
    for revision in [Revision::V2025_06_18, Revision::V2025_11_25] {
        let runner = only(add).with_revision(revision);
        let schema = definition(&runner).output_schema.unwrap();
        assert_eq!(
            value(&schema),
            json!({"type": "object", "properties": {"result": {"type": "number"}}, "required": ["result"]})
        );
        let result = runner.call("add", r#"{"a":1,"b":2.5}"#).wait().unwrap();
        assert_eq!(text(&result), "3.5");
        assert_eq!(
            result.structured_content.unwrap().as_str(),
            r#"{"result":3.5}"#
        );
    }
    for revision in [Revision::V2024_11_05, Revision::V2025_03_26] {
        let runner = only(add).with_revision(revision);
        assert_eq!(definition(&runner).output_schema, None);
        let result = runner.call("add", r#"{"a":1,"b":2.5}"#).wait().unwrap();
        assert_eq!(text(&result), "3.5");
        assert_eq!(result.structured_content, None);
    }
}

#[test]
fn before_titles_they_were_an_annotation() {
    let tool = definition(&only(add).with_revision(Revision::V2025_03_26));
    assert_eq!(tool.title, None);
    assert_eq!(tool.annotations.unwrap().title.as_deref(), Some("Add"));
}

#[test]
fn broken_arguments_are_told_to_the_model_all_at_once() {
    let runner = only(add);
    for (arguments, expected) in [
        (
            "{}",
            "`a`: expected a number, got nothing; `b`: expected a number, got nothing",
        ),
        (r#"{"a":"1","b":2}"#, "`a`: expected a number, got a string"),
        (r#"{"a":1,"b":null}"#, "`b`: expected a number, got null"),
        (
            r#"{"a":1,"B":2}"#,
            "`b`: expected a number, got nothing; `B`: expected one of `a`, `b`, got an unknown argument; did you mean `b`?",
        ),
        (
            r#"{"a":1,"b":2,"c":3}"#,
            "`c`: expected one of `a`, `b`, got an unknown argument",
        ),
    ] {
        let result = runner.call("add", arguments).wait().unwrap();
        assert_eq!(result.is_error, Some(true));
        assert_eq!(
            text(&result),
            format!("Invalid arguments for tool `add`: {expected}"),
            "{arguments}"
        );
        assert_eq!(result.structured_content, None);
    }
}

#[test]
fn a_key_that_is_given_twice_is_not_guessed_at() {
    let result = only(add)
        .call("add", r#"{"a":1,"b":2,"b":3}"#)
        .wait()
        .unwrap();
    assert_eq!(result.is_error, Some(true));
}

#[test]
fn requests_that_are_no_tool_calls_are_protocol_errors() {
    let runner = only(add);
    let code = |result: Result<CallToolResult, WireError>| {
        result
            .map(|_| ())
            .map_err(|error| (error.code, error.message.into_owned()))
    };
    assert_eq!(
        code(runner.call("ad", "{}").wait()),
        Err((-32602, "Unknown tool: ad; did you mean `add`?".to_owned()))
    );
    assert_eq!(
        code(runner.call("zebra", "{}").wait()),
        Err((-32602, "Unknown tool: zebra".to_owned()))
    );
    for arguments in ["[]", "3", "null", "\"x\""] {
        assert_eq!(
            code(runner.call("add", arguments).wait()).unwrap_err().0,
            -32602,
            "{arguments}"
        );
    }
}

#[derive(Serialize, JsonSchema)]
struct Weather {
    /// In degrees Celsius
    temperature: f64,
    wind: Option<f64>,
}

#[tool]
async fn weather(
    ctx: Context,
    city: &str,
    days: Option<u8>,
    tags: &[String],
    #[mcp(default = 3)] limit: u32,
) -> Weather {
    ctx.info(format!("{city} {days:?} {tags:?} {limit}"));
    Weather {
        temperature: 21.5,
        wind: None,
    }
}

#[test]
fn async_functions_borrow_their_arguments_and_use_their_context() {
    let runner = only(weather);
    let definition = definition(&runner);
    assert_eq!(
        value(&definition.input_schema),
        json!({
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "days": {"type": "integer", "minimum": 0, "maximum": 255},
                "tags": {"type": "array", "items": {"type": "string"}},
                "limit": {"type": "integer", "minimum": 0, "default": 3},
            },
            "required": ["city", "tags"],
            "additionalProperties": false,
        })
    );
    assert_eq!(
        value(&definition.output_schema.unwrap()),
        json!({
            "type": "object",
            "properties": {
                "temperature": {"description": "In degrees Celsius", "type": "number"},
                "wind": {"type": ["number", "null"]},
            },
            "required": ["temperature", "wind"],
        })
    );
    let result = runner
        .call("weather", json!({"city": "Bern", "tags": ["x"]}))
        .wait()
        .unwrap();
    assert_eq!(
        result.structured_content.unwrap().as_str(),
        r#"{"temperature":21.5,"wind":null}"#
    );
    assert_eq!(
        text(&CallToolResult::new(result.content)),
        r#"{"temperature":21.5,"wind":null}"#
    );
    let result = runner
        .call(
            "weather",
            json!({"city": "Bern", "tags": [], "days": null, "limit": 7}),
        )
        .wait()
        .unwrap();
    assert_eq!(result.is_error, None, "{result:?}");
    let notes = format!("{:?}", runner.notes());
    assert!(
        notes.contains(r#"Bern None [\"x\"] 3"#) && notes.contains("Bern None [] 7"),
        "{notes}"
    );
}

#[derive(Debug)]
struct Refused;

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the bank said no")
    }
}

#[tool]
fn pay(amount: u32) -> Result<String, Refused> {
    if amount > 10 {
        Err(Refused)
    } else {
        Ok(format!("paid {amount}"))
    }
}

#[tool]
fn fallible() -> Result<CallToolResult, Box<dyn std::error::Error + Send + Sync>> {
    Err("boxed".into())
}

#[tool]
fn protocol() -> Result<(), HandlerError> {
    Err(HandlerError::protocol(WireError::new(-32000, "not today")))
}

#[test]
fn errors_are_results_that_a_model_can_read() {
    let result = only(pay).call("pay", r#"{"amount":11}"#).wait().unwrap();
    assert_eq!(
        (text(&result), result.is_error),
        ("the bank said no", Some(true))
    );
    let result = only(pay).call("pay", r#"{"amount":1}"#).wait().unwrap();
    assert_eq!(
        (text(&result), &result.structured_content),
        ("paid 1", &None)
    );
    assert_eq!(
        definition(&only(pay)).output_schema,
        None,
        "text is not advertised as structure"
    );
    let result = only(fallible).call("fallible", "{}").wait().unwrap();
    assert_eq!((text(&result), result.is_error), ("boxed", Some(true)));
    assert_eq!(
        only(protocol)
            .call("protocol", "{}")
            .wait()
            .unwrap_err()
            .code,
        -32000
    );
}

#[tool]
fn nothing() {}

#[tool]
fn blocks() -> Vec<ContentBlock> {
    vec![
        ContentBlock::text("one"),
        ContentBlock::image("AA==", "image/png"),
    ]
}

#[tool]
fn table() -> BTreeMap<String, Vec<(i32, bool)>> {
    BTreeMap::from([("a".to_owned(), vec![(1, true)])])
}

#[tool(blocking)]
fn slow(n: u64) -> u64 {
    n * 2
}

#[tool(spawn)]
async fn spawned(n: u64) -> u64 {
    n * 3
}

#[test]
fn every_kind_of_result_arrives() {
    let result = only(nothing).call("nothing", "{}").wait().unwrap();
    assert!(result.content.is_empty() && result.structured_content.is_none());
    assert_eq!(definition(&only(nothing)).output_schema, None);
    assert_eq!(
        only(blocks)
            .call("blocks", "{}")
            .wait()
            .unwrap()
            .content
            .len(),
        2
    );
    let result = only(table).call("table", "{}").wait().unwrap();
    assert_eq!(
        result.structured_content.unwrap().as_str(),
        r#"{"a":[[1,true]]}"#
    );
    assert_eq!(
        text(&only(slow).call("slow", r#"{"n":4}"#).wait().unwrap()),
        "8"
    );
    assert_eq!(
        text(&only(spawned).call("spawned", r#"{"n":4}"#).wait().unwrap()),
        "12"
    );
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Order {
    Ascending,
    Descending,
}

#[derive(Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Filter {
    Name { pattern: String },
    Age { least: u8 },
}

#[tool]
fn search(
    #[schemars(length(min = 1, max = 20))] query: String,
    #[serde(default)] exact: bool,
    order: Option<Order>,
    #[mcp(name = "where")] filters: Option<Vec<Filter>>,
    #[schemars(range(min = 1, max = 100))]
    #[mcp(default = 10, description = "How many")]
    count: u32,
) -> String {
    let order = match order {
        Some(Order::Descending) => "down",
        Some(Order::Ascending) | None => "up",
    };
    let filters: Vec<String> = filters
        .into_iter()
        .flatten()
        .map(|filter| match filter {
            Filter::Name { pattern } => pattern,
            Filter::Age { least } => least.to_string(),
        })
        .collect();
    format!("{query} {exact} {order} {filters:?} {count}")
}

#[test]
fn the_keywords_that_are_promised_are_enforced() {
    let runner = only(search);
    let call =
        |arguments: Value| text(&runner.call("search", arguments).wait().unwrap()).to_owned();
    assert_eq!(call(json!({"query": "x"})), "x false up [] 10");
    assert_eq!(
        call(
            json!({"query": "x", "exact": true, "order": "descending", "count": 5,
            "where": [{"kind": "name", "pattern": "p"}, {"kind": "age", "least": 3}]})
        ),
        "x true down [\"p\", \"3\"] 5"
    );
    for (arguments, expected) in [
        (
            json!({"query": ""}),
            "`query`: expected a string of at least 1 character, got an empty string",
        ),
        (
            json!({"query": "x".repeat(21)}),
            "`query`: expected a string of at most 20 characters, got a string",
        ),
        (
            json!({"query": "x", "count": 0}),
            "`count`: expected a number that is at least 1, got the number 0",
        ),
        (
            json!({"query": "x", "count": 101}),
            "`count`: expected a number that is at most 100, got the number 101",
        ),
        (
            json!({"query": "x", "order": "descendin"}),
            r#"`order`: expected one of "ascending", "descending", got a string; did you mean `descending`?"#,
        ),
        (
            json!({"query": "x", "where": [{"kind": "age"}]}),
            "`where[0].least`: expected an integer, got nothing",
        ),
        (
            json!({"query": "x", "where": [{"kind": "nam", "pattern": "p"}]}),
            r#"`where[0].kind`: expected one of "name", "age", got a string; did you mean `name`?"#,
        ),
    ] {
        assert_eq!(
            call(arguments),
            format!("Invalid arguments for tool `search`: {expected}")
        );
    }
}

#[derive(Deserialize, JsonSchema)]
struct Division {
    dividend: f64,
    divisor: f64,
}

#[test]
fn closures_make_the_same_tools() {
    let divide =
        Tool::builder("divide")
            .description("Divides.")
            .call(|division: Division, _ctx| {
                if division.divisor == 0.0 {
                    return Err(HandlerError::new("the divisor must not be 0"));
                }
                Ok(division.dividend / division.divisor)
            });
    let later = Tool::builder("later").call_async(|division: Division, ctx| async move {
        ctx.progress(1.0, None, None);
        Ok(division.dividend)
    });
    let runner = runner(Server::new("test", "1.0.0").tool(divide).tools([later]));
    assert_eq!(
        text(
            &runner
                .call("divide", json!({"dividend": 1, "divisor": 4}))
                .wait()
                .unwrap()
        ),
        "0.25"
    );
    assert_eq!(
        text(
            &runner
                .call("divide", json!({"dividend": 1, "divisor": 0}))
                .wait()
                .unwrap()
        ),
        "the divisor must not be 0"
    );
    assert_eq!(
        text(
            &runner
                .call("later", json!({"dividend": 1.5, "divisor": 0}))
                .wait()
                .unwrap()
        ),
        "1.5"
    );
    assert_eq!(runner.notes().len(), 1);
}

#[test]
fn a_written_schema_goes_out_byte_for_byte_and_is_enforced() {
    const SCHEMA: &str = r##"{"$schema":"https://json-schema.org/draft/2020-12/schema", "type":"object","$defs":{"id":{"$anchor":"id","type":"integer"}},
 "properties":{"id":{"$ref":"#/$defs/id"}},"required":["id"],"additionalProperties":false}"##;
    let echo = Tool::builder("echo")
        .input_schema(SCHEMA)
        .output_schema(
            json!({"type": "object", "required": ["id"], "properties": {"id": {"maximum": 9}}}),
        )
        .call(|arguments: Value, _ctx| Ok(Json::from_serialize(&arguments)?));
    let runner = only(echo);
    assert_eq!(
        definition(&runner).input_schema.as_str(),
        SCHEMA.replace('\n', " ")
    );
    let result = runner.call("echo", r#"{"id":1}"#).wait().unwrap();
    assert_eq!(result.structured_content.unwrap().as_str(), r#"{"id":1}"#);
    let result = runner.call("echo", r#"{"id":"1"}"#).wait().unwrap();
    assert_eq!(
        text(&result),
        "Invalid arguments for tool `echo`: `id`: expected an integer, got a string"
    );
    let error = runner.call("echo", r#"{"id":10}"#).wait().unwrap_err();
    assert_eq!(error.code, -32603);
    assert!(
        error
            .message
            .contains("`id`: expected a number that is at most 9"),
        "{error}"
    );
}

#[test]
fn a_promised_structure_is_never_missing() {
    let tool = Tool::builder("empty")
        .input_schema(r#"{"type":"object"}"#)
        .output_schema(r#"{"type":"object"}"#)
        .call(|_: Value, _ctx| Ok(ContentBlock::text("no structure")));
    assert_eq!(
        only(tool).call("empty", "{}").wait().unwrap_err().code,
        -32603
    );
}

struct Counter(AtomicU32);

#[tool]
fn count(counter: State<Counter>, by: u32) -> u32 {
    counter.0.fetch_add(by, Ordering::Relaxed) + by
}

#[test]
fn state_is_shared_and_its_absence_is_found_at_build_time() {
    let runner = runner(
        Server::new("test", "1.0.0")
            .tool(count)
            .state(Counter(AtomicU32::new(5))),
    );
    assert_eq!(
        text(&runner.call("count", r#"{"by":2}"#).wait().unwrap()),
        "7"
    );
    assert_eq!(
        text(&runner.call("count", r#"{"by":2}"#).wait().unwrap()),
        "9"
    );
    let error = Server::new("test", "1.0.0")
        .tool(count)
        .build()
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("`count` needs a `State<") && error.contains("Counter"),
        "{error}"
    );
}

#[tool(scopes("billing", "write"))]
fn charge() -> &'static str {
    "charged"
}

#[test]
fn scopes_hide_and_refuse() {
    let service = Server::new("test", "1.0.0")
        .tool(add)
        .tool(charge)
        .build()
        .unwrap();
    let names = |runner: &ToolRunner| {
        let list = runner.list_tools(None).wait().unwrap();
        let names: Vec<String> = list.tools.iter().map(|tool| tool.name.clone()).collect();
        (names, format!("{:?}", list.cache_scope.unwrap()))
    };
    let anonymous = ToolRunner::new(service.clone());
    assert_eq!(
        names(&anonymous),
        (vec!["add".to_owned()], "Private".to_owned())
    );
    let error = anonymous.call("charge", "{}").wait().unwrap_err();
    assert_eq!(
        error.data.unwrap().as_str(),
        r#"{"reason":"insufficient_scope","scope":"billing write"}"#
    );
    let error = anonymous.call("chage", "{}").wait().unwrap_err();
    assert_eq!(
        error.message, "Unknown tool: chage",
        "what is hidden is not suggested"
    );
    let half = ToolRunner::new(service.clone())
        .with_principal(Principal::new("h").with_scopes(["billing"]));
    assert!(half.call("charge", "{}").wait().is_err());
    let whole = ToolRunner::new(service)
        .with_principal(Principal::new("w").with_scopes(["write", "billing"]));
    assert_eq!(names(&whole).0, ["add", "charge"]);
    assert_eq!(text(&whole.call("charge", "{}").wait().unwrap()), "charged");
    let trusted = runner(
        Server::new("test", "1.0.0")
            .tool(charge)
            .anonymous_scopes(["billing", "write"]),
    );
    assert_eq!(
        text(&trusted.call("charge", "{}").wait().unwrap()),
        "charged"
    );
}

#[test]
fn mirrored_headers_are_compiled_or_refused() {
    #[tool]
    fn routed(#[mcp(header = "Region")] region: String) -> String {
        region
    }
    let schema = value(&definition(&only(routed)).input_schema);
    assert_eq!(
        schema["properties"]["region"]["x-mcp-header"],
        json!("Region")
    );
    #[tool]
    fn twice(#[mcp(header = "A")] one: String, #[mcp(header = "a")] two: String) -> String {
        one + &two
    }
    assert!(
        Server::new("test", "1.0.0")
            .tool(twice)
            .build()
            .unwrap_err()
            .to_string()
            .contains("used twice")
    );
    #[tool]
    fn float(#[mcp(header = "A")] one: f64) -> f64 {
        one
    }
    assert!(Server::new("test", "1.0.0").tool(float).build().is_err());
}

/// Calls a number.
#[tool]
fn dial(
    #[schemars(regex(pattern = r"^\+[0-9]+$"))] number: String,
    note: Option<String>,
) -> String {
    note.map_or(number, |note| note)
}

#[test]
fn a_pattern_is_enforced_or_the_author_is_told() {
    let service = Server::new("test", "1.0.0").tool(dial).build().unwrap();
    let told: Vec<String> = service.warnings().iter().map(ToString::to_string).collect();
    let runner = ToolRunner::new(service);
    let call = |arguments: &str| runner.call("dial", arguments).wait().unwrap();
    // A null is as good as nothing either way.
    let good = call(r#"{"number": "+43", "note": null}"#);
    assert_eq!((text(&good), good.is_error), ("+43", None));
    let bad = call(r#"{"number": "43"}"#);
    if cfg!(feature = "validate") {
        assert_eq!(told, Vec::<String>::new());
        assert!(text(&bad).contains("`number`"), "{}", text(&bad));
        assert_eq!(bad.is_error, Some(true));
    } else {
        assert_eq!(
            told,
            [
                "tool `dial`: `pattern` in its input schema is enforced with the feature `validate` only"
            ]
        );
        assert_eq!(bad.is_error, None);
    }
}

/// Maps numbers to names, which have a form that JSON Schema can only say as a pattern.
#[tool]
fn seats(
    #[schemars(range(min = 1))] row: u32,
    names: std::collections::HashMap<u32, String>,
) -> usize {
    names.len() + usize::try_from(row).unwrap_or_default()
}

#[test]
fn keys_with_a_form_are_taken() {
    let result = only(seats)
        .call("seats", r#"{"row": 1, "names": {"12": "Ada"}}"#)
        .wait()
        .unwrap();
    assert_eq!(result.is_error, None, "{}", text(&result));
}

/// Greets.
#[tool]
fn greet(name: Option<String>, times: u8) -> String {
    name.unwrap_or_default().repeat(times.into())
}

#[test]
fn a_null_for_an_optional_argument_is_nothing_unless_the_server_is_strict() {
    let null = r#"{"name": null, "times": 1.0}"#;
    let server = || Server::new("test", "1.0.0").tool(greet);
    let taken = runner(server()).call("greet", null).wait().unwrap();
    assert_eq!((text(&taken), taken.is_error), ("", None));
    let strict = runner(server().null_is_absent(false));
    let refused = strict.call("greet", null).wait().unwrap();
    assert_eq!(
        text(&refused),
        "Invalid arguments for tool `greet`: `name`: expected a string, got null"
    );
    let left_out = strict.call("greet", r#"{"times": 1.0}"#).wait().unwrap();
    assert_eq!(left_out.is_error, None, "1.0 is an integer to JSON Schema");
}
