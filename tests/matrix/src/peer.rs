//! A client that speaks one era on one transport, so that a row can be tried on all of them alike.
//!
//! Owns telling the transports apart; what a row says to a [`Peer`] is the same everywhere. Rows about what only one
//! transport has use [`Stdio`] or [`Http`] themselves.

use std::fmt;

use mcp_server::Service;
use serde_json::{Value, json};

use crate::http::{Http, Post, Session, Stream};
use crate::stdio::{LEGACY, MODERN, Stdio, legacy, modern};

/// A client.
pub(crate) struct Peer {
    wire: Wire,
    revision: String,
    next_id: i64,
}

enum Wire {
    Stream(Box<Stdio>),
    Http {
        http: Box<Http>,
        /// Of a revision with a handshake.
        session: Option<String>,
    },
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wire = match self.wire {
            Wire::Stream(_) => "a stream",
            Wire::Http { .. } => "HTTP",
        };
        write!(f, "{} over {wire}", self.revision)
    }
}

impl Peer {
    /// Both transports in one revision.
    pub(crate) async fn both(service: &Service, revision: &str) -> [Self; 2] {
        let http = Http::new(service);
        let (stream, session) = if revision == MODERN {
            (Stdio::open(service), None)
        } else {
            (
                Stdio::initialized(service, revision).await,
                Some(http.initialize(revision).await.id),
            )
        };
        let http = Box::new(http);
        [Wire::Stream(Box::new(stream)), Wire::Http { http, session }].map(|wire| Self {
            wire,
            revision: revision.to_owned(),
            next_id: 5000,
        })
    }

    /// Both transports in both eras.
    pub(crate) async fn each(service: &Service) -> Vec<Self> {
        let mut peers = Vec::from(Self::both(service, MODERN).await);
        peers.extend(Self::both(service, "2025-11-25").await);
        peers
    }

    /// Both transports in every revision.
    pub(crate) async fn of_every_revision(service: &Service) -> Vec<Self> {
        let mut peers = Vec::new();
        for revision in LEGACY.into_iter().chain([MODERN]) {
            peers.extend(Self::both(service, revision).await);
        }
        peers
    }

    pub(crate) fn is_modern(&self) -> bool {
        self.revision == MODERN
    }

    /// The endpoint, if this is HTTP.
    pub(crate) fn http(&self) -> Option<&Http> {
        match &self.wire {
            Wire::Stream(_) => None,
            Wire::Http { http, .. } => Some(http),
        }
    }

    /// A request of this era with an id of its own.
    pub(crate) fn message(&mut self, method: &str, params: Value) -> Value {
        self.next_id += 1;
        if self.is_modern() {
            modern(self.next_id, method, params)
        } else {
            legacy(self.next_id, method, params)
        }
    }

    /// The head that belongs to a message, around other bytes.
    fn post(&self, like: &Value, body: impl Into<bytes::Bytes>) -> Post {
        match &self.wire {
            Wire::Http {
                http,
                session: Some(id),
            } => Session {
                http,
                revision: self.revision.clone(),
                id: id.clone(),
                token: None,
            }
            .on(Post::body(body)),
            _ => Post::modern(like).with_body(body),
        }
    }

    /// Sends bytes as the message that `like` resembles, and returns everything up to the answer to `like`, with the status.
    pub(crate) async fn bytes(&mut self, like: &Value, bytes: &[u8]) -> (Option<u16>, Vec<Value>) {
        let post = self.post(like, bytes.to_vec());
        match &mut self.wire {
            Wire::Stream(stream) => {
                stream.sent.note(&like.to_string());
                stream.raw(bytes).await;
                stream.raw(b"\n").await;
                let mut seen = Vec::new();
                loop {
                    let message = stream.next().await;
                    let over = message.get("method").is_none();
                    seen.push(message);
                    if over {
                        return (None, seen);
                    }
                }
            }
            Wire::Http { http, .. } => {
                http.note(like);
                let answer = http.send(&post).await;
                (Some(answer.status), answer.messages)
            }
        }
    }

    /// The answer to a message whose text is `text`, which `like` resembles.
    pub(crate) async fn text(&mut self, like: &Value, text: &str) -> Value {
        self.bytes(like, text.as_bytes())
            .await
            .1
            .pop()
            .unwrap_or_else(|| panic!("no answer to {text}"))
    }

    /// Sends a request; everything up to its answer.
    pub(crate) async fn exchange(&mut self, request: &Value) -> Vec<Value> {
        self.bytes(request, request.to_string().as_bytes()).await.1
    }

    /// The answer to a request.
    pub(crate) async fn ask(&mut self, request: &Value) -> Value {
        self.text(request, &request.to_string()).await
    }

    pub(crate) async fn request(&mut self, method: &str, params: Value) -> Value {
        let request = self.message(method, params);
        self.ask(&request).await
    }

    pub(crate) async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.request(
            "tools/call",
            json!({ "name": tool, "arguments": arguments }),
        )
        .await
    }

    /// Sends what is not answered, whatever it is; over HTTP its status.
    pub(crate) async fn tell(&mut self, text: &str) -> Option<u16> {
        let like: Value = serde_json::from_str(text).unwrap_or_default();
        let post = self.post(&like, text.to_owned());
        match &mut self.wire {
            Wire::Stream(stream) => {
                stream.line(text).await;
                None
            }
            Wire::Http { http, .. } => Some(http.send(&post).await.status),
        }
    }

    /// Panics unless a request is answered and nothing else came before.
    pub(crate) async fn works(&mut self) {
        match &mut self.wire {
            Wire::Stream(stream) => stream.quiet().await,
            Wire::Http { .. } => {
                let request = self.message("tools/list", json!({}));
                let messages = self.exchange(&request).await;
                assert!(
                    messages.len() == 1 && messages[0].get("result").is_some(),
                    "{self}: {messages:?}"
                );
            }
        }
    }

    /// Starts a request and leaves its answer for later.
    pub(crate) async fn start(&mut self, request: &Value) -> Pending<'_> {
        let post = self.post(request, request.to_string());
        match &mut self.wire {
            Wire::Stream(stream) => {
                stream.send(request).await;
                Pending {
                    reply: Reply::Stream(stream),
                    post,
                    id: request["id"].clone(),
                }
            }
            Wire::Http { http, .. } => Pending {
                reply: Reply::Http(http.open(&post).await),
                post,
                id: request["id"].clone(),
            },
        }
    }

    /// Starts a call of an older revision that asks the client something; the call and the question.
    pub(crate) async fn asked(&mut self, tool: &str) -> (Pending<'_>, Value) {
        let request = self.message("tools/call", json!({ "name": tool, "arguments": {} }));
        let mut pending = self.start(&request).await;
        let question = pending.next().await;
        assert!(
            question.get("method").is_some() && question.get("id").is_some(),
            "no question: {question}"
        );
        (pending, question)
    }
}

/// A request whose answer is not there yet.
pub(crate) struct Pending<'a> {
    reply: Reply<'a>,
    post: Post,
    id: Value,
}

enum Reply<'a> {
    Stream(&'a mut Stdio),
    Http(Stream<'a>),
}

impl Pending<'_> {
    /// The next message that belongs to the request, which must come.
    pub(crate) async fn next(&mut self) -> Value {
        match &mut self.reply {
            Reply::Stream(stream) => stream.next().await,
            Reply::Http(stream) => stream.next().await,
        }
    }

    /// Says something else in the same session meanwhile; over HTTP its status.
    pub(crate) async fn tell(&mut self, text: &str) -> Option<u16> {
        match &mut self.reply {
            Reply::Stream(stream) => {
                stream.line(text).await;
                None
            }
            Reply::Http(stream) => {
                let post = self.post.clone().with_body(text.to_owned());
                Some(stream.http.send(&post).await.status)
            }
        }
    }

    /// Answers a question of the server's, with these members beside the envelope.
    pub(crate) async fn reply(&mut self, question: &Value, members: &str) -> Option<u16> {
        let comma = if members.is_empty() { "" } else { "," };
        self.tell(&format!(
            r#"{{"jsonrpc":"2.0","id":{}{comma}{members}}}"#,
            question["id"]
        ))
        .await
    }

    /// The answer to the request; what comes before it is left out.
    pub(crate) async fn answer(&mut self) -> Value {
        loop {
            let message = self.next().await;
            if message.get("method").is_none() && message["id"] == self.id {
                return message;
            }
        }
    }

    /// Lets go: a byte stream stays, an HTTP exchange is left.
    pub(crate) fn leave(self) {}
}
