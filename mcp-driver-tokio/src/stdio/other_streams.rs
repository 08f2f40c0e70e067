//! The streams where there are no Unix descriptors: blocking threads.
//!
//! Owns private duplicates of the standard handles, which the standard library
//! makes non-inheritable. The standard handles themselves stay as they are: a
//! server here must not print to stdout.

use std::fs::File;
use std::io;

use super::thread::{ThreadReader, ThreadWriter};

pub(super) use super::thread::{ThreadReader as Reader, ThreadWriter as Writer};

#[cfg(windows)]
pub(super) fn take() -> io::Result<(Reader, Writer)> {
    use std::os::windows::io::AsHandle;

    let input = io::stdin().as_handle().try_clone_to_owned()?;
    let output = io::stdout().as_handle().try_clone_to_owned()?;
    Ok((
        ThreadReader::start(File::from(input))?,
        ThreadWriter::start(File::from(output))?,
    ))
}

#[cfg(not(windows))]
pub(super) fn take() -> io::Result<(Reader, Writer)> {
    Ok((
        ThreadReader::start(io::stdin())?,
        ThreadWriter::start(io::stdout())?,
    ))
}
