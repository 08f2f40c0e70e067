//! Records what passes between a client and a server, and judges what was recorded.
//!
//! `mcp-witness http FOLDER LISTEN TO` stands before an HTTP server; `mcp-witness stdio FOLDER PROGRAM ARGUMENTS…` stands
//! in for a program that speaks over its standard streams; `mcp-witness judge FOLDER` says what it thinks of it all.
//! Bytes pass through unchanged.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread;

const USAGE: &str =
    "usage: mcp-witness http FOLDER LISTEN TO | stdio FOLDER PROGRAM ARGUMENTS... | judge FOLDER";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ended = match arguments[..] {
        ["http", folder, listen, to] => http(Path::new(folder), listen, to),
        ["stdio", folder, program, ..] => stdio(Path::new(folder), program, &arguments[3..]),
        ["judge", folder] => judge(Path::new(folder)),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, USAGE)),
    };
    ended.unwrap_or_else(|error| {
        eprintln!("mcp-witness: {error}");
        ExitCode::from(2)
    })
}

fn judge(folder: &Path) -> io::Result<ExitCode> {
    let verdict = mcp_witness::judge_folder(folder)?;
    for violation in &verdict.violations {
        println!("VIOLATION {violation}");
    }
    println!(
        "{} messages in {} recordings are what their revision allows, {} are not{}",
        verdict.judged,
        verdict.recordings,
        verdict.violations.len(),
        if mcp_witness::folder().is_some() {
            ""
        } else {
            " (schemas not at hand: decoded only)"
        }
    );
    Ok(if verdict.violations.is_empty() && verdict.judged > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Passes bytes on until the end or an error, and keeps a copy.
fn pass(mut from: impl Read, mut to: impl Write, mut copy: File) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let bytes = &buffer[..length];
        // What could not be recorded is told, and passes all the same.
        if let Err(error) = copy.write_all(bytes) {
            eprintln!("mcp-witness: {error}");
        }
        if to.write_all(bytes).and_then(|()| to.flush()).is_err() {
            break;
        }
    }
}

fn files(folder: &Path, name: &str) -> io::Result<(File, File)> {
    let path = folder.join(name);
    Ok((
        File::create(path.with_extension("in"))?,
        File::create(path.with_extension("out"))?,
    ))
}

fn stdio(folder: &Path, program: &str, arguments: &[&str]) -> io::Result<ExitCode> {
    let (sent, received) = files(folder, &format!("stdio-{}", std::process::id()))?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let missing = || io::Error::other("a child without its pipes");
    let to_child = child.stdin.take().ok_or_else(missing)?;
    let from_child = child.stdout.take().ok_or_else(missing)?;
    // Ends with the process: a read from the terminal cannot be interrupted.
    thread::spawn(move || pass(io::stdin().lock(), to_child, sent));
    pass(from_child, io::stdout().lock(), received);
    let status = child.wait()?;
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from))
}

fn http(folder: &Path, listen: &str, to: &str) -> io::Result<ExitCode> {
    let listener = TcpListener::bind(listen)?;
    for number in 0_u32.. {
        let (client, _) = listener.accept()?;
        // The server went away: so does this connection, and the client sees what it would have seen.
        let Ok(server) = TcpStream::connect(to) else {
            continue;
        };
        let name = format!("http-{}-{number:05}", std::process::id());
        let (sent, received) = files(folder, &name)?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (from_client, to_server) = (client.try_clone()?, server.try_clone()?);
        thread::spawn(move || {
            pass(&from_client, &to_server, sent);
            let _ = to_server.shutdown(Shutdown::Write);
        });
        thread::spawn(move || {
            pass(&server, &client, received);
            let _ = client.shutdown(Shutdown::Both);
        });
    }
    Ok(ExitCode::SUCCESS)
}
