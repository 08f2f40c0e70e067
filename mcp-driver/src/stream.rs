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
    /// The most that one read brings. A stream socket or pipe that brought less had no more, at that moment.
    #[must_use]
    pub const fn room(&self) -> usize {
        self.0.len()
    }

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
    write_pieces(writer, out).map(|written| written.bytes)
}

/// What one write has taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// So many bytes.
    pub bytes: usize,
    /// It was offered more than it took: a stream socket or pipe has no room left, at that moment.
    pub short: bool,
}

/// Like [`write_from`], for those who remember readiness.
///
/// # Errors
/// Whatever the writer says, `WouldBlock` included.
pub fn write_pieces(writer: &mut impl Write, out: &mut Outbox) -> io::Result<Written> {
    loop {
        let mut pieces = [IoSlice::new(&[]); PIECES];
        let filled = out.chunks_vectored(&mut pieces);
        let written = match &pieces[..filled] {
            // For one piece the plain call is the shorter way through the kernel.
            [piece] => writer.write(piece),
            pieces => writer.write_vectored(pieces),
        };
        match written {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            Ok(bytes) => {
                let offered: usize = pieces[..filled].iter().map(|piece| piece.len()).sum();
                out.advance(bytes);
                return Ok(Written {
                    bytes,
                    short: bytes < offered,
                });
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
    fn a_write_is_short_only_when_it_took_less_than_it_was_offered() {
        let mut out = Outbox::new(64);
        for _ in 0..PIECES + 1 {
            out.put_shared(vec![b'x'; 8192].into());
        }
        let mut room = vec![0; PIECES * 8192 + 10];
        let mut writer = &mut room[..];
        let mut written = || write_pieces(&mut writer, &mut out).unwrap();
        let (all, none_left) = (written(), written());
        assert_eq!((all.bytes, all.short), (PIECES * 8192, false));
        assert_eq!((none_left.bytes, none_left.short), (10, true));
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
