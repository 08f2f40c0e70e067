//! The chunked transfer coding, as it is read.
//!
//! Owns the state between two bytes. Extensions and trailer fields are checked, counted and thrown away; data come out
//! as slices of the input. Must never accept a line that another reader of the same bytes could end elsewhere: no bare
//! CR or LF, no blanks around the size, no size beyond 64 bits.
//!
//! ```text
//! Size ─▶ Line ─▶ Data ─▶ DataEnd ─▶ Size …            size > 0
//!             └─▶ Trailer ─▶ (End)                     size = 0
//! ```
//!
//! Source: RFC 9112 section 7.1.

use bytes::{Buf, Bytes, BytesMut};

use super::refusal::Refusal;
use crate::limits::Limits;

/// A chunked body that is arriving.
#[derive(Clone, Debug)]
pub(super) struct Chunked {
    state: State,
    /// What is left of the chunk, or its size as far as it is known.
    size: u64,
    /// Bytes of the present line, or of all trailer fields.
    line: usize,
    /// Bytes of all extensions.
    extensions: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In the digits; none yet at the start of a chunk.
    Size,
    /// In an extension.
    Extension,
    /// After the CR of a chunk's line.
    LineEnd,
    Data,
    /// After the data, before CR.
    DataCr,
    /// After the data and CR.
    DataLf,
    /// At the start of a line after the last chunk.
    Trailer,
    /// In the name of a trailer field, of which there is at least one byte.
    TrailerName,
    /// In the value of a trailer field.
    TrailerValue,
    /// After the CR of a trailer field.
    TrailerLf,
    /// After the CR of the empty line.
    EndLf,
    End,
}

/// What the decoder found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decoded {
    /// Data; never empty.
    Data(Bytes),
    /// The input ran out.
    More,
    /// The body is over.
    End,
}

impl Chunked {
    pub(super) const fn new() -> Self {
        Self {
            state: State::Size,
            size: 0,
            line: 0,
            extensions: 0,
        }
    }

    /// Takes what it can from the input.
    pub(super) fn decode(
        &mut self,
        limits: &Limits,
        input: &mut BytesMut,
    ) -> Result<Decoded, Refusal> {
        loop {
            match self.state {
                State::Data => {
                    if input.is_empty() {
                        return Ok(Decoded::More);
                    }
                    let wanted = usize::try_from(self.size).unwrap_or(usize::MAX);
                    let taken = wanted.min(input.len());
                    self.size -= taken as u64;
                    if self.size == 0 {
                        self.state = State::DataCr;
                    }
                    return Ok(Decoded::Data(input.split_to(taken).freeze()));
                }
                State::End => return Ok(Decoded::End),
                _ => {
                    let mut taken = 0;
                    let mut result = Ok(());
                    for &byte in input.iter() {
                        taken += 1;
                        result = self.step(limits, byte);
                        if result.is_err() || matches!(self.state, State::Data | State::End) {
                            break;
                        }
                    }
                    input.advance(taken);
                    result?;
                    if !matches!(self.state, State::Data | State::End) {
                        return Ok(Decoded::More);
                    }
                }
            }
        }
    }

    /// One byte that is not data.
    fn step(&mut self, limits: &Limits, byte: u8) -> Result<(), Refusal> {
        self.line += 1;
        self.state = match self.state {
            State::Size | State::Extension | State::LineEnd => {
                if self.line > limits.max_chunk_line {
                    return Err(Refusal::Chunk);
                }
                self.chunk_line(limits, byte)?
            }
            State::DataCr if byte == b'\r' => State::DataLf,
            State::DataLf if byte == b'\n' => {
                self.line = 0;
                State::Size
            }
            State::Trailer
            | State::TrailerName
            | State::TrailerValue
            | State::TrailerLf
            | State::EndLf => {
                if self.line > limits.max_trailers {
                    return Err(Refusal::HeadTooLarge);
                }
                self.trailer(byte)?
            }
            State::DataCr | State::DataLf | State::Data | State::End => {
                return Err(Refusal::Chunk);
            }
        };
        Ok(())
    }

    fn chunk_line(&mut self, limits: &Limits, byte: u8) -> Result<State, Refusal> {
        match (self.state, byte) {
            (State::Size, b'\r') if self.line > 1 => Ok(State::LineEnd),
            (State::Size, b';') if self.line > 1 => Ok(State::Extension),
            (State::Size, digit) => {
                let digit = char::from(digit).to_digit(16).ok_or(Refusal::Chunk)?;
                // The top digit must be free, or the size is beyond 64 bits.
                if self.size >> 60 != 0 {
                    return Err(Refusal::Chunk);
                }
                self.size = self.size << 4 | u64::from(digit);
                Ok(State::Size)
            }
            (State::Extension, b'\r') => Ok(State::LineEnd),
            (State::Extension, byte) if is_text(byte) => {
                self.extensions += 1;
                if self.extensions > limits.max_extensions {
                    return Err(Refusal::Chunk);
                }
                Ok(State::Extension)
            }
            (State::LineEnd, b'\n') => {
                self.line = 0;
                Ok(if self.size == 0 {
                    State::Trailer
                } else {
                    State::Data
                })
            }
            _ => Err(Refusal::Chunk),
        }
    }

    fn trailer(&self, byte: u8) -> Result<State, Refusal> {
        match (self.state, byte) {
            (State::Trailer, b'\r') => Ok(State::EndLf),
            (State::Trailer | State::TrailerName, byte) if is_token(byte) => Ok(State::TrailerName),
            (State::TrailerName, b':') => Ok(State::TrailerValue),
            (State::TrailerValue, b'\r') => Ok(State::TrailerLf),
            (State::TrailerValue, byte) if is_text(byte) => Ok(State::TrailerValue),
            (State::TrailerLf, b'\n') => Ok(State::Trailer),
            (State::EndLf, b'\n') => Ok(State::End),
            _ => Err(Refusal::Chunk),
        }
    }
}

/// What may stand in a field's value or an extension: visible characters, blanks, and bytes beyond ASCII.
const fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// `tchar` of RFC 9110 section 5.6.2.
pub(super) const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}
