//! Runs the program: datagrams at 127.0.0.1:7007, MCP over TCP at 127.0.0.1:7008.

#![forbid(unsafe_code)]

use std::io;
use std::net::{Ipv4Addr, TcpListener};

fn main() -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 7008))?;
    embed_mio::Program::new((Ipv4Addr::LOCALHOST, 7007).into(), listener)?.run()
}
