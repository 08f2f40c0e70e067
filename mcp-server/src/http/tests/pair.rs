//! HTTP+SSE: one stream is one session, and what is posted to it is answered in it.

use mcp_proto::config::RevisionSet;
use mcp_proto::limits::Limits;
use mcp_types::Revision;

use super::*;
use crate::StaticBearer;
use crate::http::HttpSse;

const JSON: (&str, &str) = ("content-type", "application/json");
const STREAM: (&str, &str) = ("accept", "text/event-stream");

fn served() -> HttpOptions {
    HttpOptions::default().with_http_sse(HttpSse::default())
}

fn bench() -> Bench {
    Bench::with(|server| server, served())
}

fn limited(limits: Limits, options: HttpOptions) -> Bench {
    Bench::with(|server| server.limits(limits), options)
}

impl Bench {
    fn request(
        &self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        principal: Option<Principal>,
        body: &str,
    ) -> Reply {
        let mut request = Request::builder().method(method).uri(target);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", "localhost:3000");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let parts = request.body(()).unwrap().into_parts().0;
        let mut call = match self.server.begin(self.now, parts, principal) {
            Begin::Respond(response) => return Reply::of(response),
            Begin::Read(call) => call,
        };
        if let Err(response) = call.body(Bytes::copy_from_slice(body.as_bytes())) {
            return Reply::of(response);
        }
        call.end_body(self.now);
        let mut reply = Reply {
            head: None,
            text: String::new(),
            ended: false,
            call: Some(call),
            wakes: Arc::default(),
        };
        reply.poll(self);
        reply
    }

    fn open_as(&self, principal: Option<Principal>) -> Stream {
        let reply = self.request(Method::GET, "/sse", &[STREAM], principal, "");
        assert_eq!(reply.status(), 200, "{}", reply.text);
        let event = reply.text.strip_prefix("event: endpoint\ndata: ").unwrap();
        let place = event.strip_suffix("\n\n").unwrap().to_owned();
        Stream {
            seen: reply.text.len(),
            reply,
            place,
        }
    }

    fn open(&self) -> Stream {
        self.open_as(None)
    }

    fn say(&self, place: &str, body: &Value) -> Reply {
        self.say_as(None, place, &body.to_string())
    }

    fn say_as(&self, principal: Option<Principal>, place: &str, body: &str) -> Reply {
        self.request(Method::POST, place, &[JSON], principal, body)
    }

    /// A session that has shaken hands.
    fn session(&self, revision: &str) -> Stream {
        let mut stream = self.open();
        let answer = stream.ask(self, &initialize_body(revision));
        assert_eq!(answer["result"]["protocolVersion"], revision);
        stream
    }
}

/// An open stream.
struct Stream {
    reply: Reply,
    /// Where to POST to.
    place: String,
    /// How much of the text was looked at.
    seen: usize,
}

impl Stream {
    /// The messages that came since the last time.
    fn news(&mut self, bench: &Bench) -> Vec<Value> {
        self.reply.poll(bench);
        let text = &self.reply.text[self.seen..];
        self.seen = self.reply.text.len();
        text.split_terminator("\n\n")
            .filter(|event| *event != ":")
            .map(|event| {
                let data = event.strip_prefix("event: message\ndata: ").expect(event);
                serde_json::from_str(data).expect(data)
            })
            .collect()
    }

    /// Posts a request and takes the one message that comes of it.
    fn ask(&mut self, bench: &Bench, body: &Value) -> Value {
        let before = self.reply.wakes();
        let taken = bench.say(&self.place, body);
        assert_eq!((taken.status(), taken.text.as_str()), (202, ""));
        assert!(self.reply.wakes() > before, "the stream is told");
        let mut news = self.news(bench);
        assert_eq!(news.len(), 1, "{news:?}");
        news.remove(0)
    }
}

fn ping(id: u64) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "ping"})
}

#[test]
fn the_first_event_says_where_to_post_to_and_what_is_posted_is_answered_in_the_stream() {
    let bench = bench();
    let mut stream = bench.open();
    assert!(stream.reply.is_stream());
    assert_eq!(stream.reply.header("x-accel-buffering"), "no");
    assert_eq!(
        stream.reply.header("cache-control"),
        "no-store, no-transform"
    );
    let id = stream.place.strip_prefix("/messages?sessionId=").unwrap();
    assert!(id.len() > 40 && id.bytes().all(|byte| byte.is_ascii_graphic()));

    let answer = stream.ask(&bench, &initialize_body("2024-11-05"));
    assert_eq!(answer["result"]["protocolVersion"], "2024-11-05");
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    assert_eq!(bench.say(&stream.place, &initialized).status(), 202);
    assert!(stream.news(&bench).is_empty());
    let answer = stream.ask(&bench, &call_body(1, "hello"));
    assert_eq!(answer["result"]["content"][0]["text"], "hello");
    assert!(!stream.reply.ended);
    assert_eq!((bench.server.streams(), bench.server.calls()), (1, 0));
}

#[test]
fn every_revision_with_a_handshake_is_negotiated_and_no_other() {
    for (asked, answered) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        ("never", "2025-11-25"),
    ] {
        let bench = bench();
        let mut stream = bench.open();
        let answer = stream.ask(&bench, &initialize_body(asked));
        assert_eq!(answer["result"]["protocolVersion"], answered, "{asked}");
    }
}

#[test]
fn a_modern_request_is_answered_as_by_a_server_that_has_no_such_revision() {
    let bench = bench();
    let mut stream = bench.open();
    let probe = stream.ask(&bench, &modern_body(1, "server/discover", json!({})));
    assert_eq!(probe["error"]["code"], -32601);
    let call = stream.ask(&bench, &modern_body(2, "tools/list", json!({})));
    assert_eq!(call["error"]["code"], -32602);
    let message = call["error"]["message"].as_str().unwrap();
    assert!(
        message.starts_with("initialize first") && !message.contains("2026-07-28"),
        "{message}"
    );
    // The stream lives, and shakes hands.
    let answer = stream.ask(&bench, &initialize_body("2025-11-25"));
    assert_eq!(answer["result"]["protocolVersion"], "2025-11-25");
}

#[test]
fn without_a_revision_for_it_or_without_being_asked_for_there_is_no_pair() {
    let modern = Bench::with(
        |server| server.revisions(RevisionSet::of([Revision::LATEST])),
        served(),
    );
    let off = Bench::new();
    for bench in [modern, off] {
        // The paths are the endpoint's, as every other one.
        let reply = bench.request(Method::GET, "/sse", &[STREAM], None, "");
        assert!(matches!(reply.status(), 400 | 405), "{}", reply.text);
        assert_eq!(bench.server.streams(), 0);
        assert!(!bench.server.has_http_sse_at("/sse"));
    }
}

#[test]
fn each_of_the_two_takes_its_method_and_the_endpoint_stays_what_it_is() {
    let bench = bench();
    let first = initialize_body("2025-11-25").to_string();
    // What a client of a newer transport tries first tells it to go on with GET.
    let both = [JSON, ("accept", "application/json, text/event-stream")];
    let tried = bench.request(Method::POST, "/sse", &both, None, &first);
    assert_eq!((tried.status(), tried.header("allow")), (405, "GET"));
    for (method, target, headers, expected) in [
        (Method::DELETE, "/sse", &[STREAM][..], (405, "GET")),
        (Method::GET, "/messages", &[STREAM], (405, "POST")),
        (Method::PUT, "/messages", &[JSON], (405, "POST")),
        (
            Method::GET,
            "/sse",
            &[("accept", "application/json")],
            (406, ""),
        ),
    ] {
        let reply = bench.request(method.clone(), target, headers, None, "");
        let seen = (reply.status(), reply.header("allow"));
        assert_eq!(seen, expected, "{method} {target}");
    }
    assert!(!bench.initialize("2025-11-25").is_empty());
    assert_eq!(bench.modern(1, "tools/list", json!({})).status(), 200);
    assert_eq!(bench.server.streams(), 0);
}

#[test]
fn a_session_that_is_not_the_callers_is_404_whatever_the_reason() {
    let bench = bench();
    let mine = bench.open_as(Some(Principal::new("ada")));
    let id = mine.place.split_once('=').unwrap().1.to_owned();
    let post = |principal: Option<&str>, target: &str| {
        let reply = bench.say_as(principal.map(Principal::new), target, &ping(1).to_string());
        (reply.status(), reply.text)
    };
    assert_eq!(post(Some("ada"), &mine.place).0, 202);
    assert_eq!(
        post(Some("ada"), &format!("/messages?x=1&sessionId={id}")).0,
        202
    );
    for target in ["/messages", "/messages?session_id=x", "/messages?sessionId"] {
        assert_eq!(post(Some("ada"), target).0, 400, "{target}");
    }
    let (_, gone) = post(Some("ada"), "/messages?sessionId=x");
    let mut forged = id.clone();
    forged.replace_range(60..61, if &id[60..61] == "A" { "B" } else { "A" });
    let other = bench.open();
    for (principal, target) in [
        (Some("bob"), mine.place.clone()),
        (None, mine.place.clone()),
        (Some("ada"), other.place),
        (Some("ada"), format!("/messages?sessionId={forged}")),
        (Some("ada"), format!("{}&sessionId={id}", mine.place)),
        (Some("ada"), "/messages?sessionId=".to_owned()),
    ] {
        assert_eq!(post(principal, &target), (404, gone.clone()), "{target}");
    }
    // It is no session of the endpoint, nor of another server.
    let headers = [JSON, ("mcp-session-id", id.as_str())];
    let body = call_body(1, "hello").to_string();
    let elsewhere = bench.request(
        Method::POST,
        "/mcp",
        &headers,
        Some(Principal::new("ada")),
        &body,
    );
    assert_eq!(elsewhere.status(), 404);
    drop(mine);
    let ended = post(Some("ada"), &format!("/messages?sessionId={id}"));
    assert_eq!(ended, (404, gone));
}

#[test]
fn a_stream_that_ends_while_a_message_arrives_is_404_for_it() {
    let bench = bench();
    let stream = bench.open();
    let request = Request::post(&stream.place)
        .header("host", "localhost")
        .header("content-type", "application/json");
    let parts = request.body(()).unwrap().into_parts().0;
    let Begin::Read(mut call) = bench.server.begin(bench.now, parts, None) else {
        panic!("the session is open");
    };
    call.body(ping(1).to_string().into()).unwrap();
    drop(stream);
    call.end_body(bench.now);
    match call.poll_head(&mut Task::from_waker(Waker::noop()), bench.now) {
        Poll::Ready(head) => assert_eq!(head.status, 404),
        Poll::Pending => panic!("there is nothing to wait for"),
    }
}

#[test]
fn heads_and_bodies_are_judged_as_at_the_endpoint() {
    let limits = Limits {
        max_message: 100,
        ..Limits::default()
    };
    let bench = limited(limits, served());
    let mut stream = bench.open();
    let long = "x".repeat(101);
    let strange = ("origin", "http://evil.example.com");
    for (headers, body, expected) in [
        (&[("content-type", "text/plain")][..], "{}", 415),
        (&[], "{}", 415),
        (&[JSON, ("content-encoding", "gzip")], "{}", 415),
        (&[JSON, ("content-length", "101")], "", 413),
        (&[JSON], long.as_str(), 413),
        (&[JSON], "{", 400),
        (&[JSON], "", 400),
        (&[JSON], r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, 400),
        (&[JSON, strange], "{}", 403),
        (&[JSON, ("host", "evil.example.com")], "{}", 403),
    ] {
        let reply = bench.request(Method::POST, &stream.place, headers, None, body);
        assert_eq!(reply.status(), expected, "{headers:?} {body}");
    }
    for headers in [
        &[STREAM, strange][..],
        &[STREAM, ("host", "evil.example.com")],
    ] {
        let reply = bench.request(Method::GET, "/sse", headers, None, "");
        assert_eq!(reply.status(), 403, "{headers:?}");
    }
    let page = [STREAM, ("origin", "http://localhost:6274")];
    let allowed = bench.request(Method::GET, "/sse", &page, None, "");
    assert_eq!(
        allowed.header("access-control-allow-origin"),
        "http://localhost:6274"
    );
    assert!(stream.news(&bench).is_empty(), "none of it came through");
}

#[test]
fn a_message_of_many_lines_is_one_message() {
    let bench = bench();
    let mut stream = bench.session("2024-11-05");
    let body = serde_json::to_string_pretty(&call_body(1, "hello")).unwrap();
    let body = format!("\r\n{body}\n\n").replace("\"hello\"", "\n\"hello\"");
    assert_eq!(bench.say_as(None, &stream.place, &body).status(), 202);
    let news = stream.news(&bench);
    assert_eq!(news.len(), 1);
    assert_eq!(news[0]["result"]["content"][0]["text"], "hello");
}

#[test]
fn the_end_of_the_stream_ends_the_session_and_its_calls() {
    let bench = bench();
    let mut stream = bench.session("2025-06-18");
    bench.say(&stream.place, &call_body(1, "slow"));
    // Not even looked at.
    stream.news(&bench);
    bench.say(&stream.place, &call_body(2, "slow"));
    assert_eq!((bench.server.calls(), bench.ended()), (2, 0));
    stream.reply.disconnect();
    assert_eq!((bench.server.calls(), bench.ended()), (0, 1));
    assert_eq!(bench.server.streams(), 0);
    assert_eq!(bench.say(&stream.place, &ping(3)).status(), 404);
}

#[test]
fn a_client_cancels_its_call_and_hears_nothing_more_of_it() {
    let bench = bench();
    let mut stream = bench.session("2024-11-05");
    bench.say(&stream.place, &call_body(1, "chatty"));
    let said: Vec<Value> = stream.news(&bench);
    assert_eq!(said[0]["params"]["progress"], 1.0, "{said:?}");
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled",
        "params": {"requestId": 1}});
    assert_eq!(bench.say(&stream.place, &cancel).status(), 202);
    assert!(stream.news(&bench).is_empty());
    assert_eq!((bench.ended(), bench.server.calls()), (1, 0));
}

#[test]
fn a_graceful_end_lets_calls_finish_and_takes_no_new_ones() {
    let bench = bench();
    let mut idle = bench.session("2024-11-05");
    let mut busy = bench.session("2024-11-05");
    bench.say(&busy.place, &call_body(1, "slow"));
    busy.news(&bench);
    let before = busy.reply.wakes();
    bench.server.shutdown();
    assert!(busy.reply.wakes() > before);
    assert!(idle.news(&bench).is_empty() && idle.reply.ended);
    assert!(busy.news(&bench).is_empty() && !busy.reply.ended);

    let refused = bench.say(&busy.place, &ping(2));
    assert_eq!(
        (refused.status(), refused.header("retry-after")),
        (503, "1")
    );
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    assert_eq!(bench.say(&busy.place, &initialized).status(), 202);
    let refused = bench.request(Method::GET, "/sse", &[STREAM], None, "");
    assert_eq!(refused.status(), 503);

    bench.gate.open();
    let news = busy.news(&bench);
    assert_eq!(news[0]["result"]["content"][0]["text"], "done");
    assert!(busy.reply.ended);
    drop((idle, busy));
    assert_eq!((bench.server.streams(), bench.server.calls()), (0, 0));
}

#[test]
fn what_was_taken_before_the_end_is_answered() {
    let bench = bench();
    let mut stream = bench.session("2024-11-05");
    for id in [1, 2] {
        assert_eq!(
            bench.say(&stream.place, &call_body(id, "hello")).status(),
            202
        );
    }
    bench.server.shutdown();
    let news = stream.news(&bench);
    assert!(
        news.iter().all(|answer| answer["result"].is_object()),
        "{news:?}"
    );
    assert!(news.len() == 2 && stream.reply.ended);
}

#[test]
fn a_graceful_end_has_a_bound() {
    let mut bench = bench();
    let mut stream = bench.session("2024-11-05");
    bench.say(&stream.place, &call_body(1, "slow"));
    bench.server.shutdown();
    assert!(stream.news(&bench).is_empty() && !stream.reply.ended);
    let bound = bench.server.service().config().limits().shutdown_bound;
    let due = stream.reply.call.as_ref().unwrap().wakeup().unwrap();
    assert!(due <= bench.now.instant + bound);
    bench.pass(bound);
    stream.news(&bench);
    assert!(stream.reply.ended);
    assert_eq!((bench.ended(), bench.server.calls()), (1, 0));
}

#[test]
fn what_waits_for_a_stream_is_bounded() {
    let pair = HttpSse::default().with_max_waiting(2);
    let bench = Bench::with(|server| server, HttpOptions::default().with_http_sse(pair));
    let mut stream = bench.open();
    for id in [1, 2] {
        assert_eq!(bench.say(&stream.place, &ping(id)).status(), 202);
    }
    let full = bench.say(&stream.place, &ping(3));
    assert_eq!((full.status(), full.header("retry-after")), (503, "1"));
    assert_eq!(full.json()["id"], 3);
    assert_eq!(stream.news(&bench).len(), 2);
    assert_eq!(stream.ask(&bench, &ping(4))["id"], 4);
}

#[test]
fn streams_and_calls_are_bounded_for_all_of_the_endpoint() {
    let pair = HttpSse::default().with_max_streams(2);
    let options = HttpOptions::default().with_http_sse(pair).with_max_calls(1);
    let bench = Bench::with(|server| server, options);
    let mut first = bench.session("2024-11-05");
    let second = bench.open();
    let third = bench.request(Method::GET, "/sse", &[STREAM], None, "");
    assert_eq!((third.status(), third.header("retry-after")), (503, "1"));
    drop(second);
    let mut second = bench.session("2024-11-05");

    bench.say(&first.place, &call_body(1, "slow"));
    first.news(&bench);
    assert_eq!(bench.say(&second.place, &ping(2)).status(), 503);
    assert_eq!(
        bench
            .modern(1, "tools/call", json!({"name": "hello"}))
            .status(),
        503
    );
    bench.gate.open();
    assert_eq!(first.news(&bench).len(), 1);
    assert_eq!(second.ask(&bench, &ping(3))["id"], 3);

    let one = HttpOptions::default()
        .with_http_sse(HttpSse::default())
        .with_max_streams(1);
    let bench = Bench::with(|server| server, one);
    let _open = bench.open();
    let another = bench.request(Method::GET, "/sse", &[STREAM], None, "");
    assert_eq!(another.status(), 503);
}

#[test]
fn a_question_goes_to_the_stream_and_its_answer_is_posted() {
    let bench = bench();
    let mut stream = bench.session("2025-06-18");
    let question = stream.ask(&bench, &call_body(1, "ask"));
    assert_eq!(question["method"], "elicitation/create");
    let answer = json!({"jsonrpc": "2.0", "id": question["id"],
        "result": {"action": "accept", "content": {"name": "Ada"}}});
    let result = stream.ask(&bench, &answer);
    assert_eq!(result["result"]["content"][0]["text"], "Ada");

    let question = stream.ask(&bench, &call_body(2, "ask"));
    let broken = format!(r#"{{"jsonrpc":"2.0","id":{}}}"#, question["id"]);
    assert_eq!(bench.say_as(None, &stream.place, &broken).status(), 400);
    let result = stream.news(&bench);
    assert_eq!(result[0]["result"]["isError"], true, "{result:?}");
}

#[test]
fn a_question_that_nobody_answers_ends_by_the_time_that_the_stream_is_to_be_polled() {
    let mut bench = bench();
    let mut stream = bench.session("2025-06-18");
    stream.ask(&bench, &call_body(1, "ask"));
    let timeout = bench.server.service().config().limits().request_timeout;
    let end = bench.now.instant + timeout;
    // Signs of life come first.
    while bench.now.instant < end {
        let due = stream.reply.call.as_ref().unwrap().wakeup().unwrap();
        assert!(due > bench.now.instant && due <= end);
        bench.pass(due.duration_since(bench.now.instant));
        let text = stream.reply.text.len();
        let news = stream.news(&bench);
        assert_eq!(news.is_empty(), bench.now.instant < end);
        assert!(stream.reply.text.len() > text);
    }
}

#[test]
fn whoever_posts_is_who_may_and_who_is_asked_about() {
    let bench = bench();
    let ada = |scopes: &[&str]| Some(Principal::new("ada").with_scopes(scopes.iter().copied()));
    let mut stream = bench.open_as(ada(&[]));
    let first = initialize_body("2025-11-25").to_string();
    bench.say_as(ada(&[]), &stream.place, &first);
    let call = call_body(1, "secret").to_string();
    let refused = bench.say_as(ada(&[]), &stream.place, &call);
    assert_eq!(refused.status(), 403);
    let challenge = refused.header("www-authenticate");
    assert!(challenge.contains("insufficient_scope"), "{challenge}");
    // A newer token of the same principal.
    let taken = bench.say_as(ada(&["admin"]), &stream.place, &call);
    assert_eq!(taken.status(), 202);
    let news = stream.news(&bench);
    assert_eq!(news[1]["result"]["content"][0]["text"], "secret");
    // In a batch the dispatcher judges, by the same token.
    let mut stream = bench.open_as(ada(&["admin"]));
    let first = initialize_body("2025-03-26").to_string();
    bench.say_as(ada(&["admin"]), &stream.place, &first);
    let batch = json!([call_body(2, "secret")]).to_string();
    bench.say_as(ada(&[]), &stream.place, &batch);
    let news = stream.news(&bench);
    assert!(news[1][0]["error"].is_object(), "{news:?}");
}

#[test]
fn a_driver_that_forgets_to_ask_who_calls_lets_nobody_in() {
    let keys = StaticBearer::new().with_key("0123456789abcdef", Principal::new("ci"));
    let bench = Bench::with(|server| server, served().with_authenticator(keys));
    let reply = bench.request(Method::GET, "/sse", &[STREAM], None, "");
    assert_eq!(reply.status(), 401);
    let stream = bench.open_as(Some(Principal::new("ci")));
    assert_eq!(bench.say(&stream.place, &ping(1)).status(), 401);
}

#[test]
fn batches_are_for_sessions_of_2025_03_26() {
    let bench = bench();
    let batch = json!([ping(1), call_body(2, "hello"), {"jsonrpc": "2.0", "method": "notifications/initialized"}]);
    let mut stream = bench.session("2025-03-26");
    assert_eq!(bench.say(&stream.place, &batch).status(), 202);
    let news = stream.news(&bench);
    let answers = news[0].as_array().expect("one array for the other");
    assert_eq!((news.len(), answers.len()), (1, 2));
    for revision in ["2024-11-05", "2025-06-18", "2025-11-25"] {
        let mut stream = bench.session(revision);
        assert_eq!(bench.say(&stream.place, &batch).status(), 202);
        let news = stream.news(&bench);
        assert_eq!(news.len(), 1, "{revision}");
        assert_eq!(news[0]["error"]["code"], -32600, "{revision}");
        assert_eq!(stream.ask(&bench, &ping(3))["id"], 3, "the stream lives");
    }
    assert_eq!(bench.server.calls(), 0);
}

#[test]
fn a_quiet_stream_shows_that_it_lives() {
    let mut bench = bench();
    let mut stream = bench.session("2024-11-05");
    let due = stream.reply.call.as_ref().unwrap().wakeup().unwrap();
    let alive = bench.server.service().config().limits().keep_alive;
    assert_eq!(due, bench.now.instant + alive);
    bench.pass(alive);
    assert!(stream.news(&bench).is_empty());
    assert!(stream.reply.text.ends_with("\n\n:\n\n"));
}

#[test]
fn a_reader_that_is_slow_loses_nothing_and_is_not_read_ahead_of() {
    let limits = Limits {
        outbox_high: 100,
        ..Limits::default()
    };
    let pair = HttpSse::default().with_max_waiting(50);
    let bench = limited(limits, HttpOptions::default().with_http_sse(pair));
    let mut stream = bench.open();
    for id in 0..50 {
        assert_eq!(bench.say(&stream.place, &ping(id)).status(), 202);
    }
    // One piece alone is taken.
    let mut cx = Task::from_waker(Waker::noop());
    let call = stream.reply.call.as_mut().unwrap();
    let Poll::Ready(Some(piece)) = call.poll_data(&mut cx, bench.now) else {
        panic!("there is something");
    };
    assert!(piece.len() < 400, "{}", piece.len());
    let full = bench.say(&stream.place, &ping(50)).status();
    assert_eq!(full, 202, "some were read");
    stream
        .reply
        .text
        .push_str(std::str::from_utf8(&piece).unwrap());
    let ids = stream
        .news(&bench)
        .into_iter()
        .map(|answer| answer["id"].as_u64().unwrap());
    assert!(ids.eq(0..=50));
}

#[test]
fn changes_are_told_in_the_stream() {
    let bench = Bench::with(
        |server| server.tool(Tool::builder("extra").call(|_: Nothing, _| Ok("x"))),
        served(),
    );
    let mut stream = bench.session("2024-11-05");
    let before = stream.reply.wakes();
    assert!(bench.server.service().tools().remove("extra"));
    assert!(stream.reply.wakes() > before);
    let news = stream.news(&bench);
    assert_eq!(news[0]["method"], "notifications/tools/list_changed");
}

#[test]
fn a_client_that_breaks_the_rules_without_end_loses_its_stream() {
    let limits = Limits {
        violations: 2,
        ..Limits::default()
    };
    let bench = limited(limits, served());
    let mut stream = bench.session("2024-11-05");
    for _ in 0..3 {
        bench.say(&stream.place, &json!([1]));
        assert_eq!(stream.news(&bench)[0]["error"]["code"], -32600);
    }
    stream.news(&bench);
    assert!(stream.reply.ended);
}

#[test]
fn the_paths_and_the_prefix_are_the_hosts_choice() {
    let pair = HttpSse::at("/events", "/post")
        .and_then(|pair| pair.with_prefix("/tools/"))
        .unwrap();
    let bench = Bench::with(|server| server, HttpOptions::default().with_http_sse(pair));
    let reply = bench.request(Method::GET, "/events?x=y", &[STREAM], None, "");
    let place = "event: endpoint\ndata: /tools/post?sessionId=";
    assert!(reply.text.starts_with(place), "{}", reply.text);
    let seen = reply.text.trim_end().rsplit_once("/tools").unwrap().1;
    assert_eq!(bench.say(seen, &ping(1)).status(), 202);
}
