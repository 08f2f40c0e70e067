//! The grammar: a cursor that steps over JSON tokens.
//!
//! Owns RFC 8259 syntax, UTF-8 and depth. It must never recurse, never allocate, and never look at
//! a byte twice, save that strings with bytes beyond ASCII are validated as UTF-8 once more.

/// What stopped the cursor, and where it stands says at which byte.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    Syntax,
    Utf8,
    Depth,
}

/// The deepest nesting that any configuration can allow: one bit of [`Cursor::skip_value`]'s stack
/// per level.
pub(super) const DEPTH_CAP: u32 = 128;

#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Open brackets above the cursor.
    depth: u32,
    max_depth: u32,
}

/// A string token: where its contents are, and whether they contain an escape.
#[derive(Clone, Copy, Debug)]
pub(super) struct Str {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) escaped: bool,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8], max_depth: u32) -> Self {
        Self {
            bytes,
            at: 0,
            depth: 0,
            max_depth: max_depth.min(DEPTH_CAP),
        }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    pub(super) fn slice(&self, start: usize, end: usize) -> &'a [u8] {
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// The next byte; 0 at the end, which no token begins with.
    #[inline(always)]
    pub(super) fn peek(&self) -> u8 {
        match self.bytes.get(self.at) {
            Some(byte) => *byte,
            None => 0,
        }
    }

    /// Steps over `count` bytes that the caller has seen.
    #[inline(always)]
    pub(super) fn bump(&mut self, count: usize) {
        self.at += count;
    }

    #[inline(always)]
    pub(super) fn whitespace(&mut self) {
        // Compact JSON has none: one comparison, usually.
        if self.peek() <= b' ' {
            self.some_whitespace();
        }
    }

    #[inline(always)]
    pub(super) fn expect(&mut self, byte: u8) -> Result<(), Fault> {
        if self.peek() != byte {
            return Err(Fault::Syntax);
        }
        self.at += 1;
        Ok(())
    }

    /// Steps into a `{`. Returns whether there is a member.
    #[inline]
    pub(super) fn enter_object(&mut self) -> Result<bool, Fault> {
        self.expect(b'{')?;
        self.deeper()?;
        self.whitespace();
        if self.peek() == b'}' {
            self.bump(1);
            self.depth -= 1;
            return Ok(false);
        }
        Ok(true)
    }

    /// Steps over a key and its colon, up to the value.
    #[inline(always)]
    pub(super) fn key(&mut self) -> Result<Str, Fault> {
        let start = self.at + 1;
        let escaped = self.string()?;
        let end = self.at - 1;
        self.whitespace();
        self.expect(b':')?;
        self.whitespace();
        Ok(Str {
            start,
            end,
            escaped,
        })
    }

    /// After a member: steps over `,` to the next key or over `}`. Returns whether there is another
    /// member.
    #[inline]
    pub(super) fn next_member(&mut self) -> Result<bool, Fault> {
        self.whitespace();
        match self.peek() {
            b',' => {
                self.bump(1);
                self.whitespace();
                Ok(true)
            }
            b'}' => {
                self.bump(1);
                self.depth -= 1;
                Ok(false)
            }
            _ => Err(Fault::Syntax),
        }
    }

    /// Steps over one value of any kind.
    pub(super) fn skip_value(&mut self) -> Result<(), Fault> {
        let floor = self.depth;
        // One bit per open bracket below this value, the innermost lowest: set for an object.
        let mut objects: u128 = 0;
        loop {
            match self.peek() {
                b'{' => {
                    if self.enter_object()? {
                        objects = objects << 1 | 1;
                        self.key()?;
                        continue;
                    }
                }
                b'[' => {
                    self.bump(1);
                    self.deeper()?;
                    self.whitespace();
                    if self.peek() != b']' {
                        objects <<= 1;
                        continue;
                    }
                    self.bump(1);
                    self.depth -= 1;
                }
                _ => self.scalar()?,
            }
            // A value is complete: close what it completes.
            loop {
                if self.depth == floor {
                    return Ok(());
                }
                self.whitespace();
                let in_object = objects & 1 == 1;
                match self.peek() {
                    b',' => {
                        self.bump(1);
                        self.whitespace();
                        if in_object {
                            self.key()?;
                        }
                        break;
                    }
                    b'}' if in_object => {}
                    b']' if !in_object => {}
                    _ => return Err(Fault::Syntax),
                }
                self.bump(1);
                self.depth -= 1;
                objects >>= 1;
            }
        }
    }

    /// Steps over one token of any kind, wherever it stands.
    pub(super) fn token(&mut self) -> Result<(), Fault> {
        match self.peek() {
            b'{' | b'}' | b'[' | b']' | b':' | b',' => self.bump(1),
            _ => self.scalar()?,
        }
        Ok(())
    }

    /// Steps over a value without brackets.
    #[inline(always)]
    fn scalar(&mut self) -> Result<(), Fault> {
        match self.peek() {
            b'"' => {
                self.string()?;
            }
            b'-' | b'0'..=b'9' => self.number()?,
            b't' => self.literal(b"true")?,
            b'f' => self.literal(b"false")?,
            b'n' => self.literal(b"null")?,
            _ => return Err(Fault::Syntax),
        }
        Ok(())
    }

    /// Steps over a string token. Returns whether it contains an escape.
    #[inline(always)]
    pub(super) fn string(&mut self) -> Result<bool, Fault> {
        self.expect(b'"')?;
        let start = self.at;
        self.at += super::text::ascii_len(self.rest());
        if self.peek() != b'"' {
            return self.uncommon_string(start);
        }
        self.bump(1);
        Ok(false)
    }

    /// The rest of a string that is long, has escapes or bytes beyond ASCII, or does not end.
    #[inline(never)]
    fn uncommon_string(&mut self, start: usize) -> Result<bool, Fault> {
        let mut escaped = false;
        let mut beyond_ascii = false;
        loop {
            let (len, beyond) = super::text::plain_len(self.rest());
            self.at += len;
            beyond_ascii |= beyond;
            match self.peek() {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    self.escape()?;
                }
                // A control character, or the end.
                _ => return Err(Fault::Syntax),
            }
        }
        if beyond_ascii {
            self.utf8(start, self.at)?;
        }
        self.bump(1);
        Ok(escaped)
    }

    /// Steps over a number token.
    pub(super) fn number(&mut self) -> Result<(), Fault> {
        if self.peek() == b'-' {
            self.bump(1);
        }
        match self.peek() {
            b'0' => self.bump(1),
            b'1'..=b'9' => self.digits(),
            _ => return Err(Fault::Syntax),
        }
        if self.peek() == b'.' {
            self.bump(1);
            self.some_digits()?;
        }
        if matches!(self.peek(), b'e' | b'E') {
            self.bump(1);
            if matches!(self.peek(), b'+' | b'-') {
                self.bump(1);
            }
            self.some_digits()?;
        }
        Ok(())
    }

    /// Steps over a backslash and what it escapes. Surrogates must come in pairs: anything else is
    /// not Unicode text.
    fn escape(&mut self) -> Result<(), Fault> {
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.bump(2),
            Some(b'u') => {
                self.bump(2);
                match self.hex4()? {
                    0xDC00..=0xDFFF => return Err(Fault::Utf8),
                    0xD800..=0xDBFF => {
                        if self.slice(self.at, self.at + 2) != b"\\u" {
                            return Err(Fault::Utf8);
                        }
                        self.bump(2);
                        if !matches!(self.hex4()?, 0xDC00..=0xDFFF) {
                            return Err(Fault::Utf8);
                        }
                    }
                    _ => {}
                }
            }
            _ => return Err(Fault::Syntax),
        }
        Ok(())
    }

    fn hex4(&mut self) -> Result<u32, Fault> {
        let unit = super::text::hex4(self.slice(self.at, self.at + 4)).ok_or(Fault::Syntax)?;
        self.bump(4);
        Ok(unit)
    }

    #[cold]
    fn utf8(&mut self, start: usize, end: usize) -> Result<(), Fault> {
        match core::str::from_utf8(self.slice(start, end)) {
            Ok(_) => Ok(()),
            Err(error) => {
                self.at = start + error.valid_up_to();
                Err(Fault::Utf8)
            }
        }
    }

    #[inline(never)]
    fn some_whitespace(&mut self) {
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
    }

    #[inline(always)]
    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    #[inline(always)]
    fn digits(&mut self) {
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
    }

    fn some_digits(&mut self) -> Result<(), Fault> {
        let start = self.at;
        self.digits();
        if self.at == start {
            Err(Fault::Syntax)
        } else {
            Ok(())
        }
    }

    fn literal(&mut self, word: &[u8]) -> Result<(), Fault> {
        if !self.rest().starts_with(word) {
            return Err(Fault::Syntax);
        }
        self.bump(word.len());
        Ok(())
    }

    #[inline(always)]
    fn deeper(&mut self) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > self.max_depth {
            Err(Fault::Depth)
        } else {
            Ok(())
        }
    }
}
