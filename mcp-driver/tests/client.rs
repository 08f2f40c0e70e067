//! A client and a server, each in the loop of every driver, over a pipe in memory and a clock by hand.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use mcp_driver::client::{Answer, ClientConnection, ClientHandle, Token, client};
use mcp_driver::{Alarm, Ended, Pump, Stream, StreamOptions};
use mcp_server::proto::client::{
    ClientConfig, ClientEvent, ClientProfile, Limit, Outcome, Refused, RequestOptions,
};
use mcp_server::proto::limits::Limits;
use mcp_server::proto::outbox::Outbox;
use mcp_server::proto::time::{Instant, Now};
use mcp_server::types::{ClientCapabilities, Implementation, Revision};
use mcp_server::{Connection, InPlace, Server, tool};

/// One direction of a pipe.
#[derive(Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    closed: bool,
}

#[derive(Clone, Default)]
struct End {
    reads: Rc<RefCell<Pipe>>,
    writes: Rc<RefCell<Pipe>>,
}

impl Stream for End {
    fn poll_read(&mut self, _: &mut Context<'_>, input: &mut BytesMut) -> Poll<io::Result<usize>> {
        let mut pipe = self.reads.borrow_mut();
        let read = pipe.bytes.len();
        if read == 0 && !pipe.closed {
            return Poll::Pending;
        }
        input.extend(pipe.bytes.drain(..));
        Poll::Ready(Ok(read))
    }

    fn poll_write(&mut self, _: &mut Context<'_>, out: &mut Outbox) -> Poll<io::Result<usize>> {
        let bytes = out.copy_to_bytes(out.remaining());
        self.writes.borrow_mut().bytes.extend(&bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_close_write(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writes.borrow_mut().closed = true;
        Poll::Ready(Ok(()))
    }
}

/// A clock that only the test moves.
#[derive(Clone, Default)]
struct Clock {
    micros: Rc<Cell<u64>>,
    at: Option<Instant>,
}

impl Clock {
    fn pass(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap();
        self.micros.set(self.micros.get() + micros);
    }
}

impl Alarm for Clock {
    fn now(&self) -> Now {
        Now {
            instant: Instant::from_micros(self.micros.get()),
            unix_ms: 1_785_000_000_000,
        }
    }

    fn set(&mut self, at: Option<Instant>) {
        self.at = at;
    }

    fn poll_fired(&mut self, _: &mut Context<'_>) -> Poll<()> {
        if self.at.is_some_and(|at| at <= self.now().instant) {
            self.at = None;
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

/// Never answers.
#[tool]
async fn never() -> String {
    std::future::pending().await
}

/// Echoes.
#[tool]
fn echo(text: String) -> String {
    text
}

type Heard = Box<dyn FnMut(ClientEvent<Token>)>;

struct World {
    client: Pump<ClientConnection<Heard>>,
    client_end: End,
    server: Pump<Connection>,
    server_end: End,
    clock: Clock,
    heard: Rc<RefCell<Vec<String>>>,
}

fn world(profile: ClientProfile) -> (World, ClientHandle) {
    let heard = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&heard);
    let hears: Heard = Box::new(move |event| log.borrow_mut().push(format!("{event:?}")));
    let (machine, handle) = client(Arc::new(ClientConfig::compile(profile)), hears);
    let service = Server::new("s", "1")
        .tool(never)
        .tool(echo)
        .build()
        .unwrap();
    let (one, two) = (Rc::default(), Rc::default());
    let world = World {
        client: Pump::new(machine, StreamOptions::default()),
        client_end: End {
            reads: Rc::clone(&one),
            writes: Rc::clone(&two),
        },
        server: Pump::new(
            Connection::new(service, Arc::new(InPlace), [1; 32]),
            StreamOptions::default(),
        ),
        server_end: End {
            reads: two,
            writes: one,
        },
        clock: Clock::default(),
        heard,
    };
    (world, handle)
}

impl World {
    /// Lets both sides do what they can. Says how they ended.
    fn turn(&mut self) -> (Poll<Ended>, Poll<Ended>) {
        let mut cx = Context::from_waker(Waker::noop());
        let mut ended = (Poll::Pending, Poll::Pending);
        for _ in 0..4 {
            if ended.0.is_pending() {
                ended.0 = self
                    .client
                    .poll(&mut cx, &mut self.client_end, &mut self.clock.clone());
            }
            if ended.1.is_pending() {
                ended.1 = self
                    .server
                    .poll(&mut cx, &mut self.server_end, &mut self.clock.clone());
            }
            if ended.1.is_ready() {
                // What a driver does then: it lets go of the stream.
                self.server_end.writes.borrow_mut().closed = true;
            }
        }
        ended
    }

    fn written(&self) -> String {
        let pipe = self.server_end.reads.borrow();
        String::from_utf8(pipe.bytes.iter().copied().collect()).unwrap()
    }

    fn poll_server(&mut self) -> Poll<Ended> {
        let mut cx = Context::from_waker(Waker::noop());
        self.server
            .poll(&mut cx, &mut self.server_end, &mut self.clock.clone())
    }

    fn poll_client(&mut self) -> Poll<Ended> {
        let mut cx = Context::from_waker(Waker::noop());
        self.client
            .poll(&mut cx, &mut self.client_end, &mut self.clock.clone())
    }
}

fn profile() -> ClientProfile {
    ClientProfile::new(Implementation::new("c", "1"))
}

fn poll(answer: &mut Answer) -> Poll<Result<Outcome, Refused<()>>> {
    Pin::new(answer).poll(&mut Context::from_waker(Waker::noop()))
}

fn echo_of(text: &str) -> String {
    format!(r#"{{"name":"echo","arguments":{{"text":"{text}"}}}}"#)
}

const NEVER: &str = r#"{"name":"never","arguments":{}}"#;

#[test]
fn an_answer_comes_to_whoever_asked() {
    let (mut world, handle) = world(profile());
    let options = RequestOptions::default();
    let mut slow = handle.request("tools/call", NEVER, options);
    let mut quick = handle.request("tools/call", echo_of("hello"), options);
    assert!(poll(&mut quick).is_pending());
    let _ = world.turn();
    let Poll::Ready(Ok(Outcome::Complete(result))) = poll(&mut quick) else {
        panic!("no answer");
    };
    assert!(String::from_utf8_lossy(&result).contains("hello"));
    assert!(poll(&mut slow).is_pending());
}

#[test]
fn a_legacy_handshake_is_three_messages_and_a_change_of_tongue() {
    let config = ClientConfig::compile(profile());
    let (mut world, handle) = world(profile());
    let revision = Revision::V2025_11_25;
    handle.speak(revision).unwrap();
    let options = RequestOptions::default();
    let params = config.initialize_params(revision);
    let mut initialized = handle.request("initialize", params, options);
    let _ = world.turn();
    assert!(matches!(
        poll(&mut initialized),
        Poll::Ready(Ok(Outcome::Complete(_)))
    ));
    handle.notify("notifications/initialized", "{}").unwrap();
    let mut echoed = handle.request("tools/call", echo_of("legacy"), options);
    let _ = world.turn();
    let Poll::Ready(Ok(Outcome::Complete(result))) = poll(&mut echoed) else {
        panic!("no answer");
    };
    assert!(!String::from_utf8_lossy(&result).contains("resultType"));
}

#[test]
fn an_answer_that_is_dropped_is_cancelled_on_the_wire() {
    let (mut world, handle) = world(profile());
    let answer = handle.request("tools/call", NEVER, RequestOptions::default());
    let _ = world.turn();
    let id = answer.id().expect("it was sent").wire();
    drop(answer);
    let _ = world.poll_client();
    let written = world.written();
    assert!(written.contains("notifications/cancelled"), "{written}");
    assert!(written.contains(&id.to_string()), "{written}");
}

#[test]
fn what_is_dropped_before_it_is_sent_is_never_said() {
    let (mut world, handle) = world(profile());
    drop(handle.request("tools/call", NEVER, RequestOptions::default()));
    let _ = world.poll_client();
    assert_eq!(world.written(), "");
}

#[test]
fn a_deadline_is_kept_by_the_alarm() {
    let (mut world, handle) = world(profile());
    let options = RequestOptions::default().deadlines(Some(Duration::from_secs(1)), None);
    let mut answer = handle.request("tools/call", NEVER, options);
    let _ = world.turn();
    world.clock.pass(Duration::from_secs(2));
    let _ = world.turn();
    assert_eq!(
        poll(&mut answer),
        Poll::Ready(Ok(Outcome::TimedOut(Limit::Idle)))
    );
}

#[test]
fn the_end_of_the_last_handle_ends_both_sides() {
    let (mut world, handle) = world(profile());
    let other = handle.clone();
    let mut answer = other.request("tools/call", echo_of("x"), RequestOptions::default());
    drop(handle);
    drop(other);
    let ended = world.turn();
    assert!(matches!(
        poll(&mut answer),
        Poll::Ready(Ok(Outcome::Complete(_)))
    ));
    assert_eq!(
        ended,
        (
            Poll::Ready(Ended::EndOfInput),
            Poll::Ready(Ended::EndOfInput)
        )
    );
}

#[test]
fn the_last_answer_ends_the_connection_that_nobody_holds_any_more() {
    let (mut world, handle) = world(profile());
    let options = RequestOptions::default();
    let mut answer = handle.request("tools/call", echo_of("x"), options);
    assert!(world.poll_client().is_pending());
    drop(handle);
    // Woken by the handle first, by the answer only then, and by nothing after it.
    assert!(world.poll_client().is_pending());
    assert!(world.poll_server().is_pending());
    assert!(world.poll_client().is_pending());
    assert!(world.client_end.writes.borrow().closed);
    assert!(matches!(
        poll(&mut answer),
        Poll::Ready(Ok(Outcome::Complete(_)))
    ));
}

#[test]
fn what_was_asked_before_the_last_handle_went_has_its_own_deadlines() {
    let (mut world, handle) = world(profile());
    let bound = Limits::default().shutdown_bound;
    let options = RequestOptions::default().deadlines(Some(bound * 3), None);
    let mut answer = handle.request("tools/call", NEVER, options);
    drop(handle);
    let _ = world.turn();
    world.clock.pass(bound * 2);
    assert!(world.turn().0.is_pending());
    assert!(poll(&mut answer).is_pending());
    world.clock.pass(bound);
    let _ = world.turn();
    assert_eq!(
        poll(&mut answer),
        Poll::Ready(Ok(Outcome::TimedOut(Limit::Idle)))
    );
}

#[test]
fn a_server_that_is_gone_loses_what_was_asked_and_refuses_what_is_asked_then() {
    let (mut world, handle) = world(profile());
    let mut answer = handle.request("tools/call", NEVER, RequestOptions::default());
    let _ = world.turn();
    world.client_end.reads.borrow_mut().closed = true;
    assert_eq!(world.poll_client(), Poll::Ready(Ended::EndOfInput));
    assert_eq!(poll(&mut answer), Poll::Ready(Ok(Outcome::Lost)));
    assert!(world.heard.borrow().last().unwrap().contains("Closed"));
    let mut late = handle.request("ping", "", RequestOptions::default());
    assert_eq!(poll(&mut late), Poll::Ready(Err(Refused::Closed(()))));
}

#[test]
fn what_a_server_said_before_it_hung_up_is_heard() {
    let (mut world, handle) = world(profile());
    let options = RequestOptions::default();
    let mut answered = handle.request("tools/call", echo_of("x"), options);
    let mut lost = handle.request("tools/call", NEVER, options);
    let _ = world.poll_client();
    let _ = world.poll_server();
    world.client.hang_up();
    assert_eq!(world.poll_client(), Poll::Ready(Ended::PeerGone));
    assert!(matches!(
        poll(&mut answered),
        Poll::Ready(Ok(Outcome::Complete(_)))
    ));
    assert_eq!(poll(&mut lost), Poll::Ready(Ok(Outcome::Lost)));
    assert!(world.heard.borrow().last().unwrap().contains("Closed"));
}

#[test]
fn a_connection_that_is_dropped_leaves_nobody_waiting() {
    let (mut world, handle) = world(profile());
    let mut sent = handle.request("tools/call", NEVER, RequestOptions::default());
    let _ = world.turn();
    let mut waiting = handle.request("ping", "", RequestOptions::default());
    drop(world);
    assert_eq!(poll(&mut sent), Poll::Ready(Ok(Outcome::Lost)));
    assert_eq!(poll(&mut waiting), Poll::Ready(Err(Refused::Closed(()))));
}

#[test]
fn a_shutdown_has_a_bound() {
    let (mut world, handle) = world(profile());
    let mut answer = handle.request("tools/call", NEVER, RequestOptions::default());
    let _ = world.turn();
    world.client.shutdown();
    assert_eq!(world.turn().0, Poll::Pending);
    let mut late = handle.request("ping", "", RequestOptions::default());
    assert_eq!(poll(&mut late), Poll::Ready(Err(Refused::Closed(()))));
    world.clock.pass(Limits::default().shutdown_bound);
    assert_eq!(world.turn().0, Poll::Ready(Ended::ShutdownBound));
    drop(world);
    assert_eq!(poll(&mut answer), Poll::Ready(Ok(Outcome::Lost)));
}

#[test]
fn no_more_may_wait_to_be_said_than_the_limit() {
    let limits = Limits {
        max_requests: 2,
        ..Limits::default()
    };
    let (mut world, handle) = world(ClientProfile {
        limits,
        ..profile()
    });
    let options = RequestOptions::default();
    let mut answers: Vec<_> = (0..3)
        .map(|_| handle.request("tools/call", NEVER, options))
        .collect();
    assert_eq!(
        poll(&mut answers[2]),
        Poll::Ready(Err(Refused::AtCapacity(())))
    );
    let _ = world.turn();
    assert!(answers[..2].iter().all(|answer| answer.id().is_some()));
    let mut more = handle.request("tools/call", NEVER, options);
    let _ = world.turn();
    assert_eq!(poll(&mut more), Poll::Ready(Err(Refused::AtCapacity(()))));
}

#[test]
fn what_a_legacy_server_asks_is_answered_through_the_handle() {
    let capabilities: ClientCapabilities = serde_json::from_str(r#"{"roots":{}}"#).unwrap();
    let (machine, handle) = {
        let asked = Rc::new(RefCell::new(None::<ClientHandle>));
        let answers = Rc::clone(&asked);
        let hears = move |event: ClientEvent<Token>| {
            if let (ClientEvent::Asked { id, .. }, Some(handle)) = (event, &*answers.borrow()) {
                handle.respond(id, r#"{"roots":[]}"#).unwrap();
            }
        };
        let profile = ClientProfile {
            capabilities,
            revision: Revision::V2025_11_25,
            ..profile()
        };
        let (machine, handle) = client(Arc::new(ClientConfig::compile(profile)), hears);
        *asked.borrow_mut() = Some(handle.clone());
        (machine, handle)
    };
    let mut end = End::default();
    let ask = "{\"jsonrpc\":\"2.0\",\"id\":\"r\",\"method\":\"roots/list\"}\n";
    end.reads.borrow_mut().bytes.extend(ask.as_bytes());
    let mut pump = Pump::new(machine, StreamOptions::default());
    let mut cx = Context::from_waker(Waker::noop());
    assert!(
        pump.poll(&mut cx, &mut end, &mut Clock::default())
            .is_pending()
    );
    let written: Vec<u8> = end.writes.borrow().bytes.iter().copied().collect();
    assert_eq!(
        String::from_utf8(written).unwrap(),
        "{\"jsonrpc\":\"2.0\",\"id\":\"r\",\"result\":{\"roots\":[]}}\n"
    );
    drop(handle);
}
