//! Clocks that jump and machines that sleep, with time as an argument: what is pending follows the monotonic clock, what
//! was handed out with a date follows the wall clock.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Request;
use mcp_server::http::{Begin, HttpCall, HttpOptions, HttpServer};
use mcp_server::proto::time::{Instant, Now};
use mcp_server::{AskError, Connection, Elicited, InPlace, Server, Service, tool};
use serde_json::{Value, json};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Name {
    name: String,
}

/// Asks for a name.
#[tool]
async fn ask(ctx: mcp_server::Context) -> Result<String, AskError> {
    Ok(match ctx.elicit::<Name>("name", "Who are you?").await? {
        Elicited::Accepted(answer) => answer.name,
        _ => "nobody".to_owned(),
    })
}

fn service() -> Service {
    Server::new("clock", "1.0.0")
        .tool(ask)
        .build()
        .expect("well formed")
}

const MINUTE: Duration = Duration::from_secs(60);
const START_OF_WALL: u64 = 1_785_000_000_000;

/// A moment: so long after the start on the monotonic clock, and so many minutes later on the wall.
fn at(running: Duration, wall_minutes: i64) -> Now {
    let micros = 1_000_000 + u64::try_from(running.as_micros()).expect("a short test");
    let wall = START_OF_WALL
        .checked_add_signed(wall_minutes * 60_000)
        .expect("after 1970");
    Now::new(Instant::from_micros(micros), wall)
}

fn modern(id: u64, params: &Value) -> Value {
    let mut params = params.clone();
    params["name"] = json!("ask");
    params["arguments"] = json!({});
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": { "elicitation": { "form": {} } },
    });
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params })
}

fn legacy(id: u64, method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

fn initialize() -> Value {
    let params = json!({
        "protocolVersion": "2025-11-25", "capabilities": { "elicitation": {} },
        "clientInfo": { "name": "clock", "version": "1" },
    });
    legacy(0, "initialize", params)
}

/// A byte stream without a driver.
struct Stream {
    connection: Connection,
    input: BytesMut,
}

impl Stream {
    fn new(service: Service) -> Self {
        Self {
            connection: Connection::new(service, Arc::new(InPlace), [7; 32]),
            input: BytesMut::new(),
        }
    }

    /// Says something at a moment; everything that is answered then, and when there is more to do.
    fn say(&mut self, now: Now, message: Option<&Value>) -> (Vec<Value>, Option<Instant>) {
        if let Some(message) = message {
            self.input
                .extend_from_slice(format!("{message}\n").as_bytes());
        }
        let mut out = self.connection.outbox();
        let mut cx = Context::from_waker(Waker::noop());
        let demand = self
            .connection
            .poll(&mut cx, now, &mut self.input, &mut out);
        let bytes = out.take_bytes();
        let text = std::str::from_utf8(&bytes).expect("UTF-8");
        let messages = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        (messages, demand.wakeup)
    }
}

/// An endpoint without a driver.
struct Endpoint(HttpServer);

impl Endpoint {
    fn new(service: Service) -> Self {
        Self(HttpServer::new(
            service,
            HttpOptions::default(),
            Arc::new(InPlace),
            [7; 32],
        ))
    }

    fn post(&self, now: Now, session: Option<&str>, message: &Value) -> HttpCall {
        let mut request = Request::post("http://localhost/mcp")
            .header("host", "localhost")
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream");
        match session {
            Some(session) => request = request.header("mcp-session-id", session),
            None if message["method"] == "tools/call" => {
                request = request
                    .header("mcp-protocol-version", "2026-07-28")
                    .header("mcp-method", "tools/call")
                    .header("mcp-name", "ask");
            }
            None => {}
        }
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        let Begin::Read(mut call) = self.0.begin(now, parts, None) else {
            panic!("refused at its head");
        };
        call.body(Bytes::from(message.to_string())).expect("small");
        call.end_body(now);
        call
    }

    /// The whole answer to a message: status, session, body.
    fn answer(&self, now: Now, session: Option<&str>, message: &Value) -> (u16, String, String) {
        let mut call = self.post(now, session, message);
        let (status, session) = head(&mut call, now);
        (status, session, data(&mut call, now))
    }
}

fn head(call: &mut HttpCall, now: Now) -> (u16, String) {
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(head) = call.poll_head(&mut cx, now) else {
        panic!("no head yet");
    };
    let session = head.headers.get("mcp-session-id");
    let session = session.map(|id| id.to_str().expect("ASCII").to_owned());
    (head.status.as_u16(), session.unwrap_or_default())
}

/// What there is of the body.
fn data(call: &mut HttpCall, now: Now) -> String {
    let mut cx = Context::from_waker(Waker::noop());
    let mut text = String::new();
    while let Poll::Ready(Some(bytes)) = call.poll_data(&mut cx, now) {
        text.push_str(std::str::from_utf8(&bytes).expect("UTF-8"));
    }
    text
}

fn retry(id: u64, state: &Value) -> Value {
    let accepted = json!({ "name": { "action": "accept", "content": { "name": "Ada" } } });
    modern(
        id,
        &json!({ "requestState": state, "inputResponses": accepted }),
    )
}

/// When it comes back, and whether it is still good then: it holds for ten minutes of the wall clock, however much of
/// that the machine slept.
const STATE: [(u64, i64, bool); 5] = [
    (1, 1, true),
    (1, 9, true),
    (1, 11, false),
    (11, 11, false),
    (30, 5, true),
];

#[test]
fn row_78_state_has_a_date_on_a_stream() {
    for (running, wall, good) in STATE {
        let mut stream = Stream::new(service());
        let (asked, _) = stream.say(at(Duration::ZERO, 0), Some(&modern(1, &json!({}))));
        let state = &asked[0]["result"]["requestState"];
        assert!(state.is_string(), "{asked:?}");
        let now = at(MINUTE * u32::try_from(running).expect("small"), wall);
        let (answer, _) = stream.say(now, Some(&retry(2, state)));
        let text = &answer[0]["result"]["content"][0]["text"];
        assert_eq!(text == "Ada", good, "{running} {wall}: {answer:?}");
        assert_eq!(answer[0]["error"]["code"] == -32602, !good, "{answer:?}");
    }
}

#[test]
fn row_78_state_has_a_date_over_http() {
    for (running, wall, good) in STATE {
        let endpoint = Endpoint::new(service());
        let (_, _, body) = endpoint.answer(at(Duration::ZERO, 0), None, &modern(1, &json!({})));
        let asked: Value = serde_json::from_str(&body).expect("JSON");
        let state = &asked["result"]["requestState"];
        assert!(state.is_string(), "{asked}");
        let now = at(MINUTE * u32::try_from(running).expect("small"), wall);
        let (_, _, body) = endpoint.answer(now, None, &retry(2, state));
        assert_eq!(body.contains("Ada"), good, "{running} {wall}: {body}");
        assert_eq!(body.contains("-32602"), !good, "{body}");
    }
}

#[test]
fn row_78_a_session_has_a_date() {
    let endpoint = Endpoint::new(service());
    let (status, session, _) = endpoint.answer(at(Duration::ZERO, 0), None, &initialize());
    assert_eq!(status, 200);
    let ping = |now: Now| {
        endpoint
            .answer(now, Some(&session), &legacy(1, "ping", json!({})))
            .0
    };
    let hours = |hours: i64| hours * 60;
    // A night's sleep of the machine, during which the monotonic clock stood still.
    assert_eq!(ping(at(MINUTE, hours(23))), 200);
    assert_eq!(ping(at(MINUTE, hours(25))), 404);
    // A clock that was set right.
    assert_eq!(ping(at(MINUTE, hours(-1))), 200);
    assert_eq!(ping(at(MINUTE, hours(24 * 365))), 404);
}

#[test]
fn row_78_a_question_waits_by_the_monotonic_clock_on_a_stream() {
    let mut stream = Stream::new(service());
    let start = at(Duration::ZERO, 0);
    stream.say(start, Some(&initialize()));
    let call = legacy(1, "tools/call", json!({ "name": "ask", "arguments": {} }));
    let (asked, wakeup) = stream.say(start, Some(&call));
    assert_eq!(asked[0]["method"], "elicitation/create", "{asked:?}");
    assert_eq!(wakeup, Some(start.instant + 5 * MINUTE));
    // A year forth and an hour back on the wall, and nothing is late.
    for wall in [60 * 24 * 365, -60] {
        let (nothing, wakeup) = stream.say(at(4 * MINUTE, wall), None);
        assert!(nothing.is_empty(), "{nothing:?}");
        assert_eq!(wakeup, Some(start.instant + 5 * MINUTE));
    }
    let (ended, _) = stream.say(at(5 * MINUTE, -60), None);
    let answer = ended.iter().find(|message| message["id"] == 1);
    let answer = answer.unwrap_or_else(|| panic!("still waiting: {ended:?}"));
    assert_eq!(answer["result"]["isError"], true, "{answer}");
}

#[test]
fn row_78_a_question_waits_by_the_monotonic_clock_over_http() {
    let endpoint = Endpoint::new(service());
    let start = at(Duration::ZERO, 0);
    let (_, session, _) = endpoint.answer(start, None, &initialize());
    let ask = legacy(1, "tools/call", json!({ "name": "ask", "arguments": {} }));
    let mut call = endpoint.post(start, Some(&session), &ask);
    assert_eq!(head(&mut call, start).0, 200);
    let asked = data(&mut call, start);
    assert!(asked.contains("elicitation/create"), "{asked}");
    for wall in [60 * 24 * 365, -60] {
        let meanwhile = data(&mut call, at(4 * MINUTE, wall));
        assert!(!meanwhile.contains("isError"), "{meanwhile}");
    }
    let now = at(5 * MINUTE, -60);
    let ended = data(&mut call, now) + &data(&mut call, now);
    assert!(ended.contains("\"isError\":true"), "{ended}");
}
