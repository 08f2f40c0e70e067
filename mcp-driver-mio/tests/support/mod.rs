//! A loop on a thread of its own, and a client of blocking sockets.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use mcp_driver_mio::{EventLoop, ListenOptions, ListenerHandle, LoopHandle, LoopOptions};
use mcp_server::IntoService;
use mcp_witness::{Conversation, MODERN};
use serde_json::Value;

/// Whatever must come comes within this.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A server on a thread.
pub(crate) struct Served<T> {
    pub(crate) given: T,
    pub(crate) stop: LoopHandle,
    thread: JoinHandle<()>,
}

/// Runs what `serve` prepares until nothing of it is left.
pub(crate) fn serve<T: Send + 'static>(
    options: LoopOptions,
    serve: impl FnOnce(&mut EventLoop) -> T + Send + 'static,
) -> Served<T> {
    let (tell, told) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let mut event_loop = EventLoop::with_options(options).unwrap();
        let given = serve(&mut event_loop);
        tell.send((given, event_loop.driver().handle())).unwrap();
        event_loop.run().unwrap();
    });
    let (given, stop) = told.recv().unwrap();
    Served {
        given,
        stop,
        thread,
    }
}

/// The stdio framing on a listener of loopback.
pub(crate) fn tcp<S: IntoService + Send + 'static>(
    service: S,
    options: ListenOptions,
) -> Served<(SocketAddr, ListenerHandle)> {
    serve(LoopOptions::default(), |event_loop| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let handle = event_loop.driver().serve_tcp(listener, service, options);
        (address, handle.unwrap())
    })
}

impl<T> Served<T> {
    /// Asks for the end and waits for it.
    pub(crate) fn end(self) -> T {
        self.stop.shutdown();
        self.join()
    }

    /// Waits for the end.
    pub(crate) fn join(self) -> T {
        self.thread.join().unwrap();
        self.given
    }
}

/// A client whose received messages are judged.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    reader: BufReader<TcpStream>,
    conversation: Conversation,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            reader: BufReader::new(stream.try_clone().unwrap()),
            stream,
            conversation: Conversation::new(MODERN),
        }
    }

    pub(crate) fn send(&mut self, line: &str) {
        self.conversation.note(line);
        self.stream
            .write_all(format!("{line}\n").as_bytes())
            .unwrap();
    }

    /// The next message; `None` at the end.
    pub(crate) fn next(&mut self) -> Option<Value> {
        let mut line = String::new();
        if self.reader.read_line(&mut line).unwrap() == 0 {
            return None;
        }
        let message = serde_json::from_str(&line).expect("JSON");
        let judged = self.conversation.server(&message);
        judged.unwrap_or_else(|error| panic!("{error}"));
        Some(message)
    }

    /// The text of the next message, which answers `id`.
    pub(crate) fn text(&mut self, id: u32) -> String {
        let message = self.next().expect("an answer");
        assert_eq!(message["id"], id, "{message}");
        let text = &message["result"]["content"][0]["text"];
        text.as_str()
            .unwrap_or_else(|| panic!("{message}"))
            .to_owned()
    }

    pub(crate) fn call(&mut self, id: u32, name: &str, arguments: &str) {
        self.send(&call(id, name, arguments));
    }

    /// Sees that the server ended the connection.
    pub(crate) fn sees_the_end(&mut self) {
        while self.next().is_some() {}
    }
}

const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;

/// A call of 2026-07-28.
pub(crate) fn call(id: u32, name: &str, arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{name}","arguments":{arguments},{META}}}}}"#
    )
}
