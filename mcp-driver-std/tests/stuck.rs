//! Handlers that do not come back, on one connection over a socket pair: whom they delay, and what becomes of them.

#![cfg(unix)]

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mcp_driver_std::{Ended, StdRuntime, Stopper, StreamOptions};
use mcp_server::proto::limits::Limits;
use mcp_server::{Context, Server, State, tool};
use serde_json::Value;

/// Longer than anything here takes on the busiest machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the handlers share with the test.
#[derive(Default)]
struct World {
    gate: Mutex<bool>,
    opened: Condvar,
    started: AtomicUsize,
    told: AtomicUsize,
}

impl World {
    fn open(&self) {
        *self.gate.lock().unwrap() = true;
        self.opened.notify_all();
    }

    fn wait(&self) {
        let gate = self.gate.lock().unwrap();
        drop(self.opened.wait_while(gate, |open| !*open).unwrap());
    }

    fn until(&self, what: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !what(self) {
            assert!(start.elapsed() < PATIENCE, "it never came to that");
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Says it again
#[tool]
fn echo(text: String) -> String {
    text
}

/// Blocks the thread that it runs on until the gate opens, as people write it
#[tool]
fn hold(world: State<Arc<World>>) -> &'static str {
    world.started.fetch_add(1, Ordering::SeqCst);
    world.wait();
    "held"
}

/// Computes until nobody wants it any more
#[tool]
fn spin(ctx: Context, world: State<Arc<World>>) -> &'static str {
    world.started.fetch_add(1, Ordering::SeqCst);
    while !ctx.is_cancelled() {
        thread::sleep(Duration::from_millis(1));
    }
    world.told.fetch_add(1, Ordering::SeqCst);
    "spun"
}

/// Reports before it blocks
#[tool]
fn report(ctx: Context, world: State<Arc<World>>) -> &'static str {
    ctx.progress(1.0, None, Some("blocking now"));
    world.wait();
    "reported"
}

/// Awaits and blocks in turn
#[tool]
async fn mixed(ctx: Context, world: State<Arc<World>>) -> &'static str {
    ctx.sleep(Duration::from_millis(5)).await;
    world.started.fetch_add(1, Ordering::SeqCst);
    world.wait();
    ctx.sleep(Duration::from_millis(5)).await;
    "mixed"
}

/// Blocks and then panics
#[tool]
fn panics(world: State<Arc<World>>) -> &'static str {
    world.started.fetch_add(1, Ordering::SeqCst);
    world.wait();
    panic!("on purpose")
}

/// Holds what blocks when it is dropped
#[tool]
async fn clings(ctx: Context, world: State<Arc<World>>) -> &'static str {
    struct Clings(Arc<World>);
    impl Drop for Clings {
        fn drop(&mut self) {
            self.0.told.fetch_add(1, Ordering::SeqCst);
            self.0.wait();
        }
    }
    let clings = Clings(Arc::clone(&world));
    world.started.fetch_add(1, Ordering::SeqCst);
    ctx.sleep(PATIENCE).await;
    drop(clings);
    "clung"
}

struct Peer {
    world: Arc<World>,
    stopper: Stopper,
    reader: BufReader<UnixStream>,
    writer: UnixStream,
    server: JoinHandle<Ended>,
}

impl Peer {
    fn new(runtime: &StdRuntime) -> Self {
        let world = Arc::<World>::default();
        let server = Server::new("stuck", "1.0.0")
            .state(Arc::clone(&world))
            .limits(Limits {
                shutdown_bound: Duration::from_millis(300),
                ..Limits::default()
            })
            .tool(echo)
            .tool(hold)
            .tool(spin)
            .tool(report)
            .tool(mixed)
            .tool(panics)
            .tool(clings);
        let (ours, theirs) = UnixStream::pair().unwrap();
        let stopper = Stopper::new();
        let (runtime, stop) = (runtime.clone(), stopper.clone());
        let server = thread::spawn(move || {
            let input = theirs.try_clone().unwrap();
            let options = StreamOptions::default();
            runtime
                .serve_io(server, input, theirs, options, &stop)
                .unwrap()
        });
        ours.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut peer = Self {
            world,
            stopper,
            reader: BufReader::new(ours.try_clone().unwrap()),
            writer: ours,
            server,
        };
        peer.say(r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}"#);
        assert_eq!(peer.next()["id"], 0);
        peer.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        peer
    }

    fn say(&mut self, line: &str) {
        self.writer
            .write_all(format!("{line}\n").as_bytes())
            .unwrap();
    }

    fn call(&mut self, id: usize, tool: &str) {
        let arguments = if tool == "echo" {
            r#"{"text":"cheap"}"#
        } else {
            "{}"
        };
        self.say(&format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments},"_meta":{{"progressToken":{id}}}}}}}"#
        ));
    }

    fn cancel(&mut self, id: usize) {
        self.say(&format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
        ));
    }

    fn next(&mut self) -> Value {
        let mut line = String::new();
        self.reader.read_line(&mut line).expect("in time");
        serde_json::from_str(&line).expect("a message")
    }

    /// A cheap call is answered, and nothing comes before its answer.
    fn works(&mut self, id: usize) {
        self.call(id, "echo");
        let answer = self.next();
        assert_eq!(answer["id"], id, "{answer}");
        assert_eq!(answer["result"]["content"][0]["text"], "cheap");
    }

    fn ended(self) -> Ended {
        self.server.join().unwrap()
    }
}

#[test]
fn blocked_handlers_delay_no_cheap_call() {
    let mut peer = Peer::new(&StdRuntime::new());
    for id in 1..=20 {
        peer.call(id, if id % 2 == 0 { "hold" } else { "mixed" });
        peer.works(100 + id);
    }
    peer.world
        .until(|world| world.started.load(Ordering::SeqCst) == 20);
    peer.works(200);
    peer.world.open();
    let mut answered: Vec<u64> = (0..20)
        .map(|_| peer.next()["id"].as_u64().unwrap())
        .collect();
    answered.sort_unstable();
    assert_eq!(answered, (1..=20).collect::<Vec<_>>());
    peer.works(300);
}

#[test]
fn beyond_the_bound_calls_wait_and_everything_else_is_heard() {
    let mut peer = Peer::new(&StdRuntime::with_blocking_threads(2));
    for id in 1..=4 {
        peer.call(id, "hold");
    }
    peer.world
        .until(|world| world.started.load(Ordering::SeqCst) == 2);
    peer.say(r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#);
    assert_eq!(peer.next()["id"], "p");
    peer.cancel(3);
    peer.say(r#"{"jsonrpc":"2.0","id":"q","method":"ping"}"#);
    assert_eq!(peer.next()["id"], "q");
    peer.world.open();
    let mut answered: Vec<u64> = (0..3)
        .map(|_| peer.next()["id"].as_u64().unwrap())
        .collect();
    answered.sort_unstable();
    assert_eq!(answered, [1, 2, 4]);
    assert_eq!(peer.world.started.load(Ordering::SeqCst), 3);
    peer.works(5);
}

#[test]
fn a_peer_that_leaves_while_its_call_waits_does_not_take_the_turn_of_the_next() {
    let runtime = StdRuntime::with_blocking_threads(1);
    let mut busy = Peer::new(&runtime);
    let (mut leaves, mut waits) = (Peer::new(&runtime), Peer::new(&runtime));
    busy.call(1, "hold");
    busy.world
        .until(|world| world.started.load(Ordering::SeqCst) == 1);
    for peer in [&mut leaves, &mut waits] {
        peer.call(1, "echo");
        // It is in the queue when what came after it is answered.
        peer.say(r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#);
        assert_eq!(peer.next()["id"], "p");
    }
    let Peer {
        stopper, server, ..
    } = leaves;
    stopper.stop_now();
    server.join().unwrap();
    busy.world.open();
    assert_eq!(waits.next()["id"], 1);
    assert_eq!(busy.next()["id"], 1);
}

#[test]
fn a_handler_that_is_stuck_is_told_that_its_call_was_cancelled() {
    let mut peer = Peer::new(&StdRuntime::new());
    peer.call(1, "spin");
    peer.world
        .until(|world| world.started.load(Ordering::SeqCst) == 1);
    peer.cancel(1);
    peer.world
        .until(|world| world.told.load(Ordering::SeqCst) == 1);
    peer.works(2);
}

#[test]
fn a_cancelled_call_that_clings_to_what_it_holds_delays_no_other_call() {
    let mut peer = Peer::new(&StdRuntime::new());
    for id in 1..=40 {
        peer.call(id, "clings");
    }
    peer.world
        .until(|world| world.started.load(Ordering::SeqCst) == 40);
    // In one piece, which is more than is read ahead.
    let cancel = |id| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
        )
    };
    let all: Vec<String> = (1..=40).map(cancel).collect();
    peer.say(&all.join("\n"));
    peer.world
        .until(|world| world.told.load(Ordering::SeqCst) >= 1);
    peer.works(100);
    peer.world.open();
    peer.world
        .until(|world| world.told.load(Ordering::SeqCst) == 40);
    peer.works(101);
}

#[test]
fn what_a_blocked_handler_has_said_is_not_kept() {
    let mut peer = Peer::new(&StdRuntime::new());
    peer.call(1, "report");
    let progress = peer.next();
    assert_eq!(progress["params"]["message"], "blocking now", "{progress}");
    peer.world.open();
    assert_eq!(peer.next()["id"], 1);
}

#[test]
fn a_late_panic_fails_its_call_alone() {
    let mut peer = Peer::new(&StdRuntime::new());
    peer.call(1, "panics");
    peer.works(2);
    peer.world
        .until(|world| world.started.load(Ordering::SeqCst) == 1);
    peer.world.open();
    let answer = peer.next();
    assert_eq!(answer["id"], 1);
    assert_eq!(answer["error"]["code"], -32603, "{answer}");
    peer.works(3);
}

#[test]
fn calls_that_are_stuck_at_the_end_of_the_input_are_answered_if_they_come_back_in_time() {
    let mut peer = Peer::new(&StdRuntime::new());
    peer.call(1, "hold");
    peer.world
        .until(|world| world.started.load(Ordering::SeqCst) == 1);
    peer.writer.shutdown(std::net::Shutdown::Write).unwrap();
    peer.world.open();
    assert_eq!(peer.next()["id"], 1);
    assert_eq!(peer.ended(), Ended::EndOfInput);
}

#[test]
fn nobody_waits_longer_than_the_bound_for_a_handler_that_is_stuck() {
    for input_ends in [true, false] {
        let mut peer = Peer::new(&StdRuntime::new());
        peer.call(1, "spin");
        peer.world
            .until(|world| world.started.load(Ordering::SeqCst) == 1);
        let world = Arc::clone(&peer.world);
        if input_ends {
            peer.writer.shutdown(std::net::Shutdown::Write).unwrap();
        } else {
            peer.stopper.stop();
        }
        assert_eq!(peer.ended(), Ended::ShutdownBound);
        // Its thread has been told, too.
        world.until(|world| world.told.load(Ordering::SeqCst) == 1);
    }
}

#[test]
fn an_end_at_once_waits_for_nothing() {
    let mut peer = Peer::new(&StdRuntime::new());
    peer.call(1, "spin");
    peer.world
        .until(|world| world.started.load(Ordering::SeqCst) == 1);
    let world = Arc::clone(&peer.world);
    peer.stopper.stop_now();
    assert_eq!(peer.ended(), Ended::ShutdownBound);
    world.until(|world| world.told.load(Ordering::SeqCst) == 1);
}

#[test]
fn a_flood_of_calls_is_answered_in_full() {
    let mut peer = Peer::new(&StdRuntime::with_blocking_threads(1));
    let mut writer = peer.writer.try_clone().unwrap();
    let flood = thread::spawn(move || {
        for id in 0..5000 {
            let line = format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"tools/call\",\"params\":{{\"name\":\"echo\",\"arguments\":{{\"text\":\"n\"}}}}}}\n"
            );
            writer.write_all(line.as_bytes()).unwrap();
        }
    });
    let mut answered: Vec<u64> = (0..5000)
        .map(|_| peer.next()["id"].as_u64().unwrap())
        .collect();
    flood.join().unwrap();
    answered.sort_unstable();
    assert!(answered.into_iter().eq(0..5000));
}
