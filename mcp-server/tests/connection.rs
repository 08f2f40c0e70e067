//! A whole server behind a connection, driven by hand: no runtime, no socket, no clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context as TaskContext, Wake, Waker};

use bytes::{Buf, BytesMut};
use mcp_server::proto::limits::Limits;
use mcp_server::proto::outbox::Outbox;
use mcp_server::proto::time::{Instant, Now};
use mcp_server::types::{ElicitRequestFormParams, Map, RequestedSchema};
use mcp_server::{
    Connection, Context, Demand, HandlerError, InPlace, Resource, Server, Service, Tool,
    UrlInteraction,
};
use mcp_witness::{Conversation, MODERN};
use serde_json::{Value, json};

const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{}}}"#;

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

struct Rig {
    connection: Connection,
    input: BytesMut,
    out: Outbox,
    now: Now,
    woken: Arc<Woken>,
    conversation: Conversation,
}

impl Rig {
    fn new(service: Service) -> Self {
        Self::seeded(service, 1)
    }

    fn seeded(service: Service, seed: u8) -> Self {
        Self {
            connection: Connection::new(service, Arc::new(InPlace), [seed; 32]),
            input: BytesMut::new(),
            out: Outbox::new(1 << 20),
            now: Now::new(Instant::from_micros(1), 1_785_000_000_000),
            woken: Arc::default(),
            conversation: Conversation::new(MODERN),
        }
    }

    fn poll(&mut self) -> Demand {
        let waker = Waker::from(Arc::clone(&self.woken));
        let mut cx = TaskContext::from_waker(&waker);
        self.connection
            .poll(&mut cx, self.now, &mut self.input, &mut self.out)
    }

    fn say(&mut self, line: &str) -> Vec<Value> {
        self.conversation.note(line);
        self.input.extend_from_slice(line.as_bytes());
        self.input.extend_from_slice(b"\n");
        self.poll();
        self.written()
    }

    fn written(&mut self) -> Vec<Value> {
        let bytes = self.out.copy_to_bytes(self.out.remaining());
        let text = std::str::from_utf8(&bytes).expect("output is UTF-8");
        text.lines()
            .map(|line| {
                let message = serde_json::from_str(line).expect(line);
                self.conversation
                    .server(&message)
                    .unwrap_or_else(|error| panic!("{error}"));
                message
            })
            .collect()
    }

    fn call(&mut self, id: u32, tool: &str, more: &str) -> Vec<Value> {
        self.say(&format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{{META},"name":"{tool}","arguments":{{}}{more}}}}}"#
        ))
    }

    fn initialize(&mut self) {
        let answer = self.say(
            r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{}},"clientInfo":{"name":"c","version":"1"}}}"#,
        );
        assert_eq!(answer[0]["result"]["protocolVersion"], "2025-11-25");
    }
}

fn object_schema() -> Value {
    json!({"type": "object"})
}

#[test]
fn a_peer_that_uses_up_its_budget_is_at_the_end_of_its_input() {
    let server = Server::new("t", "1").limits(Limits {
        violations: 3,
        ..Limits::default()
    });
    let mut rig = Rig::new(server.build().unwrap());
    for _ in 0..3 {
        rig.input.extend_from_slice(b"{\n");
        assert!(!rig.poll().done);
    }
    rig.input.extend_from_slice(b"{\n");
    let demand = rig.poll();
    assert!(!demand.read, "nothing more is taken");
    rig.out.clear();
    let demand = rig.poll();
    assert!(demand.done && !demand.cut, "{demand:?}");
}

/// A gate that a test opens from outside the connection.
#[derive(Default)]
struct Gate(std::sync::Mutex<(bool, Option<Waker>)>);

impl Gate {
    fn open(&self) {
        let mut gate = self.0.lock().unwrap();
        gate.0 = true;
        if let Some(waker) = gate.1.take() {
            waker.wake();
        }
    }

    async fn pass(&self) {
        std::future::poll_fn(|cx| {
            let mut gate = self.0.lock().unwrap();
            if gate.0 {
                return std::task::Poll::Ready(());
            }
            gate.1 = Some(cx.waker().clone());
            std::task::Poll::Pending
        })
        .await;
    }
}

fn gated(gate: &Arc<Gate>) -> Server {
    let gate = Arc::clone(gate);
    Server::new("test", "1.0.0")
        .tool(
            Tool::builder("wait")
                .input_schema(object_schema())
                .call_async(move |_: Value, _: Context| {
                    let gate = Arc::clone(&gate);
                    async move {
                        gate.pass().await;
                        Ok::<_, HandlerError>("passed".to_owned())
                    }
                }),
        )
        .tool(
            Tool::builder("quick")
                .input_schema(object_schema())
                .call(|_: Value, _: Context| Ok::<_, HandlerError>("quick".to_owned())),
        )
        .tool(
            Tool::builder("panic").input_schema(object_schema()).call(
                |_: Value, _: Context| -> Result<String, HandlerError> { panic!("a secret") },
            ),
        )
}

#[test]
fn a_long_answer_is_one_line_however_many_lines_its_text_has() {
    let text = "one\r\ntwo\n\n\"three\"\u{b}\\\n".repeat(2000);
    let own = text.clone();
    let service = Server::new("s", "1")
        .tool(
            Tool::builder("long")
                .input_schema(object_schema())
                .call(move |_: Value, _: Context| Ok(own.clone())),
        )
        .build()
        .unwrap();
    let mut rig = Rig::new(service);
    // The rig takes every line for a message.
    let modern = rig.call(1, "long", "");
    assert_eq!(modern.len(), 1);
    assert_eq!(modern[0]["result"]["content"][0]["text"], text);
    rig.initialize();
    let legacy = rig.say(
        r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"long","arguments":{}}}"#,
    );
    assert_eq!(legacy.len(), 1);
    assert_eq!(legacy[0]["result"]["content"][0]["text"], text);
}

#[test]
fn a_pending_call_delays_nobody_and_is_answered_when_it_wakes() {
    let gate = Arc::new(Gate::default());
    let mut rig = Rig::new(gated(&gate).build().unwrap());
    assert!(rig.call(1, "wait", "").is_empty());
    let quick = rig.call(2, "quick", "");
    assert_eq!(quick[0]["result"]["content"][0]["text"], "quick");
    assert_eq!(rig.woken.0.load(Ordering::SeqCst), 0);
    gate.open();
    assert_eq!(
        rig.woken.0.load(Ordering::SeqCst),
        1,
        "the driver hears of it"
    );
    rig.poll();
    assert_eq!(rig.written()[0]["id"], 1);
}

#[test]
fn a_panicking_handler_answers_without_leaking_and_hurts_nobody() {
    let gate = Arc::new(Gate::default());
    let mut rig = Rig::new(gated(&gate).build().unwrap());
    let answer = rig.call(1, "panic", "");
    assert!(
        answer[0].get("error").is_some() || answer[0]["result"]["isError"] == true,
        "{answer:?}"
    );
    assert!(!answer[0].to_string().contains("secret"), "{answer:?}");
    assert_eq!(rig.call(2, "quick", "").len(), 1);
}

#[test]
fn a_cancelled_call_is_dropped_and_its_late_wake_is_harmless() {
    let gate = Arc::new(Gate::default());
    let mut rig = Rig::new(gated(&gate).build().unwrap());
    rig.call(1, "wait", "");
    rig.say(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#);
    gate.open();
    rig.poll();
    assert!(rig.written().is_empty());
    assert_eq!(Arc::strong_count(&gate), 2, "the handler's future is gone");
}

#[test]
fn the_end_of_input_lets_calls_finish_within_a_bound() {
    let gate = Arc::new(Gate::default());
    let mut rig = Rig::new(gated(&gate).build().unwrap());
    rig.call(1, "wait", "");
    rig.connection.end_of_input();
    let demand = rig.poll();
    assert!(!demand.done && !demand.read);
    let bound = demand.wakeup.expect("the drain has a bound");
    gate.open();
    rig.poll();
    assert_eq!(rig.written().len(), 1);
    assert!(rig.poll().done);

    let mut hung = Rig::new(gated(&Arc::default()).build().unwrap());
    hung.call(1, "wait", "");
    hung.connection.end_of_input();
    assert!(!hung.poll().cut);
    hung.now.instant = bound;
    let demand = hung.poll();
    assert!(
        demand.cut && !demand.done,
        "a handler that never ends does not keep the process"
    );
}

#[test]
fn a_call_that_waits_pins_no_read_buffer() {
    const CHUNK: usize = 64 << 10;
    let mut rig = Rig::new(gated(&Arc::default()).build().unwrap());
    rig.input.reserve(CHUNK);
    rig.say(
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"}},"name":"wait","arguments":{}}}"#,
    );
    assert!(rig.input.is_empty() && rig.input.capacity() < CHUNK);
    assert!(rig.input.try_reclaim(CHUNK), "nobody else holds the chunk");
}

#[test]
fn the_end_of_input_ends_what_a_handler_asked_for() {
    let asks = Tool::builder("ask")
        .input_schema(object_schema())
        .call_async(|_: Value, context: Context| async move {
            let form = ElicitRequestFormParams::new("who?", RequestedSchema::new(Map::new()));
            let asked = context.elicit_schema("name", form).await;
            Ok::<_, HandlerError>(asked.map_or_else(|error| error.to_string(), |_| "yes".into()))
        });
    let service = Server::new("test", "1.0.0").tool(asks).build().unwrap();
    let mut rig = Rig::new(service);
    rig.initialize();
    let asked = rig.say(
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ask","arguments":{}}}"#,
    );
    assert_eq!(asked[0]["method"], "elicitation/create");
    rig.connection.end_of_input();
    rig.poll();
    let text = rig.written()[0]["result"]["content"][0]["text"].clone();
    assert_eq!(text, "the client is gone", "at once, not after a deadline");
    assert!(rig.poll().done);
}

#[test]
fn changes_reach_listeners_of_both_eras_on_one_stream() {
    let service = gated(&Arc::default()).build().unwrap();
    let mut rig = Rig::new(service.clone());
    rig.initialize();
    let ack = rig.say(&format!(
        r#"{{"jsonrpc":"2.0","id":"s","method":"subscriptions/listen","params":{{{META},"notifications":{{"toolsListChanged":true}}}}}}"#
    ));
    assert_eq!(ack[0]["method"], "notifications/subscriptions/acknowledged");
    assert!(service.tools().remove("quick"));
    assert!(
        rig.woken.0.load(Ordering::SeqCst) > 0,
        "the driver hears of it"
    );
    rig.poll();
    let written = rig.written();
    assert_eq!(written.len(), 2, "one tagged, one legacy: {written:?}");
    assert!(
        written
            .iter()
            .all(|frame| frame["method"] == "notifications/tools/list_changed")
    );
    rig.connection.shutdown();
    rig.poll();
    let end = rig.written();
    assert_eq!(end[0]["id"], "s", "{end:?}");
    assert!(rig.poll().done);
}

#[test]
fn what_a_waiting_call_logs_is_not_lost_while_the_peer_does_not_read() {
    let gate = Arc::new(Gate::default());
    let held = Arc::clone(&gate);
    let server = Server::new("test", "1.0.0").tool(
        Tool::builder("chatty")
            .input_schema(object_schema())
            .call_async(move |_: Value, ctx: Context| {
                let gate = Arc::clone(&held);
                async move {
                    for line in 0..3 {
                        ctx.info(format!("line {line}"));
                    }
                    gate.pass().await;
                    Ok::<_, HandlerError>("done".to_owned())
                }
            }),
    );
    let mut rig = Rig::new(server.build().unwrap());
    rig.out = Outbox::new(1);
    rig.call(1, "chatty", "");
    let level = META.replace(
        "\"_meta\":{",
        "\"_meta\":{\"io.modelcontextprotocol/logLevel\":\"debug\",",
    );
    let written = rig.say(&format!(
        r#"{{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{{{level},"name":"chatty","arguments":{{}}}}}}"#
    ));
    let mut lines = written.len();
    for _ in 0..10 {
        rig.poll();
        lines += rig.written().len();
    }
    assert_eq!(lines, 3, "the handler still waits, its words are out");
}

#[test]
fn what_must_not_be_read_is_not_announced() {
    let watched = |uri: &'static str, scopes: &'static [&'static str]| {
        let builder = Resource::builder(uri).scopes(scopes.iter().copied());
        builder.read(|_, _| Ok("x"))
    };
    let server = Server::new("test", "1.0.0")
        .resource(watched("config://open", &[]))
        .resource(watched("config://secret", &["admin"]));
    let service = server.build().unwrap();
    let mut rig = Rig::new(service.clone());
    rig.initialize();
    for (uri, may) in [("config://secret", false), ("config://open", true)] {
        let answer = rig.say(&format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{{"uri":"{uri}"}}}}"#
        ));
        assert_eq!(
            answer[0]["error"]["data"]["reason"] == "insufficient_scope",
            !may,
            "{answer:?}"
        );
        assert_eq!(answer[0]["result"].is_object(), may);
        let acknowledged = rig.say(&format!(
            r#"{{"jsonrpc":"2.0","id":"{uri}","method":"subscriptions/listen","params":{{{META},"notifications":{{"resourceSubscriptions":["{uri}","config://unknown"]}}}}}}"#
        ));
        let granted = &acknowledged[0]["params"]["notifications"]["resourceSubscriptions"];
        let expected = [uri, "config://unknown"];
        assert_eq!(granted, &json!(expected[usize::from(!may)..]));
    }
    service.notify_resource_updated("config://secret");
    rig.poll();
    assert_eq!(rig.written(), Vec::<Value>::new());
    service.notify_resource_updated("config://open");
    rig.poll();
    assert_eq!(rig.written().len(), 2, "the session and the one listener");
}

#[test]
fn the_end_of_a_url_interaction_is_told_after_the_call() {
    let kept = Arc::new(std::sync::Mutex::new(Vec::<UrlInteraction>::new()));
    let keeper = Arc::clone(&kept);
    let connect = Tool::builder("connect").input_schema(object_schema()).call(
        move |_: Value, context: Context| {
            keeper.lock().unwrap().push(context.url_interaction("k"));
            Ok::<_, HandlerError>("see you there")
        },
    );
    let service = Server::new("test", "1.0.0").tool(connect).build().unwrap();
    let mut rig = Rig::new(service.clone());
    let mut other = Rig::new(service);
    for rig in [&mut rig, &mut other] {
        rig.say(
            r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{"url":{}}},"clientInfo":{"name":"c","version":"1"}}}"#,
        );
    }
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"connect","arguments":{}}}"#;
    assert_eq!(rig.say(call)[0]["id"], 1);
    let interaction = kept.lock().unwrap().pop().expect("it was called");
    interaction.complete();
    assert!(
        rig.woken.0.load(Ordering::SeqCst) > 0,
        "the driver hears of it"
    );
    rig.poll();
    other.poll();
    assert_eq!(
        rig.written(),
        [
            json!({"jsonrpc": "2.0", "method": "notifications/elicitation/complete",
                "params": {"elicitationId": interaction.id()}})
        ]
    );
    assert_eq!(other.written(), Vec::<Value>::new());
    // A call in a revision without that notification: nobody is told.
    assert_eq!(rig.call(2, "connect", "").len(), 1);
    kept.lock().unwrap().pop().expect("again").complete();
    rig.poll();
    assert_eq!(rig.written(), Vec::<Value>::new());
    drop(rig);
    interaction.complete();
}

#[test]
fn a_call_that_asked_goes_on_over_another_connection_of_the_service() {
    let ask = Tool::builder("ask")
        .input_schema(object_schema())
        .call_async(async |_: Value, context: Context| {
            let schema = r#"{"type":"object","properties":{}}"#;
            let schema: RequestedSchema = serde_json::from_str(schema).expect("a form");
            let form = ElicitRequestFormParams::new("Sure?", schema);
            context.elicit_schema("sure", form).await?;
            Ok::<_, HandlerError>("done")
        });
    let service = || {
        Server::new("test", "1.0.0")
            .tool(ask.clone())
            .build()
            .unwrap()
    };
    let (first, other) = (service(), service());
    let call = |more: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{"elicitation":{{}}}}}},"name":"ask","arguments":{{}}{more}}}}}"#
        )
    };
    let asked = Rig::new(first.clone()).say(&call(""));
    let state = asked[0]["result"]["requestState"]
        .as_str()
        .expect("a state");
    let retry = call(&format!(
        r#","inputResponses":{{"sure":{{"action":"accept","content":{{}}}}}},"requestState":"{state}""#
    ));
    let done = Rig::seeded(first, 2).say(&retry);
    assert_eq!(done[0]["result"]["content"][0]["text"], "done");
    let refused = Rig::seeded(other, 3).say(&retry);
    assert_eq!(refused[0]["error"]["code"], -32602, "not its key");
}
