//! Every bound of the HTTP/1.1 machine, in one place.
//!
//! Owns the numbers. Whatever grows with what a peer sends before a request is admitted must be bounded by a field here.
//! The length of a body is not here: the endpoint judges it (`Limits::max_message` of the server).

/// The most header fields that [`Limits::max_headers`] can allow: their places are on the stack.
pub const MAX_HEADERS: usize = 256;

/// The bounds of one connection's machine. Build with `Limits::default()` and set what shall differ.
///
/// ```
/// let mut limits = mcp_http1::Limits::default();
/// limits.max_head = 8 << 10;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of a request line, with its line end. Default 8 KiB, which is more than the 8000 bytes that RFC 9112
    /// section 3 recommends. Beyond: 414, and the connection ends.
    pub max_request_line: usize,
    /// Bytes of a request's head: request line, fields and the empty line. Default 32 KiB. Beyond: 431, and the
    /// connection ends. Cost: this much for each connection whose head is arriving, or whose next requests arrive
    /// while one is answered.
    pub max_head: usize,
    /// Fields of a head. Default 100, at most [`MAX_HEADERS`]. Beyond: 431, and the connection ends. Cost: about 100
    /// bytes for each field that is there.
    pub max_headers: usize,
    /// Bytes of the line before a chunk, extensions and line end included. Default 256. Beyond: 400, and the
    /// connection ends. Cost: none, they are not kept.
    pub max_chunk_line: usize,
    /// Bytes of all chunk extensions of one body. Default 4 KiB. Beyond: 400, and the connection ends (a body of many
    /// tiny chunks with long extensions costs work and carries nothing). Cost: none, they are not kept.
    pub max_extensions: usize,
    /// Bytes of the trailer fields of a chunked body. Default 8 KiB. Beyond: 431, and the connection ends. Cost: none,
    /// they are not kept.
    pub max_trailers: usize,
    /// Bytes of a body that nobody wants (the request was refused by its head) which are read and thrown away so that
    /// the connection can go on. Default 64 KiB. Beyond: the response says `Connection: close`, or the connection ends
    /// after it.
    pub max_discard: u64,
    /// Bytes that are read and thrown away after the last response, so that the peer reads it before it sees its
    /// connection reset (RFC 9112 section 9.6). Default 1 MiB. Beyond: the connection is closed at once.
    pub max_linger: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_request_line: 8 << 10,
            max_head: 32 << 10,
            max_headers: 100,
            max_chunk_line: 256,
            max_extensions: 4 << 10,
            max_trailers: 8 << 10,
            max_discard: 64 << 10,
            max_linger: 1 << 20,
        }
    }
}
