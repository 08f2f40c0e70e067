//! The `mcp` command.
//!
//! Owns the command line. It must never write to the standard output while a
//! stdio server runs: there only the protocol speaks.

#![forbid(unsafe_code)]

mod arguments;
mod demo;
mod drivers;
mod everything;

use std::process::ExitCode;

use arguments::Command;

fn main() -> ExitCode {
    let command = match arguments::parse(std::env::args().skip(1)) {
        Ok(command) => command,
        Err(error) => {
            eprintln!("mcp: {error}\nTry 'mcp --help'.");
            return ExitCode::from(2);
        }
    };
    let outcome = match command {
        Command::Help => {
            print!("{}", arguments::HELP);
            Ok(())
        }
        Command::Version => {
            println!("mcp {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
        Command::Demo(options) => demo::run(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mcp: {error}");
            ExitCode::FAILURE
        }
    }
}
