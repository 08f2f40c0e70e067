//! The loop with the stdio framing over real sockets: what is its own, beside what every driver has to do.

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use mcp_driver_mio::{Ended, EventLoop, Job, ListenOptions, LoopOptions, StreamOptions};
use mcp_server::proto::limits::Limits;
use mcp_server::{Context, Server, tool};
use support::{Client, PATIENCE, call, serve, tcp};

/// Answers at once.
#[tool]
fn echo(text: String) -> String {
    text
}

/// Returns many bytes.
#[tool]
fn large(bytes: usize) -> String {
    "x".repeat(bytes)
}

/// Sleeps and answers.
#[tool]
async fn slow(ms: u64, ctx: Context) -> String {
    ctx.sleep(Duration::from_millis(ms)).await;
    format!("slept {ms}")
}

/// Says on which thread it runs.
#[tool]
async fn thread() -> String {
    format!("{:?}", std::thread::current().id())
}

/// Says on which thread it runs.
#[tool(spawn)]
async fn spawned() -> String {
    format!("{:?}", std::thread::current().id())
}

/// Says on which thread it runs.
#[tool(blocking)]
fn blocking() -> String {
    format!("{:?}", std::thread::current().id())
}

/// Completes on a thread that waits for a while.
#[tool]
async fn elsewhere(ms: u64) -> String {
    let shared = Arc::new((AtomicBool::new(false), Mutex::new(None::<Waker>)));
    let theirs = Arc::clone(&shared);
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(ms));
        theirs.0.store(true, Ordering::SeqCst);
        let waker = theirs.1.lock().unwrap().take();
        waker.expect("it was polled").wake();
    });
    std::future::poll_fn(|cx| {
        *shared.1.lock().unwrap() = Some(cx.waker().clone());
        if shared.0.load(Ordering::SeqCst) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    "elsewhere".to_owned()
}

static DROPPED: AtomicUsize = AtomicUsize::new(0);

/// Never answers.
#[tool]
async fn forever() -> String {
    struct Guard;
    impl Drop for Guard {
        fn drop(&mut self) {
            DROPPED.fetch_add(1, Ordering::SeqCst);
        }
    }
    let _guard = Guard;
    std::future::pending().await
}

fn server() -> Server {
    Server::new("mio", "1.0.0")
        .tool(echo)
        .tool(large)
        .tool(slow)
        .tool(thread)
        .tool(spawned)
        .tool(blocking)
        .tool(elsewhere)
        .tool(forever)
}

fn short_bound() -> Server {
    server().limits(Limits {
        shutdown_bound: Duration::from_millis(100),
        ..Limits::default()
    })
}

/// Waits until something is so.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn both_eras_are_served_and_everything_ends_with_its_loop() {
    let served = tcp(server(), ListenOptions::default());
    let mut client = Client::connect(served.given.0);
    client.call(1, "echo", r#"{"text":"modern"}"#);
    assert_eq!(client.text(1), "modern");
    client.send(r#"{"jsonrpc":"2.0","id":2,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"0"}}}"#);
    let initialized = client.next().unwrap();
    assert_eq!(initialized["result"]["protocolVersion"], "2025-11-25");
    let (_, listener) = served.end();
    client.sees_the_end();
    assert!(listener.is_over());
    assert_eq!((listener.connections(), listener.dropped()), (0, 0));
}

#[test]
fn a_slow_call_delays_nobody_and_the_timers_are_the_loop_s() {
    let served = tcp(server(), ListenOptions::default());
    let mut clients: Vec<_> = (0..20).map(|_| Client::connect(served.given.0)).collect();
    for client in &mut clients {
        client.call(1, "slow", r#"{"ms":80}"#);
        client.call(2, "elsewhere", r#"{"ms":20}"#);
        client.call(3, "echo", r#"{"text":"quick"}"#);
    }
    for client in &mut clients {
        assert_eq!(client.text(3), "quick");
        assert_eq!(client.text(2), "elsewhere");
        assert_eq!(client.text(1), "slept 80");
    }
    served.end();
}

#[test]
fn without_a_pool_everything_runs_on_the_loop_s_thread() {
    let served = serve(LoopOptions::default(), listen);
    let (address, thread) = served.given;
    let mut client = Client::connect(address);
    for (id, name) in [(1, "thread"), (2, "spawned"), (3, "blocking")] {
        client.call(id, name, "{}");
        assert_eq!(client.text(id), format!("{thread:?}"), "{name}");
    }
    served.end();
}

#[test]
fn with_a_pool_blocking_work_runs_there() {
    let (give, work) = mpsc::channel::<Job>();
    let pool = std::thread::spawn(move || work.into_iter().for_each(Job::run));
    let pool_id = pool.thread().id();
    let options = LoopOptions::default().with_pool(1, move |job| give.send(job).unwrap());
    let served = serve(options, listen);
    let mut client = Client::connect(served.given.0);
    client.call(1, "blocking", "{}");
    assert_eq!(client.text(1), format!("{pool_id:?}"));
    served.end();
    pool.join().unwrap();
}

fn listen(event_loop: &mut EventLoop) -> (std::net::SocketAddr, ThreadId) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let options = ListenOptions::default();
    event_loop
        .driver()
        .serve_tcp(listener, server(), options)
        .unwrap();
    (address, std::thread::current().id())
}

#[test]
fn a_peer_that_floods_starves_nobody() {
    let served = tcp(server(), ListenOptions::default());
    let stop = Arc::new(AtomicBool::new(false));
    let floods: Vec<_> = (0..2)
        .map(|_| {
            let mut stream = TcpStream::connect(served.given.0).unwrap();
            let mut sink = stream.try_clone().unwrap();
            std::thread::spawn(move || std::io::copy(&mut sink, &mut std::io::sink()));
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || {
                let lines = format!("{}\n", call(1, "echo", r#"{"text":"flood"}"#)).repeat(500);
                let mut sent = 0_u64;
                while !stop.load(Ordering::Relaxed) && stream.write_all(lines.as_bytes()).is_ok() {
                    sent += 500;
                }
                sent
            })
        })
        .collect();
    let mut client = Client::connect(served.given.0);
    for id in 0..50 {
        client.call(id, "echo", r#"{"text":"quiet"}"#);
        assert_eq!(client.text(id), "quiet");
    }
    stop.store(true, Ordering::Relaxed);
    for flood in floods {
        assert!(flood.join().unwrap() > 0);
    }
    served.end();
}

#[test]
fn connections_beyond_the_limit_wait_for_a_place() {
    let mut options = ListenOptions::default();
    options.max_connections = 2;
    let served = tcp(server(), options);
    let mut inside: Vec<_> = (0..2).map(|_| Client::connect(served.given.0)).collect();
    for client in &mut inside {
        client.call(1, "echo", r#"{"text":"in"}"#);
        assert_eq!(client.text(1), "in");
    }
    let mut waiting = Client::connect(served.given.0);
    waiting.call(1, "echo", r#"{"text":"late"}"#);
    inside[0].call(2, "echo", r#"{"text":"still"}"#);
    assert_eq!(inside[0].text(2), "still");
    assert_eq!(served.given.1.connections(), 2);
    drop(inside.pop());
    assert_eq!(waiting.text(1), "late");
    served.end();
}

#[test]
fn the_end_of_the_input_ends_a_connection_after_its_answers() {
    let served = tcp(server(), ListenOptions::default());
    let mut client = Client::connect(served.given.0);
    client.call(1, "slow", r#"{"ms":60}"#);
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.text(1), "slept 60");
    client.sees_the_end();
    // A peer that is cut off in the middle of a message hurts nobody.
    let mut cut = TcpStream::connect(served.given.0).unwrap();
    cut.write_all(br#"{"jsonrpc":"2.0","id":1,"meth"#).unwrap();
    drop(cut);
    let listener = served.given.1.clone();
    until("every connection ends", || listener.connections() == 0);
    served.end();
}

#[test]
fn a_peer_that_reads_nothing_is_dropped_and_its_calls_with_it() {
    let mut options = ListenOptions::default();
    options.stream = options.stream.with_write_stall(Duration::from_millis(100));
    let served = tcp(server(), options);
    let mut stalled = TcpStream::connect(served.given.0).unwrap();
    for id in 0..8 {
        let line = format!("{}\n", call(id, "large", r#"{"bytes":4000000}"#));
        stalled.write_all(line.as_bytes()).unwrap();
    }
    let listener = served.given.1.clone();
    until("it was accepted", || listener.connections() == 1);
    until("it is dropped", || listener.connections() == 0);
    let mut well = Client::connect(served.given.0);
    well.call(1, "echo", r#"{"text":"well"}"#);
    assert_eq!(well.text(1), "well");
    let mut rest = Vec::new();
    // What was under way may still arrive; the end does.
    let _ = stalled.read_to_end(&mut rest);
    served.end();
}

#[test]
fn an_answer_larger_than_every_buffer_arrives() {
    let served = tcp(server(), ListenOptions::default());
    let mut client = Client::connect(served.given.0);
    client.call(1, "large", r#"{"bytes":3000000}"#);
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(client.text(1).len(), 3_000_000);
    served.end();
}

#[test]
fn a_call_that_never_ends_is_dropped_when_the_time_to_end_is_over() {
    let served = tcp(short_bound(), ListenOptions::default());
    let mut client = Client::connect(served.given.0);
    let before = DROPPED.load(Ordering::SeqCst);
    client.call(1, "forever", "{}");
    client.call(2, "echo", r#"{"text":"begun"}"#);
    assert_eq!(client.text(2), "begun");
    let (_, listener) = served.end();
    assert_eq!(listener.dropped(), 1);
    assert!(DROPPED.load(Ordering::SeqCst) > before);
    client.sees_the_end();
}

#[test]
fn a_cancelled_call_is_dropped() {
    let served = tcp(server(), ListenOptions::default());
    let mut client = Client::connect(served.given.0);
    let before = DROPPED.load(Ordering::SeqCst);
    client.call(1, "forever", "{}");
    client.send(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#);
    client.call(2, "echo", r#"{"text":"after"}"#);
    assert_eq!(client.text(2), "after");
    assert!(DROPPED.load(Ordering::SeqCst) > before);
    served.end();
}

#[test]
fn one_connection_is_served_until_it_ends_and_says_why() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = Client::connect(listener.local_addr().unwrap());
    let served = serve(LoopOptions::default(), move |event_loop| {
        let (stream, _) = listener.accept().unwrap();
        let options = StreamOptions::default();
        let handle = event_loop
            .driver()
            .serve_tcp_stream(stream, server(), options);
        handle.unwrap()
    });
    client.call(1, "echo", r#"{"text":"one"}"#);
    assert_eq!(client.text(1), "one");
    assert_eq!(served.given.ended(), None);
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(served.join().ended(), Some(Ended::EndOfInput));
}

#[test]
fn one_listener_ends_while_another_goes_on() {
    let served = serve(LoopOptions::default(), |event_loop| {
        let mut listen = || {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let options = ListenOptions::default();
            let handle = event_loop.driver().serve_tcp(listener, server(), options);
            (address, handle.unwrap())
        };
        [listen(), listen()]
    });
    let [mut one, mut two] = served
        .given
        .each_ref()
        .map(|(address, _)| Client::connect(*address));
    for client in [&mut one, &mut two] {
        client.call(1, "echo", r#"{"text":"both"}"#);
        assert_eq!(client.text(1), "both");
    }
    served.given[0].1.shutdown();
    one.sees_the_end();
    let over = served.given[0].1.clone();
    until("the listener is over", || over.is_over());
    assert!(TcpStream::connect(served.given[0].0).is_err());
    two.call(2, "echo", r#"{"text":"on"}"#);
    assert_eq!(two.text(2), "on");
    served.end();
}

#[cfg(unix)]
#[test]
fn a_unix_socket_is_served_like_tcp() {
    use std::io::{BufRead, BufReader};
    use std::os::unix::net::{UnixListener, UnixStream};

    let path = std::env::temp_dir().join(format!("mcp-mio-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).unwrap();
    let served = serve(LoopOptions::default(), |event_loop| {
        let options = ListenOptions::default();
        event_loop
            .driver()
            .serve_unix(listener, server(), options)
            .unwrap()
    });
    let mut stream = UnixStream::connect(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let line = format!("{}\n", call(1, "echo", r#"{"text":"unix"}"#));
    stream.write_all(line.as_bytes()).unwrap();
    let mut answer = String::new();
    BufReader::new(&stream).read_line(&mut answer).unwrap();
    assert!(answer.contains("unix"), "{answer}");
    served.end();
}

#[test]
fn polling_from_outside_never_waits_longer_than_it_is_told() {
    let mut event_loop = EventLoop::new().unwrap();
    let (address, _) = listen(&mut event_loop);
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nonblocking(true).unwrap();
    (&stream)
        .write_all(format!("{}\n", call(1, "echo", r#"{"text":"turn"}"#)).as_bytes())
        .unwrap();
    let mut answer = [0; 4096];
    let mut turns = 0;
    let read = loop {
        event_loop
            .poll_once(Some(Duration::from_millis(5)))
            .unwrap();
        turns += 1;
        assert!(turns < 1000);
        match (&stream).read(&mut answer) {
            Ok(read) => break read,
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
        }
    };
    assert!(String::from_utf8_lossy(&answer[..read]).contains("turn"));
    assert!(!event_loop.driver().is_over());
    event_loop.driver().shutdown();
    event_loop.run().unwrap();
}

#[test]
fn what_other_machines_reach_is_refused() {
    let mut event_loop = EventLoop::new().unwrap();
    let listener = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let refused = event_loop
        .driver()
        .serve_tcp(listener, server(), ListenOptions::default());
    assert_eq!(
        refused.unwrap_err().kind(),
        std::io::ErrorKind::PermissionDenied
    );
    assert!(event_loop.driver().is_over());
}
