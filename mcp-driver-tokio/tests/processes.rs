//! Real processes at both ends: every kind of descriptor, every way to die.
//!
//! The test binary is its own child: with `MCP_TEST_CHILD` set it is a stdio
//! server, otherwise it runs the checks. It has no harness of its own because
//! the standard one prints on stdout, which belongs to the protocol.

#[cfg(not(unix))]
fn main() {
    eprintln!("skipped: these checks are about Unix descriptors");
}

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    if std::env::var_os("MCP_TEST_CHILD").is_some() {
        return unix::child();
    }
    unix::checks()
}

#[cfg(unix)]
mod unix {
    use std::fs::File;
    use std::io::{self, BufRead, BufReader, Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
    use std::thread::sleep;
    use std::time::{Duration, Instant};

    use mcp_server::proto::limits::Limits;
    use mcp_server::{Server, tool};

    /// A server must be gone this long after its client.
    const BOUND: Duration = Duration::from_secs(2);

    // ---- the child -------------------------------------------------------

    /// Prints where a protocol message must not go, and lets a child do so too.
    #[tool]
    fn shout() -> String {
        println!("this is a stray line");
        let status = Command::new("sh")
            .args(["-c", "echo from a grandchild; cat"])
            .status();
        format!("shouted: {}", status.is_ok_and(|status| status.success()))
    }

    /// Sleeps and answers.
    #[tool]
    async fn slow(ms: u64) -> String {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        format!("slept {ms}")
    }

    /// Blocks a thread for a minute.
    #[tool(blocking)]
    fn stuck() -> &'static str {
        sleep(Duration::from_secs(60));
        "done"
    }

    /// Returns as many bytes as asked for.
    #[tool]
    fn large(bytes: usize) -> String {
        "x".repeat(bytes)
    }

    pub(super) fn child() -> ExitCode {
        mcp_driver_tokio::run(
            Server::new("child", "1.0.0")
                .limits(Limits {
                    shutdown_bound: Duration::from_secs(2),
                    ..Limits::default()
                })
                .tool(shout)
                .tool(slow)
                .tool(stuck)
                .tool(large),
        )
    }

    // ---- the checks ------------------------------------------------------

    pub(super) fn checks() -> ExitCode {
        let only = std::env::args()
            .skip(1)
            .find(|argument| !argument.starts_with('-'));
        let checks: &[(&str, fn())] = &[
            ("a_pipe_serves_and_its_end_ends_the_server", pipe),
            (
                "a_socketpair_serves_and_its_end_ends_the_server",
                socketpair,
            ),
            ("one_socket_may_carry_both_directions", one_socket),
            ("a_tcp_socket_serves_and_a_reset_ends_the_server", tcp_reset),
            ("a_pty_serves_and_its_hang_up_ends_the_server", pty),
            ("the_null_device_is_an_end", null_device),
            ("a_closed_descriptor_is_an_end", closed_descriptor),
            (
                "a_regular_file_is_read_to_its_end_and_answered",
                regular_file,
            ),
            ("a_client_killed_outright_ends_the_server", client_killed),
            (
                "a_client_that_closes_only_our_output_ends_the_server",
                output_closed,
            ),
            (
                "an_output_that_nobody_reads_any_more_ends_an_idle_server",
                output_abandoned,
            ),
            (
                "calls_in_flight_at_the_end_of_input_are_answered",
                in_flight_at_end,
            ),
            (
                "a_call_that_outlasts_the_drain_bound_does_not_hold_the_process",
                outlasts_drain,
            ),
            ("a_signal_ends_the_server_while_input_stays_open", signals),
            ("a_blocked_thread_does_not_hold_the_process", blocked_thread),
            ("an_ignored_hang_up_stays_ignored", nohup),
            ("stray_lines_land_on_stderr", stray_lines),
            ("a_shared_stdout_and_stderr_keep_working", shared_output),
            ("a_dead_stderr_does_not_matter", dead_stderr),
            ("a_slow_reader_gets_everything", slow_reader),
            ("an_idle_server_uses_no_cpu", idle_cpu),
        ];
        let mut failed = 0;
        for (name, check) in checks {
            if only
                .as_ref()
                .is_some_and(|only| !name.contains(only.as_str()))
            {
                continue;
            }
            let outcome = std::panic::catch_unwind(check);
            println!(
                "test {name} ... {}",
                if outcome.is_ok() { "ok" } else { "FAILED" }
            );
            failed += i32::from(outcome.is_err());
        }
        if failed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    fn command() -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env("MCP_TEST_CHILD", "1").stderr(Stdio::null());
        command
    }

    /// A child that is killed if a check fails.
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

        /// Waits for the end and demands that it comes soon.
        fn ends_within(&mut self, bound: Duration) -> ExitStatus {
            let start = Instant::now();
            loop {
                if let Some(status) = self.0.try_wait().unwrap() {
                    return status;
                }
                assert!(start.elapsed() < bound, "still running after {bound:?}");
                sleep(Duration::from_millis(5));
            }
        }

        fn id(&self) -> u32 {
            self.0.id()
        }
    }

    fn call(id: u32, name: &str, arguments: &str) -> String {
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{name}","arguments":{arguments},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
        ) + "\n"
    }

    const PING: &[u8] = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n";
    const PONG: &str = "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}";

    /// One question, one answer.
    fn ping(input: &mut impl Write, output: &mut impl BufRead) {
        input.write_all(PING).unwrap();
        input.flush().unwrap();
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), PONG);
    }

    fn piped(
        command: &mut Command,
    ) -> (
        Served,
        std::process::ChildStdin,
        BufReader<std::process::ChildStdout>,
    ) {
        let mut served = Served::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
        let input = served.0.stdin.take().unwrap();
        let output = BufReader::new(served.0.stdout.take().unwrap());
        (served, input, output)
    }

    fn pipe() {
        let (mut served, mut input, mut output) = piped(&mut command());
        ping(&mut input, &mut output);
        drop(input);
        assert!(served.ends_within(BOUND).success());
    }

    fn socketpair() {
        let (input, child_input) = UnixStream::pair().unwrap();
        let (output, child_output) = UnixStream::pair().unwrap();
        let mut served = Served::start(
            command()
                .stdin(OwnedFd::from(child_input))
                .stdout(OwnedFd::from(child_output)),
        );
        ping(&mut &input, &mut BufReader::new(&output));
        drop(input);
        assert!(served.ends_within(BOUND).success());
    }

    fn one_socket() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let also = theirs.try_clone().unwrap();
        let mut served = Served::start(
            command()
                .stdin(OwnedFd::from(theirs))
                .stdout(OwnedFd::from(also)),
        );
        ping(&mut &ours, &mut BufReader::new(&ours));
        ours.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(served.ends_within(BOUND).success());
    }

    fn tcp_reset() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (theirs, _) = listener.accept().unwrap();
        let also = theirs.try_clone().unwrap();
        let mut served = Served::start(
            command()
                .stdin(OwnedFd::from(theirs))
                .stdout(OwnedFd::from(also)),
        );
        ping(&mut &ours, &mut BufReader::new(&ours));
        // An unread answer at close makes the kernel reset instead of finishing politely.
        (&ours).write_all(PING).unwrap();
        sleep(Duration::from_millis(100));
        drop(ours);
        assert!(served.ends_within(BOUND).success());
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
        let mut served = Served::start(command().stdin(slave).stdout(also));
        let master = File::from(master);
        ping(&mut &master, &mut BufReader::new(&master));
        drop(master);
        assert!(served.ends_within(BOUND).success());
    }

    fn null_device() {
        let mut served = Served::start(command().stdin(Stdio::null()).stdout(Stdio::null()));
        assert!(served.ends_within(BOUND).success());
    }

    /// Runs the child through a shell that rearranges its descriptors.
    fn through_shell(redirections: &str) -> Command {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &format!("exec \"$0\" {redirections}")])
            .arg(std::env::current_exe().unwrap())
            .env("MCP_TEST_CHILD", "1")
            .stderr(Stdio::null());
        shell
    }

    fn closed_descriptor() {
        let mut served = Served::start(through_shell("<&-").stdout(Stdio::null()));
        assert!(served.ends_within(BOUND).success());
        let mut served = Served::start(&mut through_shell("<&- >&- 2>&-"));
        assert!(served.ends_within(BOUND).success());
    }

    fn regular_file() {
        let path = std::env::temp_dir().join(format!("mcp-driver-{}", std::process::id()));
        let answers = path.with_extension("out");
        std::fs::write(&path, [PING, PING].concat()).unwrap();
        let mut served = Served::start(
            command()
                .stdin(File::open(&path).unwrap())
                .stdout(File::create(&answers).unwrap()),
        );
        assert!(served.ends_within(BOUND).success());
        let answered = std::fs::read_to_string(&answers).unwrap();
        assert_eq!(answered.lines().collect::<Vec<_>>(), [PONG, PONG]);
        std::fs::remove_file(path).unwrap();
        std::fs::remove_file(answers).unwrap();
    }

    fn client_killed() {
        // The client is a shell that holds the server's input; killing it must be enough.
        let (reader, writer) = io::pipe().unwrap();
        let mut served = Served::start(command().stdin(reader).stdout(Stdio::null()));
        let mut client = Command::new("sleep")
            .arg("60")
            .stdout(writer)
            .spawn()
            .unwrap();
        sleep(Duration::from_millis(100));
        assert!(served.0.try_wait().unwrap().is_none());
        client.kill().unwrap();
        client.wait().unwrap();
        assert!(served.ends_within(BOUND).success());
    }

    fn output_closed() {
        let (mut served, mut input, output) = piped(&mut command());
        drop(output);
        // The answer hits a broken pipe; the process must neither die of a signal nor spin.
        let _ = input.write_all(PING);
        let status = served.ends_within(BOUND);
        assert!(status.success(), "{status}");
    }

    fn output_abandoned() {
        // Somebody else may hold the other end of our input for ever; without readers we are useless.
        let (mut served, mut input, mut output) = piped(&mut command());
        ping(&mut input, &mut output);
        drop(output);
        assert!(served.ends_within(BOUND).success());
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (mut served, mut input, output) = {
            let mut served = Served::start(
                command()
                    .stdin(Stdio::piped())
                    .stdout(OwnedFd::from(theirs)),
            );
            let input = served.0.stdin.take().unwrap();
            (served, input, ours)
        };
        ping(&mut input, &mut BufReader::new(&output));
        drop(output);
        assert!(served.ends_within(BOUND).success());
    }

    fn in_flight_at_end() {
        let (mut served, mut input, output) = piped(&mut command());
        for id in 0..100 {
            input
                .write_all(call(id, "slow", r#"{"ms":300}"#).as_bytes())
                .unwrap();
        }
        drop(input);
        assert_eq!(output.lines().map_while(Result::ok).count(), 100);
        assert!(served.ends_within(BOUND).success());
    }

    fn outlasts_drain() {
        let (mut served, mut input, _output) = piped(&mut command());
        input
            .write_all(call(1, "slow", r#"{"ms":60000}"#).as_bytes())
            .unwrap();
        drop(input);
        served.ends_within(Duration::from_secs(8));
    }

    fn signals() {
        for (signal, number) in [("TERM", 15), ("INT", 2), ("HUP", 1)] {
            if ignored(number) {
                // Inherited, as under `nohup`: the child leaves it alone, which has a check of its own.
                continue;
            }
            let (mut served, mut input, mut output) = piped(&mut command());
            ping(&mut input, &mut output);
            let status = Command::new("kill")
                .args(["-s", signal, &served.id().to_string()])
                .status()
                .unwrap();
            assert!(status.success());
            assert!(served.ends_within(BOUND).success(), "{signal}");
        }
    }

    /// Whether this process was started with a signal ignored, as far as that can be known.
    fn ignored(number: u32) -> bool {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status
            .lines()
            .find_map(|line| line.strip_prefix("SigIgn:"))
            .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        mask.is_some_and(|mask| mask >> (number - 1) & 1 == 1)
    }

    fn nohup() {
        if !cfg!(target_os = "linux") {
            return;
        }
        let mut shell = Command::new("sh");
        shell
            .args(["-c", "trap '' HUP; exec \"$0\""])
            .arg(std::env::current_exe().unwrap())
            .env("MCP_TEST_CHILD", "1")
            .stderr(Stdio::null());
        let (mut served, mut input, mut output) = piped(&mut shell);
        ping(&mut input, &mut output);
        signal(&served, "HUP");
        sleep(Duration::from_millis(200));
        ping(&mut input, &mut output);
        signal(&served, "TERM");
        assert!(served.ends_within(BOUND).success());
    }

    fn signal(served: &Served, name: &str) {
        let status = Command::new("kill")
            .args(["-s", name, &served.id().to_string()])
            .status();
        assert!(status.unwrap().success());
    }

    fn blocked_thread() {
        let (mut served, mut input, mut output) = piped(&mut command());
        input.write_all(call(2, "stuck", "{}").as_bytes()).unwrap();
        // Others are served meanwhile.
        ping(&mut input, &mut output);
        let kill = |served: &Served| {
            Command::new("kill")
                .args(["-s", "TERM", &served.id().to_string()])
                .status()
                .unwrap();
        };
        kill(&served);
        sleep(Duration::from_millis(200));
        // The drain bound applies; an impatient second signal ends it at once.
        kill(&served);
        served.ends_within(BOUND);
    }

    fn stray_lines() {
        let (served, mut input, mut output) = piped(command().stderr(Stdio::piped()));
        let mut served = served;
        let mut stderr = served.0.stderr.take().unwrap();
        input.write_all(call(7, "shout", "{}").as_bytes()).unwrap();
        let mut answer = String::new();
        output.read_line(&mut answer).unwrap();
        // The grandchild's `cat` saw the end of its input, not the client's messages.
        assert!(answer.contains("shouted: true"), "{answer}");
        assert!(answer.starts_with('{'), "{answer}");
        ping(&mut input, &mut output);
        drop(input);
        served.ends_within(BOUND);
        let mut said = String::new();
        stderr.read_to_string(&mut said).unwrap();
        assert!(said.contains("this is a stray line"), "{said}");
        assert!(said.contains("from a grandchild"), "{said}");
    }

    fn shared_output() {
        let mut shell = through_shell("2>&1");
        let (mut served, mut input, mut output) = piped(&mut shell);
        ping(&mut input, &mut output);
        input.write_all(call(7, "shout", "{}").as_bytes()).unwrap();
        let lines: Vec<String> = (0..3)
            .map(|_| {
                let mut line = String::new();
                output.read_line(&mut line).unwrap();
                line
            })
            .collect();
        assert!(lines.iter().any(|line| line.contains("stray")), "{lines:?}");
        assert!(
            lines.iter().any(|line| line.contains("shouted: true")),
            "{lines:?}"
        );
        drop(input);
        served.ends_within(BOUND);
    }

    fn dead_stderr() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let (mut served, mut input, mut output) = piped(command().stderr(writer));
        ping(&mut input, &mut output);
        drop(input);
        served.ends_within(BOUND);
    }

    fn slow_reader() {
        let (mut served, mut input, mut output) = piped(&mut command());
        for id in 0..8 {
            input
                .write_all(call(id, "large", r#"{"bytes":300000}"#).as_bytes())
                .unwrap();
        }
        sleep(Duration::from_millis(300));
        for _ in 0..8 {
            let mut line = String::new();
            output.read_line(&mut line).unwrap();
            assert!(line.len() > 300_000);
        }
        drop(input);
        assert!(served.ends_within(BOUND).success());
    }

    fn idle_cpu() {
        let Ok(ticks_before) = std::fs::read_to_string("/proc/self/stat") else {
            return;
        };
        drop(ticks_before);
        let (served, mut input, mut output) = piped(&mut command());
        ping(&mut input, &mut output);
        let used = |id: u32| -> u64 {
            let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
            let fields: Vec<_> = stat
                .rsplit(')')
                .next()
                .unwrap()
                .split_whitespace()
                .collect();
            fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
        };
        let before = used(served.id());
        sleep(Duration::from_secs(1));
        assert!(
            used(served.id()) - before <= 1,
            "ticks of 10 ms used while idle"
        );
    }
}
