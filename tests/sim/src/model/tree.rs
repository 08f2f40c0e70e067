//! Reading a message the plain way: a recursive parser that keeps everything, then the rules.
//!
//! Owns a second opinion on JSON and on the JSON-RPC envelope. It keeps duplicate keys and raw numbers,
//! which a `serde_json::Value` would not.

use serde_json::{Map, Value};

const MAX_DEPTH: u32 = 64;
/// The length of the longest id.
pub const MAX_ID: usize = 256;

/// A JSON value as it was written.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// The number's text.
    Number(String),
    /// Decoded.
    Text(String),
    /// In order.
    List(Vec<Self>),
    /// In order, with duplicates.
    Object(Vec<(String, Self)>),
}

impl Tree {
    /// The first member of that name.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.iter().find(|(k, _)| k == key).map(|(_, v)| v),
            _ => None,
        }
    }

    /// The text, if it is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether it is an object.
    #[must_use]
    pub const fn is_object(&self) -> bool {
        matches!(self, Self::Object(_))
    }

    /// The integer of ours that it may be: plain digits.
    #[must_use]
    pub fn wire(&self) -> Option<u64> {
        match self {
            Self::Number(raw) if integer(raw) => raw.parse().ok(),
            _ => None,
        }
    }

    /// How long a text without escapes, or a number, was when it was written.
    #[must_use]
    pub fn written(&self) -> usize {
        match self {
            Self::Number(raw) => raw.len(),
            Self::Text(text) => text.len() + 2,
            _ => 0,
        }
    }

    /// For comparison with what was written.
    #[must_use]
    pub fn value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(b) => Value::Bool(*b),
            Self::Number(raw) if raw == "-0" => Value::from(0),
            Self::Number(raw) => {
                serde_json::from_str(raw).unwrap_or_else(|_| Value::String(format!("number {raw}")))
            }
            Self::Text(text) => Value::String(text.clone()),
            Self::List(items) => Value::Array(items.iter().map(Self::value).collect()),
            Self::Object(members) => Value::Object(
                members
                    .iter()
                    .map(|(k, v)| (k.clone(), v.value()))
                    .collect::<Map<_, _>>(),
            ),
        }
    }
}

/// Whether a number is written without fraction and exponent.
#[must_use]
pub fn integer(raw: &str) -> bool {
    let digits = raw.strip_prefix('-').unwrap_or(raw);
    !digits.is_empty()
        && digits.bytes().all(|b| b.is_ascii_digit())
        && (digits == "0" || !digits.starts_with('0'))
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Wants an answer.
    Request,
    /// Wants none.
    Notification,
    /// A good answer.
    Result,
    /// A bad one.
    Error,
}

/// A message that keeps the rules.
#[derive(Clone, Debug)]
pub struct Message {
    /// What it is.
    pub form: Form,
    /// Its id, unless null or absent.
    pub id: Option<Tree>,
    /// Its method, or nothing.
    pub method: String,
    /// Its parameters.
    pub params: Option<Tree>,
    /// Its result.
    pub result: Option<Tree>,
    /// Its error.
    pub error: Option<Tree>,
}

impl Message {
    /// A member of the parameters.
    #[must_use]
    pub fn param(&self, key: &str) -> Option<&Tree> {
        self.params.as_ref()?.get(key)
    }

    /// A member of `_meta`.
    #[must_use]
    pub fn meta(&self, key: &str) -> Option<&Tree> {
        self.param("_meta")?.get(key)
    }
}

/// A message that breaks them.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The JSON-RPC code.
    pub code: i64,
    /// The id, if it could be read.
    pub id: Option<Tree>,
    /// What it would have been.
    pub form: Option<Form>,
    /// Nothing but an id, as it were.
    pub nothing: bool,
    /// A list of messages.
    pub batch: bool,
}

const PARSE: i64 = -32700;
const REQUEST: i64 = -32600;
const PARAMS: i64 = -32602;

/// The faults in order of precedence, with their codes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Broken,
    Empty,
    Batch,
    NotObject,
    Duplicate,
    Version,
    Id,
    MethodType,
    Nothing,
    Both,
    MethodAndAnswer,
    ErrorShape,
    Params,
    Meta,
}

impl Kind {
    const fn code(self) -> i64 {
        match self {
            Self::Broken | Self::Empty => PARSE,
            Self::Params | Self::Meta => PARAMS,
            _ => REQUEST,
        }
    }
}

/// Parses a whole value.
#[must_use]
pub fn parse(text: &[u8]) -> Option<Tree> {
    let mut parser = Parser {
        bytes: text,
        at: 0,
        depth: 0,
    };
    parser.space();
    let tree = parser.value()?;
    parser.space();
    (parser.at == text.len()).then_some(tree)
}

/// The elements of a list, as they are written; `None` if it is not JSON.
#[must_use]
pub fn elements(text: &[u8]) -> Option<Vec<Vec<u8>>> {
    parse(text)?;
    let mut parser = Parser {
        bytes: text,
        at: 0,
        depth: 1,
    };
    let mut found = Vec::new();
    parser.space();
    parser.expect(b'[')?;
    loop {
        parser.space();
        if parser.peek()? == b']' {
            return Some(found);
        }
        let start = parser.at;
        parser.value()?;
        found.push(text[start..parser.at].to_vec());
        parser.space();
        if parser.peek()? == b',' {
            parser.at += 1;
        }
    }
}

/// Reads a line.
///
/// # Errors
/// [`Fault`] when it is not one JSON-RPC message.
pub fn read(line: &[u8]) -> Result<Message, Fault> {
    let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
    let mut parser = Parser {
        bytes: line,
        at: 0,
        depth: 0,
    };
    parser.space();
    let plain = |kind: Kind| Fault {
        code: kind.code(),
        id: None,
        form: None,
        nothing: false,
        batch: kind == Kind::Batch,
    };
    match parser.peek() {
        None => return Err(plain(Kind::Empty)),
        Some(b'[') => return Err(plain(Kind::Batch)),
        Some(b'{') => {}
        Some(_) => {
            let whole = parse(line).is_some();
            return Err(plain(if whole { Kind::NotObject } else { Kind::Broken }));
        }
    }
    let mut seen = Vec::new();
    let mut complete = parser.envelope(&mut seen).is_some();
    parser.space();
    complete &= parser.at == line.len();
    judge(&seen, complete)
}

/// One member of the envelope; the value is missing if it is broken.
struct Seen {
    key: String,
    value: Option<Tree>,
    length: usize,
}

fn judge(seen: &[Seen], complete: bool) -> Result<Message, Fault> {
    let mut kinds: Vec<Kind> = Vec::new();
    let last = |key: &str| seen.iter().rev().find(|s| s.key == key);
    let value = |key: &str| last(key).and_then(|s| s.value.clone());
    let has = |key: &str| last(key).is_some();

    let ids: Vec<&Seen> = seen.iter().filter(|s| s.key == "id").collect();
    let valid = |s: &Seen| {
        s.length <= MAX_ID
            && match &s.value {
                Some(Tree::Text(_)) => true,
                Some(Tree::Number(raw)) => integer(raw),
                _ => false,
            }
    };
    let null = ids.iter().any(|s| s.value == Some(Tree::Null));
    if ids
        .iter()
        .any(|s| s.value.is_some() && s.value != Some(Tree::Null) && !valid(s))
    {
        kinds.push(Kind::Id);
    }
    let whole: Vec<&&Seen> = ids.iter().filter(|s| s.value.is_some()).collect();
    let id = match whole[..] {
        [only] if valid(only) => only.value.clone(),
        _ => None,
    };

    let keys: Vec<&str> = seen.iter().map(|s| s.key.as_str()).collect();
    if doubled(&keys) {
        kinds.push(Kind::Duplicate);
    }
    let members = |tree: &Tree| match tree {
        Tree::Object(members) => {
            doubled(&members.iter().map(|(k, _)| k.as_str()).collect::<Vec<_>>())
        }
        _ => false,
    };
    let params = value("params");
    match &params {
        Some(tree @ Tree::Object(_)) => {
            if members(tree) {
                kinds.push(Kind::Duplicate);
            }
            match tree.get("_meta") {
                Some(meta @ Tree::Object(_)) if members(meta) => kinds.push(Kind::Duplicate),
                Some(Tree::Object(_)) | None => {}
                Some(_) => kinds.push(Kind::Meta),
            }
        }
        Some(_) => kinds.push(Kind::Params),
        None => {}
    }
    let (result, error) = (value("result"), value("error"));
    if let Some(error) = &error {
        if members(error) {
            kinds.push(Kind::Duplicate);
        }
        let code =
            matches!(error.get("code"), Some(Tree::Number(raw)) if raw.parse::<i64>().is_ok());
        let message = matches!(error.get("message"), Some(Tree::Text(_)));
        if !error.is_object() || !code || !message {
            kinds.push(Kind::ErrorShape);
        }
    }
    let method = value("method");
    if has("method") && method.is_some() && !matches!(method, Some(Tree::Text(_))) {
        kinds.push(Kind::MethodType);
    }
    let (has_method, has_id) = (has("method"), !ids.is_empty());
    let answer = result.is_some() || error.is_some();
    let form = match (has_method, has_id) {
        (true, true) => Form::Request,
        (true, false) => Form::Notification,
        (false, _) if error.is_some() => Form::Error,
        (false, _) => Form::Result,
    };
    if value("jsonrpc") != Some(Tree::Text("2.0".into())) {
        kinds.push(Kind::Version);
    }
    if null && form != Form::Error || form == Form::Result && result.is_some() && !has_id {
        kinds.push(Kind::Id);
    }
    if !has_method && !answer {
        kinds.push(Kind::Nothing);
    }
    if result.is_some() && error.is_some() {
        kinds.push(Kind::Both);
    }
    if has_method && answer {
        kinds.push(Kind::MethodAndAnswer);
    }
    let first = if complete {
        kinds.into_iter().min()
    } else {
        Some(Kind::Broken)
    };
    let Some(first) = first else {
        let method = method
            .as_ref()
            .and_then(Tree::text)
            .unwrap_or_default()
            .to_owned();
        return Ok(Message {
            form,
            id,
            method,
            params,
            result,
            error,
        });
    };
    let would_be = match (has_method, answer) {
        (true, false) if has_id => Some(Form::Request),
        (true, false) if complete => Some(Form::Notification),
        (false, true) if error.is_some() => Some(Form::Error),
        (false, true) => Some(Form::Result),
        _ => None,
    };
    Err(Fault {
        code: first.code(),
        id,
        form: would_be,
        nothing: first == Kind::Nothing,
        batch: false,
    })
}

fn doubled(keys: &[&str]) -> bool {
    keys.iter()
        .enumerate()
        .any(|(n, key)| keys[..n].contains(key))
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: u32,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn word(&mut self, word: &str, tree: Tree) -> Option<Tree> {
        let end = self.at + word.len();
        (self.bytes.get(self.at..end)? == word.as_bytes()).then(|| {
            self.at = end;
            tree
        })
    }

    /// The top-level object; what was seen before a fault is kept.
    fn envelope(&mut self, seen: &mut Vec<Seen>) -> Option<()> {
        self.expect(b'{')?;
        self.depth = 1;
        self.space();
        if self.peek()? == b'}' {
            self.at += 1;
            return Some(());
        }
        loop {
            self.space();
            let key = self.string()?;
            self.space();
            self.expect(b':')?;
            self.space();
            let start = self.at;
            let value = self.value();
            let broken = value.is_none();
            seen.push(Seen {
                key,
                value,
                length: self.at - start,
            });
            if broken {
                return None;
            }
            self.space();
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    return Some(());
                }
                _ => return None,
            }
        }
    }

    fn value(&mut self) -> Option<Tree> {
        match self.peek()? {
            b'{' => self.object(),
            b'[' => self.list(),
            b'"' => self.string().map(Tree::Text),
            b't' => self.word("true", Tree::Bool(true)),
            b'f' => self.word("false", Tree::Bool(false)),
            b'n' => self.word("null", Tree::Null),
            _ => self.number(),
        }
    }

    fn enter(&mut self) -> Option<()> {
        self.depth += 1;
        (self.depth <= MAX_DEPTH).then_some(())
    }

    fn object(&mut self) -> Option<Tree> {
        self.expect(b'{')?;
        self.enter()?;
        let mut members = Vec::new();
        self.space();
        if self.peek()? == b'}' {
            self.at += 1;
        } else {
            loop {
                self.space();
                let key = self.string()?;
                self.space();
                self.expect(b':')?;
                self.space();
                members.push((key, self.value()?));
                self.space();
                match self.peek()? {
                    b',' => self.at += 1,
                    b'}' => {
                        self.at += 1;
                        break;
                    }
                    _ => return None,
                }
            }
        }
        self.depth -= 1;
        Some(Tree::Object(members))
    }

    fn list(&mut self) -> Option<Tree> {
        self.expect(b'[')?;
        self.enter()?;
        let mut items = Vec::new();
        self.space();
        if self.peek()? == b']' {
            self.at += 1;
        } else {
            loop {
                self.space();
                items.push(self.value()?);
                self.space();
                match self.peek()? {
                    b',' => self.at += 1,
                    b']' => {
                        self.at += 1;
                        break;
                    }
                    _ => return None,
                }
            }
        }
        self.depth -= 1;
        Some(Tree::List(items))
    }

    fn string(&mut self) -> Option<String> {
        self.expect(b'"')?;
        let mut text: Vec<u8> = Vec::new();
        loop {
            let byte = self.peek()?;
            self.at += 1;
            match byte {
                b'"' => return String::from_utf8(text).ok(),
                0..=0x1f => return None,
                b'\\' => {
                    let escape = self.peek()?;
                    self.at += 1;
                    let c = match escape {
                        b'"' | b'\\' | b'/' => char::from(escape),
                        b'b' => '\u{8}',
                        b'f' => '\u{c}',
                        b'n' => '\n',
                        b'r' => '\r',
                        b't' => '\t',
                        b'u' => match self.unit()? {
                            high @ 0xd800..=0xdbff => {
                                self.expect(b'\\')?;
                                self.expect(b'u')?;
                                let low = self.unit()?;
                                if !(0xdc00..=0xdfff).contains(&low) {
                                    return None;
                                }
                                char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))?
                            }
                            unit => char::from_u32(unit)?,
                        },
                        _ => return None,
                    };
                    text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                }
                byte => text.push(byte),
            }
        }
    }

    fn unit(&mut self) -> Option<u32> {
        let digits = self.bytes.get(self.at..self.at + 4)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        self.at += 4;
        u32::from_str_radix(core::str::from_utf8(digits).ok()?, 16).ok()
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn number(&mut self) -> Option<Tree> {
        let start = self.at;
        if self.peek()? == b'-' {
            self.at += 1;
        }
        if self.peek()? == b'0' {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        let raw = core::str::from_utf8(&self.bytes[start..self.at]).ok()?;
        Some(Tree::Number(raw.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_opinion_agrees_with_the_first_on_a_few_lines() {
        let good = br#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":[1.5e3,"\u00e4\ud83d\ude00"]}}"#;
        let message = read(good).unwrap();
        assert_eq!(
            (message.form, message.method.as_str()),
            (Form::Request, "ping")
        );
        for (line, code) in [
            ("", PARSE),
            ("[]", REQUEST),
            ("1", REQUEST),
            (
                "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\",\"params\":[]}",
                PARAMS,
            ),
            (
                "{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":1,\"method\":\"a\"}",
                REQUEST,
            ),
            ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\"", PARSE),
        ] {
            assert_eq!(read(line.as_bytes()).unwrap_err().code, code, "{line}");
        }
    }
}
