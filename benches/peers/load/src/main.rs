//! The load generator. Starts one server, keeps it busy from one thread, prints one line of JSON.
//!
//! Everything is bounded: in messages, in connections and in seconds; nothing but 127.0.0.1 is ever spoken to. The
//! server is pinned to one core and this process to another, so that their times do not mix. What can be repeated is
//! the CPU time per request of the server process (all its threads, user and kernel), read from the scheduler in
//! nanoseconds; rates and latencies depend on the machine's mood.

mod http;
mod memory;
mod message;
mod options;
mod server;
mod stdio;

use std::process::ExitCode;

use options::Options;

const USAGE: &str = "\
stdio    [--n N] [--window W] [--tool echo|add|large] [--era legacy|modern]
behind   [--slow none|sleep|burn] [--pending K] [--n N] [--era …]
start    [--n N] [--era …]
http     --address A [--connections C] [--millis M] [--tool T] [--mode fixed|legacy|session|modern]
sessions --address A [--n N] [--call]
listens  --address A [--n N]
all of them: [--server-core C] [--own-core C] -- COMMAND ARGUMENTS
";

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let command = words.next().unwrap_or_default();
    let result = Options::parse(words).and_then(|options| match command.as_str() {
        "stdio" => stdio::throughput(&options),
        "behind" => stdio::behind(&options),
        "start" => stdio::start(&options),
        "http" => http::throughput(&options),
        "sessions" => memory::sessions(&options),
        "listens" => memory::listens(&options),
        _ => Err(USAGE.into()),
    });
    match result {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
