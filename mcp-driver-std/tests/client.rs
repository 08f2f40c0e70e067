//! The client's end: child processes, sockets, and every way in which a server can fail it.
//!
//! The test binary is its own child: with `MCP_TEST_CHILD` set it is a stdio server. It has no harness of its own because the
//! standard one prints on stdout, which belongs to the protocol.

#[cfg(not(unix))]
fn main() {}

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    if std::env::var_os("MCP_TEST_CHILD").is_some() {
        return unix::child();
    }
    unix::checks()
}

#[cfg(unix)]
mod unix {
    use std::os::unix::net::UnixListener;
    use std::process::{Command, ExitCode, exit};
    use std::sync::{Arc, mpsc};
    use std::thread;
    use std::time::{Duration, Instant};

    use libtest_mimic::{Arguments, Trial};
    use mcp_driver_std::client::{
        ClientConfig, ClientEvent, ClientProfile, Connection, Outcome, Refused, RequestOptions,
        Token,
    };
    use mcp_driver_std::{Ended, ListenOptions, Stopper, serve_tcp, serve_unix};
    use mcp_server::proto::client::Limit;
    use mcp_server::proto::limits::Limits;
    use mcp_server::types::Implementation;
    use mcp_server::{Context, Server, tool};

    /// Longer than anything here takes on the busiest machine.
    const PATIENCE: Duration = Duration::from_secs(60);

    // ---- the child ----

    /// Says it again
    #[tool]
    fn echo(text: String) -> String {
        text
    }

    /// Never answers, and says that it was cancelled
    #[tool]
    fn spin(ctx: Context) -> &'static str {
        ctx.progress(1.0, None, None);
        while !ctx.is_cancelled() {
            thread::sleep(Duration::from_millis(1));
        }
        "cancelled"
    }

    /// Ends the process
    #[tool]
    fn die() -> &'static str {
        exit(3)
    }

    fn server() -> Server {
        Server::new("child", "1.0.0")
            .limits(Limits {
                shutdown_bound: Duration::from_millis(300),
                ..Limits::default()
            })
            .tool(echo)
            .tool(spin)
            .tool(die)
    }

    pub(super) fn child() -> ExitCode {
        mcp_driver_std::run(server())
    }

    // ---- the client ----

    fn config() -> Arc<ClientConfig> {
        let mut profile = ClientProfile::new(Implementation::new("test", "1.0.0"));
        profile.limits.shutdown_bound = Duration::from_millis(300);
        ClientConfig::compile(profile).into()
    }

    fn command() -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env("MCP_TEST_CHILD", "1");
        command
    }

    fn connect(command: &mut Command) -> Connection {
        Connection::child(config(), command, |_| {}).unwrap()
    }

    fn call(tool: &str) -> String {
        format!(r#"{{"name":"{tool}"}}"#)
    }

    fn works(connection: &Connection, text: &str) {
        let echo = format!(r#"{{"name":"echo","arguments":{{"text":"{text}"}}}}"#);
        let answer = connection
            .client()
            .request("tools/call", echo, RequestOptions::default());
        let Ok(Outcome::Complete(result)) = answer else {
            panic!("{answer:?}");
        };
        assert!(String::from_utf8_lossy(&result).contains(text));
    }

    fn a_child_is_spoken_to_and_ends_with_its_input() {
        let connection = connect(&mut command());
        works(&connection, "canary");
        let client = connection.client().clone();
        let closed = connection.close().unwrap();
        assert!(closed.status.unwrap().success());
        let after = client.request("tools/list", "", RequestOptions::default());
        assert!(matches!(after, Err(Refused::Closed(()))), "{after:?}");
    }

    fn requests_of_many_threads_get_their_own_answers() {
        let connection = connect(&mut command());
        thread::scope(|scope| {
            for thread in 0..8 {
                let connection = &connection;
                scope.spawn(move || {
                    for n in 0..50 {
                        works(connection, &format!("thread {thread} number {n}"));
                    }
                });
            }
        });
        connection.close().unwrap();
    }

    fn a_child_that_dies_answers_everybody_with_its_loss() {
        let connection = connect(&mut command());
        let options = RequestOptions::UNLIMITED;
        let waiting: Vec<_> = (0..5)
            .map(|_| {
                connection
                    .client()
                    .start("tools/call", call("spin"), options)
            })
            .collect();
        let died = connection
            .client()
            .request("tools/call", call("die"), options);
        assert!(matches!(died, Ok(Outcome::Lost)), "{died:?}");
        for pending in waiting {
            assert!(matches!(pending.wait(), Ok(Outcome::Lost)));
        }
        let closed = connection.close().unwrap();
        assert_eq!(closed.status.unwrap().code(), Some(3));
    }

    fn a_child_that_is_gone_is_gone_although_another_process_holds_its_output() {
        // The shell exits; what it started keeps the pipe.
        let mut shell = Command::new("sh");
        shell.args(["-c", "sleep 60 & exit 4"]);
        let connection = connect(&mut shell);
        let lost = connection
            .client()
            .request("tools/list", "", RequestOptions::UNLIMITED);
        // Whether the request was taken before or after the end, nobody waits for it.
        assert!(
            matches!(lost, Ok(Outcome::Lost) | Err(Refused::Closed(()))),
            "{lost:?}"
        );
        let closed = connection.close().unwrap();
        assert_eq!(closed.status.unwrap().code(), Some(4));
    }

    fn a_child_that_does_not_care_about_its_input_is_ended() {
        for (script, code) in [
            ("exec sleep 60", None),
            ("trap 'exit 7' TERM; sleep 60 & wait", Some(7)),
        ] {
            let mut shell = Command::new("sh");
            shell.args(["-c", script]);
            let start = Instant::now();
            let closed = connect(&mut shell).close().unwrap();
            assert_eq!(closed.status.unwrap().code(), code);
            assert!(start.elapsed() < PATIENCE / 2);
        }
    }

    fn a_child_that_ignores_sigterm_is_killed() {
        let mut shell = Command::new("sh");
        shell.args(["-c", "trap '' TERM; while :; do sleep 1; done"]);
        let closed = connect(&mut shell).close().unwrap();
        let status = closed.status.unwrap();
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&status),
            Some(9)
        );
    }

    fn a_connection_that_is_dropped_leaves_no_child() {
        let connection = connect(&mut command());
        works(&connection, "canary");
        let client = connection.client().clone();
        let waiting = client.start("tools/call", call("spin"), RequestOptions::UNLIMITED);
        drop(connection);
        // Whether it was sent or not, nobody waits for it.
        let lost = waiting.wait();
        assert!(matches!(lost, Ok(Outcome::Lost) | Err(Refused::Closed(()))));
        let children = format!("/proc/self/task/{}/children", std::process::id());
        if let Ok(children) = std::fs::read_to_string(children) {
            assert_eq!(children.trim(), "", "all are reaped");
        }
    }

    fn a_deadline_ends_a_request_and_the_server_is_told() {
        let (heard, events) = mpsc::channel();
        let connection = Connection::child(config(), &mut command(), move |event| {
            if let ClientEvent::Progress { progress, .. } = event {
                let _ = heard.send(progress.progress);
            }
        })
        .unwrap();
        let total = Some(Duration::from_millis(200));
        let options = RequestOptions::UNLIMITED.deadlines(None, total).progress();
        let late = connection
            .client()
            .request("tools/call", call("spin"), options);
        assert!(
            matches!(late, Ok(Outcome::TimedOut(Limit::Total))),
            "{late:?}"
        );
        let progress = events.recv_timeout(PATIENCE).unwrap();
        assert!((progress - 1.0).abs() < f64::EPSILON);
        // One that is dropped is cancelled as well; nothing is left for the end to wait for.
        connection
            .client()
            .start("tools/call", call("spin"), RequestOptions::UNLIMITED)
            .cancel();
        works(&connection, "canary");
        assert!(connection.close().unwrap().status.unwrap().success());
    }

    fn a_panic_of_what_hears_the_events_leaves_nobody_waiting() {
        let connection = Connection::child(config(), &mut command(), |event| {
            assert!(!matches!(event, ClientEvent::Progress { .. }), "on purpose");
        })
        .unwrap();
        let options = RequestOptions::UNLIMITED.progress();
        let lost = connection
            .client()
            .request("tools/call", call("spin"), options);
        assert!(matches!(lost, Ok(Outcome::Lost)), "{lost:?}");
        assert_eq!(connection.close().unwrap().ended, Ended::Closed);
    }

    fn sockets_are_spoken_to_alike() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stopper = Stopper::new();
        let stop = stopper.clone();
        let tcp = thread::spawn(move || {
            serve_tcp(listener, server(), ListenOptions::default(), &stop).unwrap();
        });
        let path = std::env::temp_dir().join(format!("mcp-std-client-{}", std::process::id()));
        let listener = UnixListener::bind(&path).unwrap();
        let stop = stopper.clone();
        let unix = thread::spawn(move || {
            serve_unix(listener, server(), ListenOptions::default(), &stop).unwrap();
        });
        let quiet = |_: ClientEvent<Token>| {};
        let over_tcp = Connection::tcp(config(), address, quiet).unwrap();
        let over_unix = Connection::unix(config(), &path, quiet).unwrap();
        std::fs::remove_file(&path).unwrap();
        for connection in [over_tcp, over_unix] {
            works(&connection, "canary");
            let waiting =
                connection
                    .client()
                    .start("tools/call", call("spin"), RequestOptions::UNLIMITED);
            works(&connection, "another");
            waiting.cancel();
            let closed = connection.close().unwrap();
            assert!(closed.status.is_none());
            assert_eq!(closed.ended, Ended::Shutdown);
        }
        stopper.stop();
        tcp.join().unwrap();
        unix.join().unwrap();
    }

    pub(super) fn checks() -> ExitCode {
        macro_rules! trials {
            ($($name:ident),* $(,)?) => {
                vec![$(Trial::test(stringify!($name), || { $name(); Ok(()) })),*]
            };
        }
        // One after the other: one of them looks for children that are left.
        let mut arguments = Arguments::from_args();
        arguments.test_threads = Some(1);
        let trials = trials![
            a_child_is_spoken_to_and_ends_with_its_input,
            requests_of_many_threads_get_their_own_answers,
            a_child_that_dies_answers_everybody_with_its_loss,
            a_child_that_is_gone_is_gone_although_another_process_holds_its_output,
            a_child_that_does_not_care_about_its_input_is_ended,
            a_child_that_ignores_sigterm_is_killed,
            a_connection_that_is_dropped_leaves_no_child,
            a_deadline_ends_a_request_and_the_server_is_told,
            a_panic_of_what_hears_the_events_leaves_nobody_waiting,
            sockets_are_spoken_to_alike,
        ];
        libtest_mimic::run(&arguments, trials).exit_code()
    }
}
