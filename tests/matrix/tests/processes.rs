//! A server as a process of its own, whatever its standard streams are and however its peer goes: it ends soon, and until
//! then it uses no time.
//!
//! The test binary is its own child: with `MCP_MATRIX_CHILD` set it is a stdio server, otherwise it runs the rows. It has
//! no harness of its own because the standard one prints on stdout, which belongs to the protocol.

#[cfg(not(unix))]
fn main() {
    eprintln!("skipped: these rows are about Unix descriptors");
}

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    if std::env::var_os("MCP_MATRIX_CHILD").is_some() {
        return mcp_driver_tokio::run(mcp_server::Server::new("child", "1.0.0"));
    }
    unix::rows()
}

#[cfg(unix)]
mod unix {
    use std::fs::File;
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::process::{Child, Command, ExitCode, Stdio};
    use std::thread::sleep;
    use std::time::{Duration, Instant};

    /// A server must be gone this long after its peer, also on a busy machine.
    const BOUND: Duration = Duration::from_secs(10);
    /// How long an idle server is watched.
    const WATCHED: Duration = Duration::from_millis(400);

    const PING: &[u8] = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n";
    const PONG: &str = "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}";

    pub(super) fn rows() -> ExitCode {
        let only = std::env::args()
            .skip(1)
            .find(|argument| !argument.starts_with('-'));
        let rows: &[(&str, fn())] = &[
            (
                "row_76_an_output_that_is_closed_while_answering",
                output_closed,
            ),
            ("row_76_stderr_that_is_full_and_not_read", stderr_full),
            ("row_76b_a_pipe", pipe),
            ("row_76b_a_socketpair", socketpair),
            ("row_76b_a_pty", pty),
            ("row_76b_the_null_device", null_device),
            ("row_76b_a_closed_descriptor", closed_descriptor),
            ("row_76b_a_socket_that_is_reset", reset),
            ("row_76b_a_peer_that_is_killed", killed),
            ("row_76b_a_dead_stderr", stderr_dead),
        ];
        let (mut passed, mut failed) = (0, 0);
        for (name, row) in rows {
            if only
                .as_ref()
                .is_some_and(|only| !name.contains(only.as_str()))
            {
                continue;
            }
            let good = std::panic::catch_unwind(row).is_ok();
            println!("test {name} ... {}", if good { "ok" } else { "FAILED" });
            passed += usize::from(good);
            failed += usize::from(!good);
        }
        let result = if failed == 0 { "ok" } else { "FAILED" };
        println!("test result: {result}. {passed} passed; {failed} failed; 0 ignored");
        if failed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    fn command() -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env("MCP_MATRIX_CHILD", "1").stderr(Stdio::null());
        command
    }

    /// A server that is killed if its row fails.
    struct Served(Child);

    impl Drop for Served {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    impl Served {
        fn start(command: &mut Command) -> Self {
            Self(command.spawn().unwrap())
        }

        /// The end, which comes soon, and not by a signal.
        fn ends(mut self) {
            let start = Instant::now();
            loop {
                if let Some(status) = self.0.try_wait().unwrap() {
                    assert!(status.success(), "{status}");
                    return;
                }
                assert!(start.elapsed() < BOUND, "still running after {BOUND:?}");
                sleep(Duration::from_millis(5));
            }
        }

        /// Hundredths of a second of processor time, where the system tells.
        fn used(&self) -> Option<u64> {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).ok()?;
            let mut fields = stat.rsplit(')').next()?.split_whitespace().skip(11);
            let mut ticks = || fields.next()?.parse::<u64>().ok();
            Some(ticks()? + ticks()?)
        }

        /// Nothing is to be done, and nothing is done.
        fn idles(&self) {
            let before = self.used();
            sleep(WATCHED);
            if let (Some(before), Some(after)) = (before, self.used()) {
                assert!(after - before <= 2, "{} ticks while idle", after - before);
            }
        }
    }

    /// One question, one answer.
    fn ping(mut input: impl Write, output: impl Read) {
        input.write_all(PING).unwrap();
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), PONG);
    }

    fn pipe() {
        let mut served = Served::start(command().stdin(Stdio::piped()).stdout(Stdio::piped()));
        let (mut input, mut output) = (
            served.0.stdin.take().unwrap(),
            served.0.stdout.take().unwrap(),
        );
        ping(&mut input, &mut output);
        served.idles();
        drop(input);
        served.ends();
    }

    fn socketpair() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let also = theirs.try_clone().unwrap();
        let served = Served::start(
            command()
                .stdin(OwnedFd::from(theirs))
                .stdout(OwnedFd::from(also)),
        );
        ping(&ours, &ours);
        served.idles();
        drop(ours);
        served.ends();
    }

    fn pty() {
        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
        use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let slave = File::options().read(true).write(true).open(name).unwrap();
        let mut raw = tcgetattr(&slave).unwrap();
        raw.make_raw();
        tcsetattr(&slave, OptionalActions::Now, &raw).unwrap();
        let also = slave.try_clone().unwrap();
        let served = Served::start(command().stdin(slave).stdout(also));
        let master = File::from(master);
        ping(&master, &master);
        served.idles();
        drop(master);
        served.ends();
    }

    fn null_device() {
        Served::start(command().stdin(Stdio::null()).stdout(Stdio::null())).ends();
    }

    fn closed_descriptor() {
        for redirections in ["<&-", "<&- >&-", "<&- >&- 2>&-"] {
            let mut shell = Command::new("sh");
            shell
                .args(["-c", &format!("exec \"$0\" {redirections}")])
                .arg(std::env::current_exe().unwrap())
                .env("MCP_MATRIX_CHILD", "1")
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            Served::start(&mut shell).ends();
        }
    }

    fn reset() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (theirs, _) = listener.accept().unwrap();
        let also = theirs.try_clone().unwrap();
        let served = Served::start(
            command()
                .stdin(OwnedFd::from(theirs))
                .stdout(OwnedFd::from(also)),
        );
        ping(&ours, &ours);
        served.idles();
        // An answer that was not read makes the kernel reset instead of finishing politely.
        (&ours).write_all(PING).unwrap();
        ours.peek(&mut [0]).unwrap();
        drop(ours);
        served.ends();
    }

    fn killed() {
        // The peer holds the only other end of the server's input.
        let (reader, writer) = std::io::pipe().unwrap();
        let served = Served::start(command().stdin(reader).stdout(Stdio::null()));
        let mut peer = Command::new("sleep")
            .arg("600")
            .stdout(writer)
            .spawn()
            .unwrap();
        served.idles();
        peer.kill().unwrap();
        peer.wait().unwrap();
        served.ends();
    }

    fn stderr_dead() {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut served = Served::start(
            command()
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(writer),
        );
        let (mut input, mut output) = (
            served.0.stdin.take().unwrap(),
            served.0.stdout.take().unwrap(),
        );
        ping(&mut input, &mut output);
        served.idles();
        drop(input);
        served.ends();
    }

    fn stderr_full() {
        let (_unread, mut writer) = std::io::pipe().unwrap();
        if cfg!(target_os = "linux") {
            // As much as an unread pipe takes: whoever writes one more byte waits for ever.
            writer.write_all(&[b'x'; 65_536]).unwrap();
        }
        let mut served = Served::start(
            command()
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(writer),
        );
        let (mut input, mut output) = (
            served.0.stdin.take().unwrap(),
            served.0.stdout.take().unwrap(),
        );
        // Nothing that a peer does may be worth a line there.
        input.write_all(b"this is no JSON\n\xff\n[]\n").unwrap();
        let mut lines = BufReader::new(&mut output).lines();
        for _ in 0..3 {
            assert!(lines.next().unwrap().unwrap().contains("\"error\""));
        }
        input.write_all(PING).unwrap();
        assert_eq!(lines.next().unwrap().unwrap(), PONG);
        drop(input);
        served.ends();
    }

    fn output_closed() {
        let mut served = Served::start(command().stdin(Stdio::piped()).stdout(Stdio::piped()));
        let (mut input, mut output) = (
            served.0.stdin.take().unwrap(),
            served.0.stdout.take().unwrap(),
        );
        ping(&mut input, &mut output);
        drop(output);
        // The answers hit a broken pipe, and that is no reason to die of a signal.
        for _ in 0..100 {
            if input.write_all(PING).is_err() {
                break;
            }
        }
        served.ends();
    }
}
