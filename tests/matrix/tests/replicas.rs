//! Two replicas behind a dumb round-robin proxy: nothing is shared but the sealing key.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use mcp_driver_tokio::http::McpService;
use mcp_server::http::HttpOptions;
use mcp_server::{Context, Elicited, HandlerError, Server, tool};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_service::Service as _;

const MODERN: &str = "2026-07-28";

#[derive(Deserialize, schemars::JsonSchema)]
struct Name {
    name: String,
}

#[derive(Deserialize, schemars::JsonSchema)]
struct Age {
    age: u8,
}

/// Asks twice, one question after the other.
#[tool]
async fn interview(ctx: Context) -> Result<String, HandlerError> {
    let Elicited::Accepted(Name { name }) = ctx.elicit("name", "Your name?").await? else {
        return Ok("no name".to_owned());
    };
    let Elicited::Accepted(Age { age }) = ctx.elicit("age", format!("Your age, {name}?")).await?
    else {
        return Ok("no age".to_owned());
    };
    Ok(format!("{name} is {age}"))
}

/// Echoes.
#[tool]
fn echo(text: String) -> String {
    text
}

/// The dumb proxy: each request goes to the next replica, whatever it is.
struct Proxy {
    replicas: Vec<McpService>,
    next: usize,
}

struct Answer {
    status: StatusCode,
    session: Option<String>,
    body: Value,
}

impl Proxy {
    fn new(key: Option<[u8; 32]>) -> Self {
        let replica = || {
            let mut server = Server::new("replica", "1.0.0").tool(interview).tool(echo);
            if let Some(key) = key {
                server = server.sealing_key(key);
            }
            McpService::new(server, HttpOptions::default()).expect("the server is well formed")
        };
        Self {
            replicas: vec![replica(), replica()],
            next: 0,
        }
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Answer {
        let replica = self.next % self.replicas.len();
        self.next += 1;
        let response = self.replicas[replica]
            .call(request)
            .await
            .expect("the service never fails");
        let (head, body) = response.into_parts();
        let body = body
            .collect()
            .await
            .expect("the body never fails")
            .to_bytes();
        let text = std::str::from_utf8(&body).expect("UTF-8");
        // The last event of a stream is the response.
        let json = text
            .lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .next_back()
            .unwrap_or(text);
        Answer {
            status: head.status,
            session: head
                .headers
                .get("mcp-session-id")
                .map(|id| id.to_str().expect("ASCII").to_owned()),
            body: serde_json::from_str(json.trim()).unwrap_or(Value::Null),
        }
    }

    async fn modern(&mut self, id: u64, mut params: Value) -> Answer {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}},
        });
        let name = params["name"].as_str().expect("a name").to_owned();
        let body = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params});
        let request = post(&body)
            .header("mcp-protocol-version", MODERN)
            .header("mcp-method", "tools/call")
            .header("mcp-name", name);
        self.send(finish(request, &body)).await
    }

    async fn legacy(&mut self, session: Option<&str>, body: Value) -> Answer {
        let mut request = post(&body);
        if let Some(session) = session {
            request = request
                .header("mcp-session-id", session)
                .header("mcp-protocol-version", "2025-11-25");
        }
        self.send(finish(request, &body)).await
    }

    async fn initialize(&mut self) -> String {
        let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}});
        let answer = self.legacy(None, body).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer.session.expect("a session id")
    }
}

fn post(_: &Value) -> http::request::Builder {
    Request::post("http://localhost/mcp")
        .header("host", "localhost")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
}

fn finish(request: http::request::Builder, body: &Value) -> Request<Full<Bytes>> {
    request
        .body(Full::new(Bytes::from(body.to_string())))
        .expect("a request")
}

fn echo_call(id: u64) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call",
        "params": {"name": "echo", "arguments": {"text": "hi"}}})
}

#[tokio::test]
async fn a_modern_elicitation_of_several_rounds_goes_on_at_any_replica() {
    let mut proxy = Proxy::new(Some([7; 32]));
    let mut params = json!({"name": "interview", "arguments": {}});
    let first = proxy.modern(1, params.clone()).await.body;
    assert_eq!(first["result"]["resultType"], "input_required", "{first}");
    assert!(
        first["result"]["inputRequests"]["name"].is_object(),
        "{first}"
    );
    params["requestState"] = first["result"]["requestState"].clone();
    params["inputResponses"] = json!({"name": {"action": "accept", "content": {"name": "Ada"}}});
    let second = proxy.modern(2, params.clone()).await.body;
    assert_eq!(
        second["result"]["inputRequests"]["age"]["params"]["message"], "Your age, Ada?",
        "{second}"
    );
    params["requestState"] = second["result"]["requestState"].clone();
    params["inputResponses"] = json!({"age": {"action": "accept", "content": {"age": 36}}});
    let third = proxy.modern(3, params).await.body;
    assert_eq!(
        third["result"]["content"][0]["text"], "Ada is 36",
        "{third}"
    );
}

#[tokio::test]
async fn without_a_shared_key_the_other_replica_refuses_the_state() {
    let mut proxy = Proxy::new(None);
    let mut params = json!({"name": "interview", "arguments": {}});
    let first = proxy.modern(1, params.clone()).await.body;
    params["requestState"] = first["result"]["requestState"].clone();
    params["inputResponses"] = json!({"name": {"action": "accept", "content": {"name": "Ada"}}});
    let second = proxy.modern(2, params).await.body;
    assert_eq!(second["error"]["code"], -32602, "{second}");
}

#[tokio::test]
async fn a_legacy_session_makes_plain_calls_at_any_replica() {
    let mut proxy = Proxy::new(Some([7; 32]));
    let session = proxy.initialize().await;
    for id in 1..=4 {
        let answer = proxy.legacy(Some(&session), echo_call(id)).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(
            answer.body["result"]["content"][0]["text"], "hi",
            "{}",
            answer.body
        );
    }
}

#[tokio::test]
async fn delete_never_leaves_a_session_alive_at_the_other_replica() {
    let mut proxy = Proxy::new(Some([7; 32]));
    let session = proxy.initialize().await;
    let delete = Request::delete("http://localhost/mcp")
        .header("host", "localhost")
        .header("mcp-session-id", &session)
        .header("mcp-protocol-version", "2025-11-25")
        .body(Full::default())
        .expect("a request");
    let deleted = proxy.send(delete).await;
    // A replica that cannot tell the others does not pretend: the session lives on, and the client knows.
    assert_eq!(deleted.status, StatusCode::METHOD_NOT_ALLOWED);
    for id in 1..=2 {
        assert_eq!(
            proxy.legacy(Some(&session), echo_call(id)).await.status,
            StatusCode::OK
        );
    }
}

#[tokio::test]
async fn a_lone_process_forgets_a_deleted_session() {
    let mut proxy = Proxy::new(None);
    proxy.replicas.truncate(1);
    let session = proxy.initialize().await;
    let delete = || {
        Request::delete("http://localhost/mcp")
            .header("host", "localhost")
            .header("mcp-session-id", &session)
            .header("mcp-protocol-version", "2025-11-25")
            .body(Full::default())
            .expect("a request")
    };
    assert!(proxy.send(delete()).await.status.is_success());
    assert_eq!(
        proxy.legacy(Some(&session), echo_call(1)).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(proxy.send(delete()).await.status, StatusCode::NOT_FOUND);
}
