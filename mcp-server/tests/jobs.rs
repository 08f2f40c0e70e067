//! Calls that a driver runs outside of their connection.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context as Cx, Waker};

use bytes::{Buf, BytesMut};
use mcp_server::proto::outbox::Outbox;
use mcp_server::proto::time::{Instant, Now};
use mcp_server::{Connection, Context, Demand, InPlace, Job, Server, State, tool};

/// What the handlers of one test share with it.
#[derive(Default)]
struct Seen {
    runs: AtomicUsize,
    context: OnceLock<Context>,
    waker: Mutex<Option<Waker>>,
    go: AtomicBool,
}

/// Counts
#[tool]
fn count(seen: State<Arc<Seen>>) -> String {
    seen.runs.fetch_add(1, Ordering::SeqCst).to_string()
}

/// Shows its context to the test
#[tool]
fn show(ctx: Context, seen: State<Arc<Seen>>) -> &'static str {
    ctx.progress(1.0, None, None);
    let _ = seen.context.set(ctx);
    "shown"
}

/// Waits for the test
#[tool]
async fn wait(ctx: Context, seen: State<Arc<Seen>>) -> &'static str {
    let _ = seen.context.set(ctx);
    std::future::poll_fn(|cx| {
        *seen.waker.lock().unwrap() = Some(cx.waker().clone());
        if seen.go.load(Ordering::SeqCst) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    "waited"
}

/// Talks until the test lets it go
#[tool]
fn talk(ctx: Context, seen: State<Arc<Seen>>) -> &'static str {
    ctx.progress(1.0, None, None);
    let _ = seen.context.set(ctx);
    while !seen.go.load(Ordering::SeqCst) {
        std::thread::yield_now();
    }
    "talked"
}

/// Says when what it holds is dropped
#[tool]
async fn hold(seen: State<Arc<Seen>>) -> &'static str {
    struct Held(Arc<Seen>);
    impl Drop for Held {
        fn drop(&mut self) {
            self.0.runs.fetch_add(1, Ordering::SeqCst);
        }
    }
    let held = Held(Arc::clone(&seen));
    std::future::pending::<()>().await;
    drop(held);
    "held"
}

/// Panics
#[tool]
fn panics() -> &'static str {
    panic!("on purpose")
}

struct Bench {
    connection: Connection,
    input: BytesMut,
    out: Outbox,
    seen: Arc<Seen>,
}

const NOW: Now = Now {
    instant: Instant::from_micros(1),
    unix_ms: 0,
};

impl Bench {
    fn new() -> Self {
        let seen = Arc::<Seen>::default();
        let service = Server::new("jobs", "1.0.0")
            .state(Arc::clone(&seen))
            .tool(count)
            .tool(show)
            .tool(wait)
            .tool(talk)
            .tool(hold)
            .tool(panics)
            .build()
            .unwrap();
        let mut connection = Connection::new(service, Arc::new(InPlace), [7; 32]);
        connection.defer_calls(1);
        let mut bench = Self {
            out: connection.outbox(),
            connection,
            input: BytesMut::new(),
            seen,
        };
        bench.say(r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}"#);
        bench.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        bench.poll();
        assert!(bench.said().contains("serverInfo"));
        bench
    }

    fn say(&mut self, line: &str) {
        self.input.extend_from_slice(line.as_bytes());
        self.input.extend_from_slice(b"\n");
    }

    fn call(&mut self, id: u32, tool: &str) {
        self.say(&format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","_meta":{{"progressToken":{id}}}}}}}"#
        ));
    }

    fn cancel(&mut self, id: u32) {
        self.say(&format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
        ));
    }

    fn poll(&mut self) -> Demand {
        let mut cx = Cx::from_waker(Waker::noop());
        self.connection
            .poll(&mut cx, NOW, &mut self.input, &mut self.out)
    }

    fn job(&mut self) -> Job {
        self.poll();
        self.connection.take_job().expect("a job is ready")
    }

    fn put_back(&mut self, job: Job) {
        self.connection.put_back(job, NOW, &mut self.out);
    }

    fn said(&mut self) -> String {
        let bytes = self.out.copy_to_bytes(self.out.remaining());
        String::from_utf8(bytes.to_vec()).unwrap()
    }
}

#[test]
fn a_poll_runs_no_handler_and_reads_no_further_than_asked() {
    let mut bench = Bench::new();
    bench.call(1, "count");
    bench.call(2, "count");
    assert!(!bench.poll().read, "one call is enough");
    assert_eq!(bench.seen.runs.load(Ordering::SeqCst), 0);
    let mut job = bench.connection.take_job().unwrap();
    assert!(bench.connection.take_job().is_none());
    job.run(NOW);
    assert_eq!(bench.seen.runs.load(Ordering::SeqCst), 1);
    bench.put_back(job);
    assert!(bench.said().contains(r#""id":1"#));
    bench.connection.defer_calls(8);
    bench.call(3, "count");
    assert!(bench.poll().read, "there is room for more");
    for id in [2, 3] {
        let mut job = bench.connection.take_job().unwrap();
        job.run(NOW);
        bench.put_back(job);
        assert!(bench.said().contains(&format!(r#""id":{id}"#)));
    }
}

#[test]
fn other_messages_are_served_while_a_job_is_out() {
    let mut bench = Bench::new();
    bench.call(1, "count");
    let mut slow = bench.job();
    bench.say(r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#);
    bench.call(3, "count");
    let mut quick = bench.job();
    quick.run(NOW);
    bench.put_back(quick);
    let said = bench.said();
    assert!(
        said.contains(r#""id":2"#) && said.contains(r#""id":3"#) && !said.contains(r#""id":1"#)
    );
    slow.run(NOW);
    bench.put_back(slow);
    assert!(bench.said().contains(r#""id":1"#));
}

#[test]
fn who_runs_a_call_is_told_that_it_was_cancelled_and_nothing_is_said_of_it() {
    let mut bench = Bench::new();
    bench.call(1, "wait");
    let mut job = bench.job();
    job.run(NOW);
    let context = bench.seen.context.get().unwrap().clone();
    bench.call(2, "count");
    let mut fresh = bench.job();
    bench.cancel(1);
    bench.cancel(2);
    bench.poll();
    assert!(context.is_cancelled());
    fresh.run(NOW);
    assert_eq!(bench.seen.runs.load(Ordering::SeqCst), 0, "nobody wants it");
    bench.put_back(job);
    bench.put_back(fresh);
    bench.poll();
    assert!(bench.connection.take_job().is_none());
    assert_eq!(bench.said(), "");
}

#[test]
fn what_a_cancelled_call_holds_is_dropped_by_its_driver() {
    let mut bench = Bench::new();
    // One is parked when it is cancelled, one is out.
    bench.call(1, "hold");
    let mut job = bench.job();
    job.run(NOW);
    bench.put_back(job);
    bench.call(2, "hold");
    let mut out = bench.job();
    out.run(NOW);
    assert!(bench.connection.take_leftovers().is_none());
    bench.cancel(1);
    bench.cancel(2);
    assert!(!bench.poll().read, "first what was cancelled is dropped");
    let seen = Arc::clone(&bench.seen);
    let dropped = || seen.runs.load(Ordering::SeqCst);
    assert_eq!(dropped(), 0);
    drop(
        bench
            .connection
            .take_leftovers()
            .expect("the one that was parked"),
    );
    assert_eq!(dropped(), 1);
    assert!(bench.poll().read);
    bench.connection.put_back(out, NOW, &mut bench.out);
    assert_eq!(dropped(), 1);
    drop(
        bench
            .connection
            .take_leftovers()
            .expect("the one that was out"),
    );
    assert_eq!(dropped(), 2);
    assert!(bench.poll().read);
}

#[test]
fn the_place_of_a_cancelled_call_may_be_taken_by_another() {
    let mut bench = Bench::new();
    bench.call(1, "count");
    let mut first = bench.job();
    bench.cancel(1);
    bench.call(2, "count");
    let mut second = bench.job();
    first.run(NOW);
    second.run(NOW);
    bench.put_back(first);
    assert_eq!(bench.said(), "");
    bench.put_back(second);
    let said = bench.said();
    assert!(
        said.contains(r#""id":2"#) && said.contains(r#""text":"0""#),
        "{said}"
    );
}

#[test]
fn a_call_that_was_cancelled_before_it_was_taken_makes_room() {
    let mut bench = Bench::new();
    bench.connection.defer_calls(2);
    bench.call(1, "count");
    bench.cancel(1);
    assert!(bench.poll().read);
    drop(bench.connection.take_leftovers());
    bench.connection.defer_calls(1);
    bench.call(2, "count");
    bench.job().run(NOW);
    assert_eq!(bench.seen.runs.load(Ordering::SeqCst), 1);
}

#[test]
fn a_call_that_waits_is_ready_again_when_it_is_woken() {
    let mut bench = Bench::new();
    bench.call(1, "wait");
    let mut job = bench.job();
    job.run(NOW);
    bench.put_back(job);
    assert!(bench.poll().read);
    assert!(bench.connection.take_job().is_none(), "it is parked");
    bench.seen.waker.lock().unwrap().take().unwrap().wake();
    let mut job = bench.job();
    // Woken while it is out, and by then it may have looked already: it has to look again.
    job.run(NOW);
    bench.seen.go.store(true, Ordering::SeqCst);
    bench.seen.waker.lock().unwrap().take().unwrap().wake();
    bench.poll();
    bench.put_back(job);
    let mut job = bench.connection.take_job().expect("it is ready again");
    job.run(NOW);
    bench.put_back(job);
    assert!(bench.said().contains("waited"));
}

#[test]
fn a_call_that_is_woken_again_and_again_is_ready_once() {
    let mut bench = Bench::new();
    bench.connection.defer_calls(2);
    bench.call(1, "wait");
    let mut job = bench.job();
    job.run(NOW);
    bench.put_back(job);
    let waker = bench.seen.waker.lock().unwrap().take().unwrap();
    for _ in 0..3 {
        waker.wake_by_ref();
        assert!(bench.poll().read, "there is room for another call");
    }
    assert!(bench.connection.take_job().is_some(), "it is ready");
    assert!(bench.connection.take_job().is_none());
}

#[test]
fn the_end_waits_for_what_is_out_and_tells_it_when_it_no_longer_does() {
    let mut bench = Bench::new();
    bench.call(1, "show");
    let mut job = bench.job();
    bench.connection.end_of_input();
    assert!(!bench.poll().done);
    job.run(NOW);
    bench.put_back(job);
    assert!(bench.said().contains("shown"));
    assert!(bench.poll().done);

    let mut bench = Bench::new();
    bench.call(1, "wait");
    let mut job = bench.job();
    job.run(NOW);
    let context = bench.seen.context.get().unwrap().clone();
    assert!(!context.is_cancelled());
    drop(bench.connection);
    assert!(context.is_cancelled());
    drop(job);
}

#[test]
fn a_panic_fails_its_call_alone() {
    let mut bench = Bench::new();
    bench.call(1, "panics");
    let mut job = bench.job();
    job.run(NOW);
    bench.put_back(job);
    assert!(bench.said().contains("internal error"));
    bench.call(2, "count");
    let mut job = bench.job();
    job.run(NOW);
    bench.put_back(job);
    assert!(bench.said().contains(r#""id":2"#));
}

#[test]
fn what_a_handler_says_while_it_is_attended_is_said_at_once() {
    let mut bench = Bench::new();
    bench.call(1, "talk");
    let mut job = bench.job();
    let handler = std::thread::spawn(move || {
        job.run(NOW);
        job
    });
    while bench.seen.context.get().is_none() {
        std::thread::yield_now();
    }
    bench.poll();
    assert_eq!(bench.said(), "", "as long as nobody attends, it waits");
    bench.connection.attend_jobs();
    bench.poll();
    assert!(bench.said().contains("notifications/progress"));
    bench.seen.context.get().unwrap().info("more");
    bench.poll();
    assert!(bench.said().contains("notifications/message"));
    bench.seen.go.store(true, Ordering::SeqCst);
    let job = handler.join().unwrap();
    bench.put_back(job);
    assert!(bench.said().contains("talked"));
}
