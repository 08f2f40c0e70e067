//! The kit itself: a driver with a flaw fails where it should, and the same driver without it passes there.
//!
//! The driver is the least that one can be: a loop that looks again every millisecond. This program is its own child: with
//! [`FLAW`] set it is the contract of the driver with that flaw, otherwise it runs those and looks at how they ended.

use std::io::{self, ErrorKind, Write};
use std::net::TcpStream;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use mcp_driver::{Scratch, SystemClock, seed, write_from};
use mcp_server::{Blocking, BoxFuture, Connection, Runtime, Service};
use mcp_testkit::driver::{Ended, Gate, StreamOptions, Subject, main as contract};

const FLAW: &str = "MCP_TESTKIT_FLAW";

/// Each flaw, and a scenario that it must not pass.
const FLAWS: [(&str, &str); 7] = [
    (
        "sleeps on",
        "stream::modern::a_handler_that_another_thread_wakes_is_answered",
    ),
    (
        "sleeps on",
        "stream::legacy::a_change_is_told_while_the_connection_is_idle",
    ),
    (
        "no timer",
        "stream::legacy::a_question_without_an_answer_ends_by_itself",
    ),
    (
        "reads on",
        "stream::modern::a_server_does_not_read_what_it_cannot_answer",
    ),
    (
        "drops the end",
        "stream::modern::calls_in_flight_at_the_end_of_the_input_are_answered",
    ),
    (
        "deaf to the end",
        "stream::modern::a_shutdown_answers_what_runs_and_ends",
    ),
    (
        "loses bytes",
        "stream::modern::a_slow_reader_gets_everything",
    ),
];

fn main() -> ExitCode {
    if std::env::var_os(FLAW).is_some() {
        return contract(Subject::new("flawed").with_stream(serve));
    }
    let asked = |word: &str| std::env::args().any(|argument| argument == word);
    if asked("--list") {
        if !asked("--ignored") {
            println!("flaws_are_found: test");
        }
        return ExitCode::SUCCESS;
    }
    let runs = FLAWS.map(|(flaw, scenario)| {
        thread::spawn(move || {
            assert!(passes("none", scenario), "{scenario} fails without a flaw");
            assert!(!passes(flaw, scenario), "{scenario} passes: {flaw}");
        })
    });
    let found = runs
        .map(thread::JoinHandle::join)
        .iter()
        .filter(|run| run.is_ok())
        .count();
    let failed = FLAWS.len() - found;
    let word = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "test result: {word}. {found} passed; {failed} failed; 0 ignored; 0 measured; 0 filtered out"
    );
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn passes(flaw: &str, scenario: &str) -> bool {
    let program = std::env::current_exe().expect("the name of this program");
    let mut command = Command::new(program);
    command.args(["--exact", scenario]).env(FLAW, flaw);
    let output = command.stderr(Stdio::null()).output().expect("a child");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("running 1 test"),
        "no such scenario: {scenario}"
    );
    output.status.success()
}

/// A thread for everything.
#[derive(Debug)]
struct Threads;

impl Runtime for Threads {
    fn spawn(&self, mut future: BoxFuture<()>) {
        thread::spawn(move || {
            let mut cx = Context::from_waker(Waker::noop());
            while future.as_mut().poll(&mut cx).is_pending() {
                thread::sleep(Duration::from_millis(1));
            }
        });
    }

    fn spawn_blocking(&self, work: Blocking) {
        thread::spawn(move || work.run());
    }
}

fn serve(socket: TcpStream, service: Service, _: StreamOptions, stop: Gate) -> io::Result<Ended> {
    let flaw = std::env::var(FLAW).unwrap_or_default();
    let has = |name: &str| flaw == name;
    socket.set_nonblocking(true)?;
    let (clock, mut scratch) = (SystemClock::start(), Scratch::default());
    let mut now = clock.now();
    let mut connection = Connection::new(service, Arc::new(Threads), seed()?);
    let (mut input, mut out) = (BytesMut::new(), connection.outbox());
    let (mut over, mut moved) = (false, true);
    loop {
        if moved || !has("sleeps on") {
            if !has("no timer") {
                now = clock.now();
            }
            if stop.is_open() && !has("deaf to the end") {
                connection.shutdown();
            }
            let mut cx = Context::from_waker(Waker::noop());
            let demand = connection.poll(&mut cx, now, &mut input, &mut out);
            if (demand.done && !out.has_remaining()) || (over && has("drops the end")) {
                return Ok(Ended::EndOfInput);
            }
            if demand.cut {
                return Ok(Ended::ShutdownBound);
            }
            moved = false;
            if !over && (demand.read || has("reads on")) {
                moved = match scratch.read(&mut &socket, &mut input) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => false,
                    Ok(1..) => true,
                    Ok(0) | Err(_) => {
                        connection.end_of_input();
                        over = true;
                        true
                    }
                };
            }
        } else {
            // Nothing but the peer is listened to.
            moved = socket.peek(&mut [0]).is_ok();
        }
        while out.has_remaining() {
            match write_from(&mut &socket, &mut out) {
                Ok(_) => moved = true,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if has("loses bytes") {
                        let lost = out.remaining().min(100);
                        out.advance(lost);
                    }
                    break;
                }
                Err(_) => return Ok(Ended::PeerGone),
            }
        }
        (&socket).flush()?;
        if !moved {
            thread::sleep(Duration::from_millis(1));
        }
    }
}
