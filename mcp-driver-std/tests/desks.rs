//! Handlers that do not come back, over HTTP, where many connections share a thread: whom they delay, and what becomes of
//! them.

#![cfg(all(target_os = "linux", feature = "http"))]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mcp_driver_std::Stopper;
use mcp_driver_std::http::{Report, ServeOptions, serve_http};
use mcp_server::proto::limits::Limits;
use mcp_server::{Server, State, tool};

/// Longer than anything here takes on the busiest machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// More than there are processors on any machine that runs this, so that several connections share a thread.
const MANY: usize = 300;

/// What the handlers share with the test.
#[derive(Default)]
struct World {
    gate: Mutex<bool>,
    opened: Condvar,
    started: AtomicUsize,
}

impl World {
    fn open(&self) {
        *self.gate.lock().unwrap() = true;
        self.opened.notify_all();
    }

    fn until_started(&self, count: usize) {
        let start = Instant::now();
        while self.started.load(Ordering::SeqCst) < count {
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
fn hold(text: String, world: State<Arc<World>>) -> String {
    world.started.fetch_add(1, Ordering::SeqCst);
    let gate = world.gate.lock().unwrap();
    drop(world.opened.wait_while(gate, |open| !*open).unwrap());
    text
}

/// Panics
#[tool]
fn panics(text: String) -> String {
    panic!("on purpose: {text}")
}

struct Host {
    world: Arc<World>,
    address: SocketAddr,
    stopper: Stopper,
    server: JoinHandle<Report>,
}

impl Host {
    fn new() -> Self {
        let world = Arc::<World>::default();
        let server = Server::new("desks", "1.0.0")
            .state(Arc::clone(&world))
            .limits(Limits {
                shutdown_bound: Duration::from_millis(300),
                ..Limits::default()
            })
            .tool(echo)
            .tool(hold)
            .tool(panics);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stopper = Stopper::new();
        let stop = stopper.clone();
        let server = thread::spawn(move || {
            serve_http(listener, server, ServeOptions::default(), &stop).unwrap()
        });
        Self {
            world,
            address,
            stopper,
            server,
        }
    }

    fn peer(&self) -> Peer {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Peer(stream)
    }

    fn peers(&self, count: usize) -> Vec<Peer> {
        (0..count).map(|_| self.peer()).collect()
    }

    fn ended(self) -> usize {
        self.server.join().unwrap().dropped
    }
}

struct Peer(TcpStream);

impl Peer {
    fn call(&mut self, tool: &str) {
        let call = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{{"text":"hello"}},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{{"name":"c","version":"1"}},"io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
        );
        let request = format!(
            "POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             accept: application/json, text/event-stream\r\nmcp-protocol-version: 2026-07-28\r\n\
             mcp-method: tools/call\r\nmcp-name: {tool}\r\ncontent-length: {}\r\n\r\n{call}",
            call.len()
        );
        self.0.write_all(request.as_bytes()).unwrap();
    }

    /// One answer, up to the end of what it says.
    fn answer(&mut self) -> String {
        let mut answer = Vec::new();
        let mut piece = [0; 4096];
        loop {
            let read = self.0.read(&mut piece).expect("in time");
            assert!(read > 0, "{}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&piece[..read]);
            let text = String::from_utf8_lossy(&answer);
            if text.contains("hello") || text.contains("-32603") {
                return text.into_owned();
            }
        }
    }

    fn works(&mut self) {
        self.call("echo");
        let answer = self.answer();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    fn is_closed(&mut self) -> bool {
        let mut piece = [0; 4096];
        self.0.read(&mut piece).map_or(true, |read| read == 0)
    }
}

/// The threads of this process that have the pool's name.
fn threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.trim_end() == "mcp").count()
}

#[test]
fn handlers_that_never_come_back_delay_no_other_connection() {
    let host = Host::new();
    let mut stuck = host.peers(64);
    let mut others = host.peers(8);
    others.iter_mut().for_each(Peer::works);
    for (before, peer) in stuck.iter_mut().enumerate() {
        peer.call("hold");
        host.world.until_started(before + 1);
        others[before % 8].works();
    }
    // All at once, and several times.
    for _ in 0..20 {
        others.iter_mut().for_each(|peer| peer.call("echo"));
        for peer in &mut others {
            peer.answer();
        }
    }
    host.peer().works();
    host.world.open();
    for peer in &mut stuck {
        assert!(peer.answer().starts_with("HTTP/1.1 200"));
    }
    // What was stuck goes on as before.
    stuck.iter_mut().for_each(Peer::works);
    host.stopper.stop();
    assert_eq!(host.ended(), 0);
}

#[test]
fn a_connection_that_was_slow_is_slow_again_and_delays_nobody() {
    let host = Host::new();
    let (mut slow, mut others) = (host.peers(8), host.peers(8));
    for round in 1..=3 {
        *host.world.gate.lock().unwrap() = false;
        slow.iter_mut().for_each(|peer| peer.call("hold"));
        host.world.until_started(8 * round);
        others.iter_mut().for_each(Peer::works);
        host.world.open();
        for peer in &mut slow {
            peer.answer();
        }
    }
    host.stopper.stop();
    assert_eq!(host.ended(), 0);
}

#[test]
fn a_peer_that_leaves_while_its_handler_is_stuck_is_noticed_when_it_comes_back() {
    let host = Host::new();
    let mut stuck = host.peers(4);
    stuck.iter_mut().for_each(|peer| peer.call("hold"));
    host.world.until_started(4);
    drop(stuck);
    let mut other = host.peer();
    other.works();
    host.world.open();
    other.works();
    host.stopper.stop();
    assert_eq!(host.ended(), 0, "nobody is left to be waited for");
}

#[test]
fn an_end_waits_no_longer_than_its_bound_for_a_handler_that_is_stuck() {
    for at_once in [false, true] {
        let host = Host::new();
        let mut stuck = host.peers(2);
        stuck.iter_mut().for_each(|peer| peer.call("hold"));
        host.world.until_started(2);
        let mut other = host.peer();
        other.works();
        let world = Arc::clone(&host.world);
        if at_once {
            host.stopper.stop_now();
        } else {
            host.stopper.stop();
        }
        assert!(host.ended() >= 2);
        assert!(other.is_closed());
        // Its thread drops what it has when it comes back, and nobody leads the desk any more.
        world.open();
        for peer in &mut stuck {
            while !peer.is_closed() {}
        }
    }
}

#[test]
fn a_panic_ends_at_most_its_own_connection() {
    let host = Host::new();
    let mut others = host.peers(8);
    others.iter_mut().for_each(Peer::works);
    let mut peer = host.peer();
    peer.call("panics");
    peer.answer();
    others.iter_mut().for_each(Peer::works);
    host.stopper.stop();
    host.ended();
}

#[test]
fn pipelined_requests_are_answered_in_full() {
    let host = Host::new();
    let mut peers = host.peers(16);
    for peer in &mut peers {
        (0..10).for_each(|_| peer.call("echo"));
    }
    for peer in &mut peers {
        peer.0.shutdown(Shutdown::Write).unwrap();
        let mut answers = String::new();
        peer.0.read_to_string(&mut answers).unwrap();
        assert_eq!(answers.matches("HTTP/1.1 200").count(), 10);
    }
    host.stopper.stop();
    assert_eq!(host.ended(), 0);
}

#[test]
fn idle_connections_need_no_thread_each() {
    let host = Host::new();
    let mut peers = host.peers(MANY);
    peers.iter_mut().for_each(Peer::works);
    // Those of the other tests are counted as well.
    let most = MANY / 2;
    let started = Instant::now();
    while threads() >= most {
        assert!(started.elapsed() < PATIENCE, "{} threads", threads());
        thread::sleep(Duration::from_millis(10));
    }
    peers.iter_mut().for_each(Peer::works);
    host.stopper.stop();
    assert_eq!(host.ended(), 0);
}
