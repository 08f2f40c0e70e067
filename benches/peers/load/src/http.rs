//! Load over HTTP/1.1 keep-alive connections, each with one request in flight.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use serde_json::json;

use crate::message::{self, INITIALIZE, INITIALIZED};
use crate::options::{Fallible, Mode, Options};
use crate::server::{Server, nanos, percentile};

/// The address that is spoken to; some servers want it in `Host` with its port.
static HOST: OnceLock<String> = OnceLock::new();

/// One whole POST request.
pub(crate) fn post(
    body: &str,
    mode: Mode,
    method: &str,
    name: &str,
    session: Option<&str>,
) -> Vec<u8> {
    let host = HOST.get().map_or("127.0.0.1", String::as_str);
    let mut head = format!(
        "POST /mcp HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\naccept: application/json, text/event-stream\r\n",
    );
    match mode {
        Mode::Modern => {
            head.push_str(&format!(
                "mcp-protocol-version: 2026-07-28\r\nmcp-method: {method}\r\n"
            ));
            if !name.is_empty() {
                head.push_str(&format!("mcp-name: {name}\r\n"));
            }
        }
        _ if method == "initialize" => {}
        _ => head.push_str("mcp-protocol-version: 2025-06-18\r\n"),
    }
    if let Some(session) = session {
        head.push_str(&format!("mcp-session-id: {session}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    let mut request = head.into_bytes();
    request.extend_from_slice(body.as_bytes());
    request
}

/// Where the first response in `bytes` ends, if it is all there, and whether it is a success.
pub(crate) fn complete(bytes: &[u8]) -> Option<(usize, bool)> {
    let head = memchr::memmem::find(bytes, b"\r\n\r\n")? + 4;
    let good = bytes.starts_with(b"HTTP/1.1 20");
    let mut length: Option<usize> = None;
    for line in bytes[..head].split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        if line[..colon].eq_ignore_ascii_case(b"content-length") {
            length = std::str::from_utf8(&line[colon + 1..])
                .ok()
                .and_then(|text| text.trim().parse().ok());
        }
    }
    if let Some(length) = length {
        let end = head + length;
        return (bytes.len() >= end).then_some((end, good));
    }
    if bytes.starts_with(b"HTTP/1.1 202") || bytes.starts_with(b"HTTP/1.1 204") {
        return Some((head, good));
    }
    // Chunked. One request is in flight, so the last chunk ends what is there.
    bytes
        .ends_with(b"\r\n0\r\n\r\n")
        .then_some((bytes.len(), good))
}

/// A blocking client for what is not measured.
pub(crate) struct Client {
    stream: std::net::TcpStream,
}

impl Client {
    pub(crate) fn connect(address: &str) -> Fallible<Self> {
        let _ = HOST.set(address.to_owned());
        let stream = std::net::TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        Ok(Self { stream })
    }

    pub(crate) fn send(&mut self, request: &[u8]) -> Fallible<()> {
        Ok(self.stream.write_all(request)?)
    }

    /// Reads until `done` says so.
    pub(crate) fn read_until(&mut self, done: impl Fn(&[u8]) -> bool) -> Fallible<Vec<u8>> {
        let (mut bytes, mut chunk) = (Vec::new(), [0; 16384]);
        while !done(&bytes) {
            let read = self.stream.read(&mut chunk)?;
            if read == 0 {
                return Err(format!("closed after {}", String::from_utf8_lossy(&bytes)).into());
            }
            bytes.extend_from_slice(&chunk[..read]);
        }
        Ok(bytes)
    }

    pub(crate) fn ask(&mut self, request: &[u8]) -> Fallible<Vec<u8>> {
        self.send(request)?;
        self.read_until(|bytes| complete(bytes).is_some())
    }

    /// A session of 2025-06-18; `None` where the server gives out none.
    pub(crate) fn session(&mut self) -> Fallible<Option<String>> {
        let answer = self.ask(&post(INITIALIZE, Mode::Session, "initialize", "", None))?;
        if !complete(&answer).is_some_and(|(_, good)| good) {
            return Err(format!("no session: {}", String::from_utf8_lossy(&answer)).into());
        }
        let text = String::from_utf8_lossy(&answer).into_owned();
        let line = text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("mcp-session-id")
                .then(|| value.trim().to_owned())
        });
        let note = post(
            INITIALIZED,
            Mode::Session,
            "notifications/initialized",
            "",
            line.as_deref(),
        );
        self.ask(&note)?;
        Ok(line)
    }
}

struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    written: usize,
    buffer: Vec<u8>,
    filled: usize,
    began: Instant,
}

impl Connection {
    fn write(&mut self) -> Fallible<()> {
        while self.written < self.request.len() {
            match self.stream.write(&self.request[self.written..]) {
                Ok(written) => self.written += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::NotConnected => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn begin(&mut self) -> Fallible<()> {
        self.written = 0;
        self.filled = 0;
        self.began = Instant::now();
        self.write()
    }

    /// Reads what is there; says how long the answer is when it is complete, and whether it is good.
    fn read(&mut self) -> Fallible<Option<(usize, bool)>> {
        loop {
            if self.filled == self.buffer.len() {
                self.buffer.resize(self.filled * 2, 0);
            }
            match self.stream.read(&mut self.buffer[self.filled..]) {
                Ok(0) => return Err("the server closed a connection".into()),
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error.into()),
            }
            if let Some((end, good)) = complete(&self.buffer[..self.filled]) {
                return Ok(Some((end, good)));
            }
        }
    }
}

/// Throughput, latency and CPU per request with `connections` requests in flight.
pub(crate) fn throughput(options: &Options) -> Fallible<String> {
    let address: SocketAddr = options.text("address", "127.0.0.1:9000").parse()?;
    if !address.ip().is_loopback() {
        return Err("load goes to loopback only".into());
    }
    let text = address.to_string();
    let count = options.number("connections", 64)?.min(1024);
    let millis = options.number("millis", 1000)?.min(30_000);
    let (tool, mode) = (options.text("tool", "echo"), options.mode()?);
    let mut server = Server::start(options, false)?;
    server.wait_for(&text)?;
    let idle = server.resident();

    let mut sessions = Vec::new();
    let mut client = Client::connect(&text)?;
    for _ in 0..count {
        sessions.push(if mode == Mode::Session {
            client.session()?
        } else {
            None
        });
    }
    let request = |id: usize, session: Option<&str>| {
        post(
            &message::call(id, tool, mode),
            mode,
            "tools/call",
            tool,
            session,
        )
    };
    let answer = client.ask(&request(1, sessions[0].as_deref()))?;
    if !message::is_right(&answer, tool) {
        let shown = &answer[..answer.len().min(600)];
        return Err(format!("a wrong answer: {}", String::from_utf8_lossy(shown)).into());
    }
    drop(client);

    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let mut connections = Vec::with_capacity(count);
    for (at, session) in sessions.iter().enumerate() {
        let mut stream = TcpStream::connect(address)?;
        poll.registry().register(
            &mut stream,
            Token(at),
            Interest::READABLE | Interest::WRITABLE,
        )?;
        connections.push(Connection {
            stream,
            request: request(at + 2, session.as_deref()),
            written: 0,
            buffer: vec![0; 16384],
            filled: 0,
            began: Instant::now(),
        });
    }
    for connection in &mut connections {
        let _ = connection.stream.set_nodelay(true);
    }
    let (warm, length) = (
        Duration::from_millis(millis as u64 / 5),
        Duration::from_millis(millis as u64),
    );
    let begin = Instant::now();
    let mut measured: Option<(Instant, f64)> = None;
    let (mut latencies, mut wrong, mut bytes) = (Vec::with_capacity(1 << 20), 0usize, 0usize);
    let (seconds, cpu) = 'load: loop {
        poll.poll(&mut events, Some(Duration::from_millis(100)))?;
        for event in &events {
            let connection = &mut connections[event.token().0];
            if event.is_writable() {
                connection.write()?;
            }
            if event.is_readable() {
                while let Some((end, good)) = connection.read()? {
                    latencies.push(nanos(connection.began));
                    wrong += usize::from(!good);
                    bytes += end;
                    connection.begin()?;
                }
            }
        }
        let now = Instant::now();
        match measured {
            None if now - begin > warm => {
                latencies.clear();
                bytes = 0;
                measured = Some((now, server.cpu_micros()));
            }
            Some((start, cpu)) if now - start > length => {
                break 'load ((now - start).as_secs_f64(), server.cpu_micros() - cpu);
            }
            _ => {}
        }
    };
    let n = latencies.len().max(1) as f64;
    latencies.sort_unstable();
    Ok(json!({
        "rate": n / seconds, "cpu_us": cpu / n, "busy": cpu / seconds / 1e6,
        "p50_us": percentile(&latencies, 0.5), "p99_us": percentile(&latencies, 0.99),
        "max_us": percentile(&latencies, 1.0), "wrong": wrong,
        "idle_kib": idle, "loaded_kib": server.resident(), "bytes": bytes as f64 / n,
    })
    .to_string())
}
