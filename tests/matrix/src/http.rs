//! One HTTP endpoint, in this process, fed with raw requests.
//!
//! Owns building requests and reading answers, whole or as a stream. Every message that comes out is checked against its
//! revision before a row sees it.

use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use mcp_driver_tokio::http::{HttpOptions, McpBody, McpService};
use mcp_server::Service;
use mcp_witness::Conversation;
use serde_json::{Value, json};
use tower_service::Service as _;

use crate::stdio::{MODERN, initialize, legacy, modern};

const PATIENCE: Duration = Duration::from_secs(10);

/// An endpoint.
pub(crate) struct Http {
    pub(crate) endpoint: McpService,
    sent: Mutex<Conversation>,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    /// The messages of the body, of JSON or of an event stream.
    pub(crate) messages: Vec<Value>,
}

impl Answer {
    /// The only message.
    pub(crate) fn message(&self) -> &Value {
        assert_eq!(self.messages.len(), 1, "{} {}", self.status, self.text);
        &self.messages[0]
    }

    /// The last message, which is the answer of a stream.
    pub(crate) fn last(&self) -> &Value {
        self.messages
            .last()
            .unwrap_or_else(|| panic!("no message: {} {}", self.status, self.text))
    }

    pub(crate) fn code(&self) -> i64 {
        self.last()["error"]["code"]
            .as_i64()
            .unwrap_or_else(|| panic!("no error: {} {}", self.status, self.text))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .get(name)
            .map(|value| value.to_str().expect("visible ASCII"))
    }
}

/// A request under construction.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    pub(crate) method: Method,
    pub(crate) uri: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Post {
    /// A request without any header but a good host.
    pub(crate) fn bare(method: Method, body: impl Into<Bytes>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("127.0.0.1:8080"));
        Self {
            method,
            uri: "/mcp".into(),
            headers,
            body: body.into(),
        }
    }

    /// A POST with the headers of every good one, and this body.
    pub(crate) fn body(body: impl Into<Bytes>) -> Self {
        Self::bare(Method::POST, body)
            .with("content-type", "application/json")
            .with("accept", "application/json, text/event-stream")
    }

    /// A good request of the latest revision: the standard headers follow from the message.
    pub(crate) fn modern(message: &Value) -> Self {
        let mut post = Self::body(message.to_string()).with("mcp-protocol-version", MODERN);
        if let Some(method) = message["method"].as_str() {
            post = post.with("mcp-method", method);
        }
        if let Some(name) = message["params"]["name"]
            .as_str()
            .or_else(|| message["params"]["uri"].as_str())
            .or_else(|| message["params"]["taskId"].as_str())
        {
            post = post.with("mcp-name", name);
        }
        post
    }

    /// Replaces a header.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        let value = HeaderValue::from_bytes(value.as_bytes()).expect("a header value");
        self.headers
            .insert(name.parse::<HeaderName>().expect("a header name"), value);
        self
    }

    /// Adds a header beside one of the same name.
    pub(crate) fn and(mut self, name: &str, value: &str) -> Self {
        let value = HeaderValue::from_bytes(value.as_bytes()).expect("a header value");
        self.headers
            .append(name.parse::<HeaderName>().expect("a header name"), value);
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    /// The same head around another body.
    pub(crate) fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn request(&self) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.parse().expect("a request target");
        *request.headers_mut() = self.headers.clone();
        request
    }
}

impl Http {
    pub(crate) fn new(service: &Service) -> Self {
        Self::with(service, HttpOptions::default())
    }

    pub(crate) fn with(service: &Service, options: HttpOptions) -> Self {
        let endpoint = McpService::new(service.clone(), options).expect("an endpoint");
        Self {
            endpoint,
            sent: Mutex::new(Conversation::new(MODERN)),
        }
    }

    /// Another client of the same endpoint, which knows nothing of what this one asked.
    pub(crate) fn beside(&self, revision: &str) -> Self {
        Self {
            endpoint: self.endpoint.clone(),
            sent: Mutex::new(Conversation::new(revision)),
        }
    }

    /// The revision of what belongs to no request.
    pub(crate) fn speaks(&self, revision: &str) {
        self.sent.lock().expect("no panic").revision = revision.to_owned();
    }

    /// Takes note of a request that will be sent in a form that only the server can read.
    pub(crate) fn note(&self, request: &Value) {
        self.sent
            .lock()
            .expect("no panic")
            .note(&request.to_string());
    }

    fn check(&self, message: &Value) {
        let judged = self.sent.lock().expect("no panic").server(message);
        if let Err(error) = judged {
            panic!("{error}");
        }
    }

    /// Sends a request and waits for the head of the answer.
    pub(crate) async fn open(&self, post: &Post) -> Stream<'_> {
        if let Ok(text) = std::str::from_utf8(&post.body) {
            self.sent.lock().expect("no panic").note(text);
        }
        let mut endpoint = self.endpoint.clone();
        let response = tokio::time::timeout(PATIENCE, endpoint.call(post.request()))
            .await
            .expect("a head in time");
        let (head, body) = response.expect("an endpoint never fails").into_parts();
        Stream {
            http: self,
            status: head.status,
            headers: head.headers,
            body,
            buffer: String::new(),
        }
    }

    /// Sends a request and waits for the whole answer.
    pub(crate) async fn send(&self, post: &Post) -> Answer {
        let stream = self.open(post).await;
        tokio::time::timeout(PATIENCE, stream.rest())
            .await
            .expect("an answer in time")
    }

    /// A good request of the latest revision and its whole answer.
    pub(crate) async fn modern(&self, id: impl Into<Value>, method: &str, params: Value) -> Answer {
        self.send(&Post::modern(&modern(id, method, params))).await
    }

    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Answer {
        self.modern(
            1,
            "tools/call",
            json!({ "name": tool, "arguments": arguments }),
        )
        .await
    }

    /// Starts a legacy session and returns its id.
    pub(crate) async fn initialize(&self, revision: &str) -> Session<'_> {
        self.initialize_as(revision, None).await
    }

    /// Starts a legacy session with a bearer token.
    pub(crate) async fn initialize_as(&self, revision: &str, token: Option<&str>) -> Session<'_> {
        self.speaks(revision);
        let mut session = Session {
            http: self,
            revision: revision.to_owned(),
            id: String::new(),
            token: token.map(str::to_owned),
        };
        let answer = self
            .send(&session.authorized(Post::body(initialize("init", revision).to_string())))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(
            answer.message()["result"]["protocolVersion"],
            revision,
            "{}",
            answer.text
        );
        session.id = answer
            .header("mcp-session-id")
            .expect("a session id")
            .to_owned();
        let note = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        assert_eq!(self.send(&session.post(&note)).await.status, 202);
        session
    }
}

/// A legacy session of one client.
#[derive(Clone)]
pub(crate) struct Session<'a> {
    pub(crate) http: &'a Http,
    pub(crate) revision: String,
    pub(crate) id: String,
    pub(crate) token: Option<String>,
}

impl Session<'_> {
    fn authorized(&self, post: Post) -> Post {
        match &self.token {
            Some(token) => post.with("authorization", &format!("Bearer {token}")),
            None => post,
        }
    }

    /// The headers of this session on a request.
    pub(crate) fn on(&self, post: Post) -> Post {
        let post = self.authorized(post).with("mcp-session-id", &self.id);
        // Earlier revisions have no such header.
        if self.revision.as_str() >= "2025-06-18" {
            post.with("mcp-protocol-version", &self.revision)
        } else {
            post
        }
    }

    pub(crate) fn post(&self, message: &Value) -> Post {
        self.on(Post::body(message.to_string()))
    }

    pub(crate) fn get(&self) -> Post {
        self.on(Post::bare(Method::GET, ""))
            .with("accept", "text/event-stream")
    }

    pub(crate) fn delete(&self) -> Post {
        self.on(Post::bare(Method::DELETE, ""))
    }

    pub(crate) async fn request(
        &self,
        id: impl Into<Value>,
        method: &str,
        params: Value,
    ) -> Answer {
        self.http
            .send(&self.post(&legacy(id, method, params)))
            .await
    }

    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Answer {
        self.request(
            1,
            "tools/call",
            json!({ "name": tool, "arguments": arguments }),
        )
        .await
    }
}

/// An answer whose head is there and whose body is read piece by piece.
pub(crate) struct Stream<'a> {
    pub(crate) http: &'a Http,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: McpBody,
    buffer: String,
}

/// One event of a stream.
#[derive(Debug, Default)]
pub(crate) struct Event {
    pub(crate) id: Option<String>,
    pub(crate) retry: Option<String>,
    /// The message, if the event has one.
    pub(crate) message: Option<Value>,
}

impl Stream<'_> {
    pub(crate) fn is_events(&self) -> bool {
        self.headers
            .get("content-type")
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
    }

    /// The next event, comments left out; `None` at the end.
    pub(crate) async fn event(&mut self) -> Option<Event> {
        loop {
            if let Some(end) = self.buffer.find("\n\n") {
                let block: String = self.buffer.drain(..end + 2).collect();
                if let Some(event) = self.parse(&block) {
                    return Some(event);
                }
                continue;
            }
            let frame = tokio::time::timeout(PATIENCE, self.body.frame())
                .await
                .expect("an event in time");
            let Some(frame) = frame else {
                assert!(
                    self.buffer.is_empty(),
                    "an event without an end: {:?}",
                    self.buffer
                );
                return None;
            };
            let Ok(frame) = frame;
            if let Some(data) = frame.data_ref() {
                self.buffer
                    .push_str(std::str::from_utf8(data).expect("UTF-8"));
            }
        }
    }

    /// The next message, which must come.
    pub(crate) async fn next(&mut self) -> Value {
        loop {
            let event = self.event().await.expect("a message before the end");
            if let Some(message) = event.message {
                return message;
            }
        }
    }

    fn parse(&self, block: &str) -> Option<Event> {
        let mut event = Event::default();
        let mut data = None::<String>;
        let mut fields = 0;
        for line in block.lines() {
            if line.is_empty() || line.starts_with(':') {
                continue;
            }
            fields += 1;
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match name {
                "id" => event.id = Some(value.to_owned()),
                "retry" => event.retry = Some(value.to_owned()),
                "event" => assert_eq!(value, "message", "{block}"),
                "data" => match &mut data {
                    Some(data) => {
                        data.push('\n');
                        data.push_str(value);
                    }
                    None => data = Some(value.to_owned()),
                },
                other => panic!("field {other:?} in {block}"),
            }
        }
        if let Some(data) = data.filter(|data| !data.is_empty()) {
            let message: Value =
                serde_json::from_str(&data).unwrap_or_else(|error| panic!("{error}: {data}"));
            self.http.check(&message);
            event.message = Some(message);
        }
        (fields > 0).then_some(event)
    }

    /// The rest of the answer.
    pub(crate) async fn rest(mut self) -> Answer {
        let mut answer = Answer {
            status: self.status.as_u16(),
            headers: self.headers.clone(),
            text: String::new(),
            messages: Vec::new(),
        };
        if self.is_events() {
            while let Some(event) = self.event().await {
                answer.messages.extend(event.message);
            }
            return answer;
        }
        let bytes = self
            .body
            .collect()
            .await
            .expect("a body never fails")
            .to_bytes();
        answer.text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
        if !answer.text.is_empty() {
            let json = self
                .headers
                .get("content-type")
                .is_some_and(|kind| kind == "application/json");
            assert!(
                json,
                "a body without its type: {:?} {}",
                self.headers, answer.text
            );
            let message: Value = serde_json::from_str(&answer.text)
                .unwrap_or_else(|error| panic!("{error}: {}", answer.text));
            // The answer to a batch of 2025-03-26 is a batch.
            let messages = match message {
                Value::Array(messages) => messages,
                message => vec![message],
            };
            for message in messages {
                self.http.check(&message);
                answer.messages.push(message);
            }
        }
        answer
    }
}
