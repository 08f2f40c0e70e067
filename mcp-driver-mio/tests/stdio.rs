//! A stdio process whose descriptors are of every kind: what an event loop can wait for, and what it cannot.

use std::process::ExitCode;

#[cfg(not(unix))]
fn main() -> ExitCode {
    println!("only Unix lets an event loop wait for standard streams");
    ExitCode::SUCCESS
}

#[cfg(unix)]
fn main() -> ExitCode {
    unix::main()
}

#[cfg(unix)]
mod unix {
    use std::fs::File;
    use std::io::{BufRead, BufReader, Read, Seek, Write};
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::path::PathBuf;
    use std::process::{Child, Command, ExitCode, Stdio};
    use std::time::Duration;

    use libtest_mimic::{Arguments, Trial};
    use mcp_server::{Server, tool};

    const CHILD: &str = "MCP_STDIO_CHILD";
    const PATIENCE: Duration = Duration::from_secs(30);

    /// Returns many bytes.
    #[tool]
    fn large(bytes: usize) -> String {
        "x".repeat(bytes)
    }

    pub(crate) fn main() -> ExitCode {
        if std::env::var_os(CHILD).is_some() {
            return mcp_driver_mio::run(Server::new("stdio", "1.0.0").tool(large));
        }
        let tests: [(&str, fn()); 4] = [
            (
                "regular_files_are_read_and_written_to_the_end",
                regular_files,
            ),
            (
                "an_input_that_is_the_null_device_ends_at_once",
                the_null_device,
            ),
            (
                "a_socket_that_is_stderr_as_well_stays_blocking_and_is_served",
                a_socket_for_everything,
            ),
            ("who_no_longer_listens_ends_the_process", nobody_listens),
        ];
        let tests = tests.map(|(name, test)| {
            Trial::test(name, move || {
                test();
                Ok(())
            })
        });
        libtest_mimic::run(&Arguments::from_args(), tests.into()).exit_code()
    }

    fn child(input: impl Into<Stdio>, output: impl Into<Stdio>, errors: impl Into<Stdio>) -> Child {
        Command::new(std::env::current_exe().unwrap())
            .env(CHILD, "")
            .stdin(input)
            .stdout(output)
            .stderr(errors)
            .spawn()
            .unwrap()
    }

    fn call(id: u32, bytes: usize) -> String {
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"large","arguments":{{"bytes":{bytes}}},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
        ) + "\n"
    }

    fn file(name: &str) -> (File, PathBuf) {
        let path = std::env::temp_dir().join(format!("mcp-mio-{name}-{}", std::process::id()));
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).truncate(true);
        (options.open(&path).unwrap(), path)
    }

    fn regular_files() {
        let (mut input, input_path) = file("input");
        let (mut output, output_path) = file("output");
        for id in 0..2000 {
            input.write_all(call(id, 100).as_bytes()).unwrap();
        }
        input.rewind().unwrap();
        let mut child = child(input, output.try_clone().unwrap(), Stdio::inherit());
        assert!(child.wait().unwrap().success());
        let mut answers = String::new();
        output.rewind().unwrap();
        output.read_to_string(&mut answers).unwrap();
        for path in [input_path, output_path] {
            std::fs::remove_file(path).unwrap();
        }
        assert_eq!(answers.lines().count(), 2000);
        assert!(answers.lines().all(|line| line.contains("xxx")));
    }

    fn the_null_device() {
        let mut child = child(Stdio::null(), Stdio::null(), Stdio::inherit());
        assert!(child.wait().unwrap().success());
    }

    fn a_socket_for_everything() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let copy = || OwnedFd::from(theirs.try_clone().unwrap());
        let mut child = child(copy(), copy(), copy());
        drop(theirs);
        ours.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut reader = BufReader::new(&ours);
        // More than the socket takes at once, while nobody reads.
        for (id, bytes) in [(1, 10), (2, 1_000_000), (3, 10)] {
            (&ours).write_all(call(id, bytes).as_bytes()).unwrap();
        }
        for (id, bytes) in [(1, 10), (2, 1_000_000), (3, 10)] {
            let mut answer = String::new();
            reader.read_line(&mut answer).unwrap();
            assert!(
                answer.contains(&format!(r#""id":{id}"#)),
                "{}",
                &answer[..80]
            );
            assert!(answer.len() > bytes);
        }
        ours.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(child.wait().unwrap().success());
    }

    fn nobody_listens() {
        let mut child = child(Stdio::piped(), Stdio::piped(), Stdio::inherit());
        let mut input = child.stdin.take().unwrap();
        input.write_all(call(1, 10).as_bytes()).unwrap();
        let mut answer = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut answer).unwrap();
        // Its input stays open; the hang-up on its output is an event.
        drop(output);
        assert!(child.wait().unwrap().success());
        drop(input);
    }
}
