//! The streams where there are no Unix descriptors: blocking threads.
//!
//! Owns nothing but that choice.

use std::io;

use mcp_driver::stdio::Channel;

use super::thread::{ThreadReader, ThreadWriter};

pub(super) use super::thread::{ThreadReader as Reader, ThreadWriter as Writer};

pub(super) fn reader(channel: Channel) -> io::Result<Reader> {
    match channel {
        Channel::Blocking(file) => ThreadReader::start(file),
        other => Err(unknown(&other)),
    }
}

pub(super) fn writer(channel: Channel) -> io::Result<Writer> {
    match channel {
        Channel::Blocking(file) => ThreadWriter::start(file),
        other => Err(unknown(&other)),
    }
}

fn unknown(channel: &Channel) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, format!("{channel:?}"))
}
