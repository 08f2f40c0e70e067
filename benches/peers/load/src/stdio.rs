//! Load over a server's standard input and output.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::process::{ChildStdin, ChildStdout};
use std::time::Instant;

use serde_json::json;

use crate::message::{self, INITIALIZED};
use crate::options::{Fallible, Mode, Options};
use crate::server::{Server, nanos, percentile};

/// Larger pipes, so that a window of large answers does not measure the pipe.
const PIPE: usize = 1 << 20;

struct Pipes {
    input: ChildStdin,
    output: ChildStdout,
    buffer: Vec<u8>,
    filled: usize,
}

impl Pipes {
    fn of(server: &mut Server) -> Fallible<Self> {
        let input = server.child.stdin.take().ok_or("no input pipe")?;
        let output = server.child.stdout.take().ok_or("no output pipe")?;
        // Where this is not allowed, the default size has to do.
        let _ = rustix::pipe::fcntl_setpipe_size(&input, PIPE);
        let _ = rustix::pipe::fcntl_setpipe_size(&output, PIPE);
        Ok(Self {
            input,
            output,
            buffer: vec![0; PIPE],
            filled: 0,
        })
    }

    /// Blocks for at least one line and hands over all that are there.
    fn lines(&mut self, mut each: impl FnMut(&[u8])) -> Fallible<usize> {
        loop {
            if self.filled == self.buffer.len() {
                self.buffer.resize(self.filled * 2, 0);
            }
            let read = self.output.read(&mut self.buffer[self.filled..])?;
            if read == 0 {
                return Err("the server closed its output".into());
            }
            let before = self.filled;
            self.filled += read;
            let (mut start, mut count) = (0, 0);
            for end in memchr::memchr_iter(b'\n', &self.buffer[before..self.filled]) {
                each(&self.buffer[start..before + end]);
                start = before + end + 1;
                count += 1;
            }
            if count > 0 {
                self.buffer.copy_within(start..self.filled, 0);
                self.filled -= start;
                return Ok(count);
            }
        }
    }

    fn send(&mut self, line: &str) -> Fallible<()> {
        Ok(self.input.write_all(format!("{line}\n").as_bytes())?)
    }

    fn ask(&mut self, line: &str) -> Fallible<Vec<u8>> {
        self.send(line)?;
        let mut answer = Vec::new();
        self.lines(|line| answer = line.to_vec())?;
        Ok(answer)
    }

    fn greet(&mut self, mode: Mode) -> Fallible<()> {
        let answer = self.ask(&message::greeting(mode))?;
        if !message::contains(&answer, b"\"result\"") {
            return Err(format!("no greeting: {}", String::from_utf8_lossy(&answer)).into());
        }
        if mode != Mode::Modern {
            self.send(INITIALIZED)?;
        }
        Ok(())
    }
}

/// `n` calls, at most `window` of them unanswered.
struct Run {
    latencies: Vec<u32>,
    wrong: usize,
    bytes: usize,
}

fn run(
    pipes: &mut Pipes,
    n: usize,
    window: usize,
    tool: &str,
    mode: Mode,
    first: usize,
) -> Fallible<Run> {
    let mut run = Run {
        latencies: Vec::with_capacity(n),
        wrong: 0,
        bytes: 0,
    };
    let (mut sent, mut received) = (0, 0);
    let mut starts = VecDeque::with_capacity(window);
    let mut batch = Vec::new();
    // The constant parts are made once: the generator must not be what is measured.
    let template = message::call(0, tool, mode);
    let (head, tail) = template.split_once("\"id\":0").ok_or("no id")?;
    while received < n {
        batch.clear();
        let now = Instant::now();
        while sent < n && sent - received < window {
            write!(batch, "{head}\"id\":{}{tail}\n", first + sent)?;
            starts.push_back(now);
            sent += 1;
        }
        if !batch.is_empty() {
            pipes.input.write_all(&batch)?;
        }
        let (wrong, bytes) = (&mut run.wrong, &mut run.bytes);
        let got = pipes.lines(|line| {
            *bytes += line.len();
            let head = &line[..line.len().min(160)];
            *wrong += usize::from(message::contains(head, b"\"error\""));
        })?;
        for start in starts.drain(..got.min(starts.len())) {
            run.latencies.push(nanos(start));
        }
        received += got;
    }
    Ok(run)
}

/// Throughput and CPU per message with a window.
pub(crate) fn throughput(options: &Options) -> Fallible<String> {
    let (n, window) = (options.number("n", 50_000)?, options.number("window", 64)?);
    let warm = options.number("warm", n / 10 + 50)?;
    let (tool, mode) = (options.text("tool", "echo"), options.mode()?);
    let mut server = Server::start(options, true)?;
    let mut pipes = Pipes::of(&mut server)?;
    pipes.greet(mode)?;
    let answer = pipes.ask(&message::call(1, tool, mode))?;
    if !message::is_right(&answer, tool) {
        let shown = &answer[..answer.len().min(400)];
        return Err(format!("a wrong answer: {}", String::from_utf8_lossy(shown)).into());
    }
    let idle = server.resident();
    if warm > 0 {
        run(&mut pipes, warm, window, tool, mode, 2)?;
    }
    let (start, cpu) = (Instant::now(), server.cpu_micros());
    let mut run = run(&mut pipes, n, window, tool, mode, 2 + warm)?;
    let (seconds, cpu) = (start.elapsed().as_secs_f64(), server.cpu_micros() - cpu);
    run.latencies.sort_unstable();
    let line = json!({
        "rate": n as f64 / seconds, "cpu_us": cpu / n as f64,
        "p50_us": percentile(&run.latencies, 0.5), "p99_us": percentile(&run.latencies, 0.99),
        "max_us": percentile(&run.latencies, 1.0), "wrong": run.wrong,
        "idle_kib": idle, "loaded_kib": server.resident(), "bytes": run.bytes as f64 / n as f64,
    });
    drop(pipes);
    Ok(line.to_string())
}

/// How long a cheap call takes, one at a time, while `pending` slow ones are unanswered.
pub(crate) fn behind(options: &Options) -> Fallible<String> {
    let (slow, pending) = (options.text("slow", "none"), options.number("pending", 1)?);
    let (n, mode) = (options.number("n", 2000)?, options.mode()?);
    let mut server = Server::start(options, true)?;
    let mut pipes = Pipes::of(&mut server)?;
    pipes.greet(mode)?;
    run(&mut pipes, 500, 1, "echo", mode, 1)?;
    if slow != "none" {
        for id in 0..pending {
            pipes.send(&message::call(1_000_000 + id, slow, mode))?;
        }
    }
    let (start, cpu) = (Instant::now(), server.cpu_micros());
    let mut latencies = Vec::with_capacity(n);
    // Bounded by time as well: a server that answers in turn would keep us for half a minute.
    while latencies.len() < n && start.elapsed().as_secs() < 2 {
        let id = 10_000 + latencies.len();
        let began = Instant::now();
        pipes.send(&message::call(id, "echo", mode))?;
        let wanted = format!("\"id\":{id},");
        let closing = format!("\"id\":{id}}}");
        let mut seen = false;
        while !seen {
            pipes.lines(|line| {
                seen |= message::contains(line, wanted.as_bytes())
                    || message::contains(line, closing.as_bytes());
            })?;
        }
        latencies.push(nanos(began));
    }
    let (calls, cpu) = (latencies.len(), server.cpu_micros() - cpu);
    latencies.sort_unstable();
    drop(pipes);
    Ok(json!({
        "calls": calls, "p50_us": percentile(&latencies, 0.5), "p99_us": percentile(&latencies, 0.99),
        "max_us": percentile(&latencies, 1.0), "cpu_us": cpu / calls as f64,
    })
    .to_string())
}

/// From `exec` to the first answer.
pub(crate) fn start(options: &Options) -> Fallible<String> {
    let (n, mode) = (options.number("n", 15)?, options.mode()?);
    let mut times = Vec::new();
    let mut resident = 0;
    for _ in 0..n {
        let start = Instant::now();
        let mut server = Server::start(options, true)?;
        let mut pipes = Pipes::of(&mut server)?;
        pipes.greet(mode)?;
        times.push(nanos(start));
        resident = server.resident();
    }
    times.sort_unstable();
    Ok(json!({
        "p50_ms": percentile(&times, 0.5) / 1000.0, "min_ms": percentile(&times, 0.0) / 1000.0,
        "max_ms": percentile(&times, 1.0) / 1000.0, "idle_kib": resident,
    })
    .to_string())
}
