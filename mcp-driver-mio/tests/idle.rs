//! What ten thousand connections cost that have been used and are idle now. The server is a process of its own, so that
//! all it holds is counted.

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    linux::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    println!("only Linux says what a process holds");
    ExitCode::SUCCESS
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::process::{Child, Command, ExitCode, Stdio};
    use std::time::Duration;

    use libtest_mimic::{Arguments, Trial};
    use mcp_driver_mio::{EventLoop, ListenOptions, ServeOptions};
    use mcp_server::{Server, tool};
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    const CONNECTIONS: usize = 10_000;
    const MOST: usize = 64 << 20;
    const CONNECTIONS_TLS: usize = 2_000;
    /// 8 KiB each, and 20 MiB for what a process of a debug build holds without any, its code included.
    const MOST_TLS: usize = 36 << 20;
    const CHILD: &str = "MCP_IDLE_CHILD";

    /// Answers at once.
    #[tool]
    fn echo(text: String) -> String {
        text
    }

    pub(crate) fn main() -> ExitCode {
        if let Ok(framing) = std::env::var(CHILD) {
            serve(&framing);
            return ExitCode::SUCCESS;
        }
        // The answers of some are larger than what all may keep.
        let all = [
            ("lines", 5),
            ("http", 5),
            ("lines", 20_000),
            ("http", 20_000),
        ];
        let all = all.into_iter();
        // A handshake takes its time, so these are fewer.
        #[cfg(feature = "tls")]
        let all = all.chain([("https", 5), ("https", 20_000)]);
        let tests = all.map(|(framing, bytes)| {
            Trial::test(format!("idle_{framing}_after_{bytes}_bytes"), move || {
                little_is_held(framing, bytes);
                Ok(())
            })
        });
        let mut arguments = Arguments::from_args();
        // Each takes most of the descriptors that there are.
        arguments.test_threads = Some(1);
        libtest_mimic::run(&arguments, tests.collect()).exit_code()
    }

    fn little_is_held(framing: &str, bytes: usize) {
        let most = if framing == "https" {
            CONNECTIONS_TLS
        } else {
            CONNECTIONS
        };
        let connections = allowed().saturating_sub(200).min(most);
        let held = held(framing, bytes, connections);
        println!(
            "{connections} idle connections, {framing}, after {bytes} bytes: {} KiB in all, {} bytes each",
            held >> 10,
            held / connections
        );
        let most = if framing == "https" { MOST_TLS } else { MOST };
        assert!(held <= most, "more than {} MiB", most >> 20);
    }

    /// Descriptors that this process may have, as many as it gets.
    fn allowed() -> usize {
        let limit = getrlimit(Resource::Nofile);
        let most = limit.maximum.unwrap_or(1 << 20);
        let all = Rlimit {
            current: Some(most),
            maximum: limit.maximum,
        };
        setrlimit(Resource::Nofile, all).expect("a process may use what it is allowed");
        usize::try_from(most).unwrap_or(usize::MAX)
    }

    fn serve(framing: &str) {
        allowed();
        let mut event_loop = EventLoop::new().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::new("idle", "1.0.0").tool(echo);
        let driver = event_loop.driver();
        let most = CONNECTIONS + 1;
        #[cfg(feature = "tls")]
        if framing == "https" {
            let options = ServeOptions::default().with_max_connections(most);
            let tls = mcp_testkit::driver::tls::server();
            driver.serve_https(listener, server, tls, options).unwrap();
            println!("{address}");
            return event_loop.run().unwrap();
        }
        if framing == "http" {
            let options = ServeOptions::default().with_max_connections(most);
            driver.serve_http(listener, server, options).unwrap();
        } else {
            let mut options = ListenOptions::default();
            options.max_connections = most;
            driver.serve_tcp(listener, server, options).unwrap();
        }
        println!("{address}");
        event_loop.run().unwrap();
    }

    struct Killed(Child);

    impl Drop for Killed {
        fn drop(&mut self) {
            // It serves until then.
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    /// What the server holds when every connection has been used once.
    fn held(framing: &str, bytes: usize, connections: usize) -> usize {
        let child = Command::new(std::env::current_exe().unwrap())
            .env(CHILD, framing)
            .stdout(Stdio::piped())
            .spawn();
        let mut child = Killed(child.unwrap());
        let mut address = String::new();
        BufReader::new(child.0.stdout.take().unwrap())
            .read_line(&mut address)
            .unwrap();
        let address: SocketAddr = address.trim().parse().unwrap();
        let idle: Vec<_> = (0..connections)
            .map(|_| used(address, framing, bytes))
            .collect();
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.0.id())).unwrap();
        let held = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = held
            .and_then(|held| held.trim().strip_suffix(" kB"))
            .unwrap();
        drop(idle);
        kib.trim().parse::<usize>().unwrap() << 10
    }

    /// A client's end.
    trait Stream: Read + Write {}
    impl<S: Read + Write> Stream for S {}

    fn connected(address: SocketAddr, framing: &str) -> Box<dyn Stream> {
        let stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        #[cfg(feature = "tls")]
        if framing == "https" {
            use mcp_driver_mio::tls::rustls::{ClientConnection, StreamOwned};
            let name = "localhost".try_into().unwrap();
            let client = ClientConnection::new(mcp_testkit::driver::tls::client(), name);
            return Box::new(StreamOwned::new(client.unwrap(), stream));
        }
        let _ = framing;
        Box::new(stream)
    }

    /// A connection on which a call was answered.
    fn used(address: SocketAddr, framing: &str, bytes: usize) -> Box<dyn Stream> {
        let text = format!("{}hello", " ".repeat(bytes - 5));
        let call = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"echo","arguments":{{"text":"{text}"}},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
        );
        let request = if framing.starts_with("http") {
            format!(
                "POST /mcp HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
                 accept: application/json, text/event-stream\r\nuser-agent: idle/1.0\r\n\
                 mcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\nmcp-name: echo\r\n\
                 content-length: {}\r\n\r\n{call}",
                call.len()
            )
        } else {
            format!("{call}\n")
        };
        let mut stream = connected(address, framing);
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let mut piece = [0; 32 << 10];
        // The text is followed by a few bytes at most.
        while !answer[answer.len().saturating_sub(400)..]
            .windows(6)
            .any(|end| end == b"hello\"")
        {
            let more = stream.read(&mut piece).unwrap();
            assert!(more > 0, "{}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&piece[..more]);
        }
        stream
    }
}
