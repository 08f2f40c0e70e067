//! Moving bytes between blocking-style readers and writers and the buffers of a connection.
//!
//! Owns no descriptor. Must never read more than its scratch holds at a time, so that one peer cannot make the buffers of
//! a connection jump.

use std::fmt;
use std::io::{self, IoSlice, Read, Write};

use bytes::{Buf, BytesMut};
use mcp_server::proto::outbox::Outbox;

/// How many bytes one read moves at most.
const CHUNK: usize = 16 * 1024;

/// How many pieces one write names at most.
const PIECES: usize = 64;

/// Room for one read, shared by all connections of a thread.
pub struct Scratch(Box<[u8]>);

impl Default for Scratch {
    fn default() -> Self {
        Self(vec![0; CHUNK].into())
    }
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scratch")
    }
}

impl Scratch {
    /// Reads once and appends what came; 0 means the end. Goes on after an interruption.
    ///
    /// # Errors
    /// Whatever the reader says, `WouldBlock` included.
    pub fn read(&mut self, reader: &mut impl Read, input: &mut BytesMut) -> io::Result<usize> {
        loop {
            match reader.read(&mut self.0) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(read) => {
                    input.extend_from_slice(&self.0[..read]);
                    return Ok(read);
                }
            }
        }
    }
}

/// Writes once from the front of `out`, all its pieces together, and advances it. Goes on after an interruption.
///
/// # Errors
/// Whatever the writer says, `WouldBlock` included.
pub fn write_from(writer: &mut impl Write, out: &mut Outbox) -> io::Result<usize> {
    loop {
        let mut pieces = [IoSlice::new(&[]); PIECES];
        let filled = out.chunks_vectored(&mut pieces);
        match writer.write_vectored(&pieces[..filled]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            Ok(written) => {
                out.advance(written);
                return Ok(written);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_appended_and_what_is_written_is_gone() {
        let mut input = BytesMut::from(&b"a"[..]);
        assert_eq!(
            Scratch::default()
                .read(&mut &b"bc"[..], &mut input)
                .unwrap(),
            2
        );
        assert_eq!(&input[..], b"abc");
        let mut out = Outbox::new(64);
        out.put(b"one");
        out.put_shared(vec![b'2'; 4096].into());
        let mut sink = Vec::new();
        while out.has_remaining() {
            write_from(&mut sink, &mut out).unwrap();
        }
        assert_eq!(sink.len(), 3 + 4096);
    }

    #[test]
    fn an_interruption_is_no_end() {
        struct Once(bool);
        impl Read for Once {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                if !std::mem::replace(&mut self.0, true) {
                    return Err(io::ErrorKind::Interrupted.into());
                }
                buffer[0] = b'x';
                Ok(1)
            }
        }
        let mut input = BytesMut::new();
        let read = Scratch::default().read(&mut Once(false), &mut input);
        assert_eq!((read.unwrap(), &input[..]), (1, &b"x"[..]));
    }
}
