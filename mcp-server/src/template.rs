//! URI templates (RFC 6570, levels 1 to 3) that are *matched*: a concrete URI in, the variables out.
//!
//! Owns: parsing of templates with errors that name the place, and a matcher whose time is (length of the template × length of
//! the URI), whatever the URI is. Must never: backtrack, or let a variable leave its place (`{id}` does not cross a slash,
//! a query or a fragment, save as `%2F`; out of a `file:` template comes nothing that would lead out of its directory).
//!
//! RFC 6570 defines expansion only. Matching follows what users of MCP expect: each variable takes the longest text that lets the
//! rest match; a plain `{v}` or `{+v}` needs at least one character; expressions with an operator that brings its own
//! separator (`{/v}`, `{.v}`, `{?v}`, `{&v}`, `{;v}`, `{#v}`) may be absent as a whole; query parameters may come in any order.

use std::fmt;

/// What is wrong with a URI template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TemplateError {
    /// Byte offset in the template.
    pub(crate) offset: usize,
    /// What was wrong and what would be right.
    pub(crate) reason: &'static str,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {})", self.reason, self.offset)
    }
}

impl std::error::Error for TemplateError {}

/// Longest URI that is matched at all; longer ones match nothing.
pub(crate) const MAX_URI: usize = 8 * 1024;
/// Longest template that is accepted.
const MAX_TEMPLATE: usize = 2 * 1024;

/// A parsed template.
#[derive(Debug, Clone)]
pub(crate) struct UriTemplate {
    parts: Vec<Part>,
    variables: Vec<Variable>,
    /// Bytes of literal text: more means more specific.
    literal: usize,
    file: Option<FileRoot>,
}

/// What the values of a `file:` template are relative to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileRoot {
    /// The directory that the text in front of a variable names.
    Directory,
    /// `file://{+path}`: the first variable is the whole path, and so may begin at the root.
    FirstVariable,
}

/// One variable, in the order of the template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Variable {
    pub(crate) name: String,
    /// The expression that holds it may be absent from a URI.
    pub(crate) optional: bool,
}

#[derive(Debug, Clone)]
enum Part {
    Literal(String),
    /// One or more characters that `stop` does not exclude.
    Run(Hole),
    /// `lead` and then a run that may be empty; or nothing at all.
    Optional(u8, Hole),
}

/// A stretch of URI text that carries variables.
#[derive(Debug, Clone)]
struct Hole {
    /// Bytes that end it.
    stop: &'static [u8],
    split: Split,
    /// The most commas that its values can have between them; `None` where a comma is part of a value.
    commas: Option<usize>,
    /// Indices into `variables`.
    first: usize,
    count: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Split {
    /// Values in the order of the variables, between commas.
    Commas,
    /// `name=value` pairs between these bytes.
    Pairs(u8),
}

/// The variables of one match: decoded values by index of the template's variable list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Captures(Vec<Option<String>>);

impl Captures {
    pub(crate) fn get(&self, index: usize) -> Option<&str> {
        self.0.get(index)?.as_deref()
    }
}

impl UriTemplate {
    pub(crate) fn parse(text: &str) -> Result<Self, TemplateError> {
        Parser::new(text)?.run()
    }

    pub(crate) fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// More literal text is more specific; the registry tries specific templates first.
    pub(crate) fn literal_len(&self) -> usize {
        self.literal
    }

    /// Matches a whole URI.
    pub(crate) fn matches(&self, uri: &str) -> Option<Captures> {
        let bytes = uri.as_bytes();
        if bytes.len() > MAX_URI {
            return None;
        }
        if let Some(Part::Literal(start)) = self.parts.first()
            && !uri.starts_with(start.as_str())
        {
            return None;
        }
        // Two values can make a `..` that neither of them is.
        if self.file.is_some() && leaves_its_directory(uri) {
            return None;
        }
        let reach = self.reach(bytes);
        if !reach.can(0, 0) {
            return None;
        }
        let mut captures = vec![None; self.variables.len()];
        let mut at = 0;
        for (index, part) in self.parts.iter().enumerate() {
            match part {
                Part::Literal(literal) => at += literal.len(),
                Part::Run(hole) => {
                    let end =
                        longest(bytes, at, hole, |end| end > at && reach.can(index + 1, end))?;
                    self.capture(hole, uri.get(at..end)?, &mut captures)?;
                    at = end;
                }
                Part::Optional(lead, hole) => {
                    if bytes.get(at) != Some(lead) {
                        continue;
                    }
                    // The lead may also be literal text of what follows; prefer to take it.
                    if let Some(end) = longest(bytes, at + 1, hole, |end| reach.can(index + 1, end))
                    {
                        self.capture(hole, uri.get(at + 1..end)?, &mut captures)?;
                        at = end;
                    }
                }
            }
        }
        Some(Captures(captures))
    }

    /// Which parts can match the rest of the URI from which position, computed from the end.
    fn reach(&self, uri: &[u8]) -> Reach {
        let width = uri.len() + 1;
        let mut reach = Reach {
            width,
            bits: vec![false; width * (self.parts.len() + 1)],
        };
        reach.bits[self.parts.len() * width + uri.len()] = true;
        // For the hole at hand: can text that starts here, of any length and with at most this many commas, be followed by
        // the next part?
        let mut runs: Vec<Vec<bool>> = Vec::new();
        for (index, part) in self.parts.iter().enumerate().rev() {
            // With as many commas as the hole may hold; without a bound they are like any other byte.
            let mut most = 0;
            if let Part::Run(hole) | Part::Optional(_, hole) = part {
                most = hole.commas.unwrap_or(0);
                runs.resize_with(runs.len().max(most + 1), || vec![false; width]);
                for commas in 0..=most {
                    for at in (0..width).rev() {
                        runs[commas][at] = reach.can(index + 1, at)
                            || hole
                                .after(uri, at, commas)
                                .is_some_and(|left| runs[left][at + 1]);
                    }
                }
            }
            for at in 0..width {
                let can = match part {
                    Part::Literal(literal) => {
                        uri[at..].starts_with(literal.as_bytes())
                            && reach.can(index + 1, at + literal.len())
                    }
                    Part::Run(hole) => hole
                        .after(uri, at, most)
                        .is_some_and(|left| runs[left][at + 1]),
                    Part::Optional(lead, _) => {
                        reach.can(index + 1, at)
                            || (uri.get(at) == Some(lead) && runs[most][at + 1])
                    }
                };
                reach.bits[index * width + at] = can;
            }
        }
        reach
    }

    /// Splits and decodes the text of one hole. `None`: what is there is not an expansion of this expression.
    fn capture(&self, hole: &Hole, text: &str, captures: &mut [Option<String>]) -> Option<()> {
        let names = &self.variables[hole.first..hole.first + hole.count];
        let slots = captures.get_mut(hole.first..hole.first + hole.count)?;
        match hole.split {
            Split::Commas if names.len() == 1 => slots[0] = Some(self.decode(hole, text)?),
            Split::Commas => {
                let mut values = text.split(',');
                for slot in slots.iter_mut() {
                    *slot = match values.next() {
                        Some(value) => Some(self.decode(hole, value)?),
                        None => None,
                    };
                }
            }
            Split::Pairs(separator) => {
                for pair in text
                    .split(char::from(separator))
                    .filter(|pair| !pair.is_empty())
                {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    let name = decode(name)?;
                    let index = names.iter().position(|variable| variable.name == name)?;
                    if slots[index].is_some() {
                        return None;
                    }
                    slots[index] = Some(self.decode(hole, value)?);
                }
            }
        }
        Some(())
    }

    fn decode(&self, hole: &Hole, text: &str) -> Option<String> {
        let value = decode(text)?;
        let Some(root) = self.file else {
            return Some(value);
        };
        let is_path = root == FileRoot::FirstVariable && hole.first == 0;
        let is_segment = hole.stop.contains(&b'/');
        // The `..` of a value may be none of the URI, where a comma follows it.
        let harmful = climbs(value.as_bytes())
            || !is_path && is_absolute(&value)
            || is_segment && value.contains(['/', '\\']);
        (!harmful).then_some(value)
    }
}

impl Hole {
    /// Whether the byte at `at` can be part of the hole when `commas` may still come; if so, how many may come after it.
    fn after(&self, uri: &[u8], at: usize, commas: usize) -> Option<usize> {
        let byte = uri.get(at)?;
        if self.stop.contains(byte) {
            None
        } else if *byte == b',' && self.commas.is_some() {
            commas.checked_sub(1)
        } else {
            Some(commas)
        }
    }
}

/// Longest end of a run that starts at `from` and after which the rest matches.
fn longest(uri: &[u8], from: usize, hole: &Hole, follows: impl Fn(usize) -> bool) -> Option<usize> {
    let mut limit = from;
    let mut commas = hole.commas.unwrap_or(0);
    while let Some(left) = hole.after(uri, limit, commas) {
        commas = left;
        limit += 1;
    }
    (from..=limit).rev().find(|end| follows(*end))
}

/// Percent-decodes; `None` for a broken triplet or for what is not UTF-8 afterwards.
pub(crate) fn decode(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            bytes.push(triplet(rest)?);
            rest = &rest[3..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

/// The byte for which the percent-encoded triplet at the start stands.
fn triplet(text: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = text else {
        return None;
    };
    let digit = |digit: &u8| char::from(*digit).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// A URI that climbs out of the directory that a `file:` template names, or cuts its path short.
fn leaves_its_directory(uri: &str) -> bool {
    // The text of a template may hold what is no triplet; that stays as it is.
    let mut bytes = Vec::with_capacity(uri.len());
    let mut rest = uri.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let byte = triplet(rest);
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &rest[3..] } else { after };
    }
    climbs(&bytes)
}

/// Whether a decoded path has a `..`, or a NUL that would cut it short.
fn climbs(path: &[u8]) -> bool {
    let mut segments = path.split(|byte| matches!(byte, b'/' | b'\\'));
    path.contains(&0) || segments.any(|segment| segment == b"..")
}

/// A value that a join of paths would take instead of the directory in front of it, on any system.
fn is_absolute(value: &str) -> bool {
    let has_drive = matches!(value.as_bytes(), [drive, b':', ..] if drive.is_ascii_alphabetic());
    value.starts_with(['/', '\\']) || has_drive
}

struct Reach {
    width: usize,
    bits: Vec<bool>,
}

impl Reach {
    fn can(&self, part: usize, at: usize) -> bool {
        at < self.width && self.bits[part * self.width + at]
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    parts: Vec<Part>,
    variables: Vec<Variable>,
    has_query: bool,
    has_fragment: bool,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Result<Self, TemplateError> {
        let fail = |offset, reason| Err(TemplateError { offset, reason });
        if text.len() > MAX_TEMPLATE {
            return fail(MAX_TEMPLATE, "a URI template is at most 2048 bytes long");
        }
        let Some(colon) = text.find(':') else {
            return fail(
                0,
                "a URI template starts with a scheme, such as `file:///{+path}`",
            );
        };
        let scheme = &text[..colon];
        if !scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            || !scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
        {
            return fail(
                0,
                "a URI template starts with a scheme, such as `file:///{+path}`",
            );
        }
        Ok(Self {
            text,
            at: 0,
            parts: Vec::new(),
            variables: Vec::new(),
            has_query: text.contains('?') || text.contains("{&"),
            has_fragment: text.contains('#'),
        })
    }

    fn fail<T>(&self, reason: &'static str) -> Result<T, TemplateError> {
        Err(TemplateError {
            offset: self.at,
            reason,
        })
    }

    fn run(mut self) -> Result<UriTemplate, TemplateError> {
        while self.at < self.text.len() {
            let rest = &self.text[self.at..];
            if let Some(inner) = rest.strip_prefix('{') {
                let Some(end) = inner.find('}') else {
                    return self.fail("this `{` is never closed");
                };
                self.at += 1;
                self.expression(&inner[..end])?;
                self.at += end + 1;
            } else {
                let end = rest.find(['{', '}']).unwrap_or(rest.len());
                if rest.as_bytes().get(end) == Some(&b'}') {
                    self.at += end;
                    return self.fail("this `}` was never opened");
                }
                let literal = &rest[..end];
                if let Some(bad) = literal.find(|c: char| c.is_whitespace() || c.is_control()) {
                    self.at += bad;
                    return self.fail(
                        "a URI holds no spaces or control characters; encode them as %20 and so on",
                    );
                }
                self.parts.push(Part::Literal(literal.to_owned()));
                self.at += end;
            }
        }
        if self.variables.is_empty() {
            self.at = 0;
            return self.fail(
                "a template has at least one `{variable}`; a URI without one is a static resource",
            );
        }
        let file = self.file_root();
        if file.is_some() && leaves_its_directory(&self.example()) {
            self.at = 0;
            return self.fail(
                "a `file:` template has no `..` and no NUL in its path: it would match nothing",
            );
        }
        let literal = self
            .parts
            .iter()
            .map(|part| match part {
                Part::Literal(text) => text.len(),
                _ => 0,
            })
            .sum();
        Ok(UriTemplate {
            file,
            parts: self.parts,
            variables: self.variables,
            literal,
        })
    }

    /// A URI with harmless values.
    fn example(&self) -> String {
        let mut uri = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => uri.push_str(text),
                Part::Run(_) => uri.push('v'),
                Part::Optional(lead, _) => uri.extend([char::from(*lead), 'v']),
            }
        }
        uri
    }

    fn file_root(&self) -> Option<FileRoot> {
        let scheme = self.text.get(..5)?;
        if !scheme.eq_ignore_ascii_case("file:") {
            return None;
        }
        let is_whole_path = matches!(self.text.get(5..), Some(rest) if rest.starts_with("{+") || rest.starts_with("//{+"));
        Some(if is_whole_path {
            FileRoot::FirstVariable
        } else {
            FileRoot::Directory
        })
    }

    /// `inner` is what stands between the braces; `self.at` is its offset.
    fn expression(&mut self, inner: &str) -> Result<(), TemplateError> {
        let operator = inner
            .bytes()
            .next()
            .filter(|byte| b"+#./;?&".contains(byte));
        if inner.starts_with(['=', ',', '!', '@', '|']) {
            return self.fail("this operator is reserved; the operators are + # . / ; ? &");
        }
        let list = &inner[usize::from(operator.is_some())..];
        if list.is_empty() {
            return self.fail("an expression names at least one variable");
        }
        let first = self.variables.len();
        for name in list.split(',') {
            self.variable(name, operator)?;
        }
        let count = self.variables.len() - first;
        let whole = |stop, split| Hole {
            stop,
            split,
            commas: (split == Split::Commas && count > 1).then_some(count - 1),
            first,
            count,
        };
        match operator {
            Some(b'?') if self.open_list(b'&').is_some() => {
                return self.fail(
                    "a URI has one query; name all its variables in one `{?a,b}`, or go on with `{&c}` right behind it",
                );
            }
            Some(b'&') => self.join(b'&', count)?,
            Some(b';') => self.join(b';', count)?,
            _ => {}
        }
        match operator {
            None => self.parts.push(Part::Run(whole(b"/?#", Split::Commas))),
            Some(b'+') => {
                let stop: &[u8] = match (self.has_query, self.has_fragment) {
                    (false, false) => b"",
                    (false, true) => b"#",
                    (true, _) => b"?#",
                };
                self.parts.push(Part::Run(whole(stop, Split::Commas)));
            }
            Some(b'#') => self
                .parts
                .push(Part::Optional(b'#', whole(b"", Split::Commas))),
            Some(b'?') => self
                .parts
                .push(Part::Optional(b'?', whole(b"#", Split::Pairs(b'&')))),
            Some(b'&') => self
                .parts
                .push(Part::Optional(b'&', whole(b"#", Split::Pairs(b'&')))),
            Some(b';') => self
                .parts
                .push(Part::Optional(b';', whole(b"/?#", Split::Pairs(b';')))),
            // `{/a,b}` expands to `/a/b`: one optional segment per variable.
            Some(lead) => {
                let stop: &[u8] = match (lead, count) {
                    (b'.', 1) => b"/?#",
                    (b'.', _) => b"./?#",
                    _ => b"/?#",
                };
                for index in 0..count {
                    self.parts.push(Part::Optional(
                        lead,
                        Hole {
                            stop,
                            split: Split::Commas,
                            commas: None,
                            first: first + index,
                            count: 1,
                        },
                    ));
                }
            }
        }
        Ok(())
    }

    /// `{?a}{&b}` expands to one list of pairs, all of which the expression in front takes: it knows the names of those that
    /// follow it without a gap. Behind a gap there would be a list within a list: the text between them could be part of a
    /// value as well, and the expression in front does not know the names of the second.
    fn join(&mut self, separator: u8, count: usize) -> Result<(), TemplateError> {
        let Some(gap) = self.open_list(separator) else {
            return Ok(());
        };
        if gap > 0 {
            return self.fail(match separator {
                b';' => {
                    "this list goes on where an earlier `{;..}` may not have ended; join the two as `{;a,b}`, or put a `/` between them"
                }
                _ => {
                    "this list goes on where an earlier `{?..}` or `{&..}` has not ended; join the two as `{?a,b}` (parameters may come in any order)"
                }
            });
        }
        for part in self.parts.iter_mut().rev() {
            match part {
                Part::Optional(_, hole) if hole.split == Split::Pairs(separator) => {
                    hole.count += count;
                }
                _ => break,
            }
        }
        Ok(())
    }

    /// The number of parts behind the last list of pairs with this separator, unless text that is always there ends it.
    fn open_list(&self, separator: u8) -> Option<usize> {
        let at = self.parts.iter().rposition(
            |part| matches!(part, Part::Optional(_, hole) if hole.split == Split::Pairs(separator)),
        )?;
        let (list, behind) = self.parts.split_at(at + 1);
        let Some(Part::Optional(_, Hole { stop, .. })) = list.last() else {
            return None;
        };
        let ended = behind.iter().any(|part| match part {
            Part::Literal(text) => text.bytes().any(|byte| stop.contains(&byte)),
            Part::Run(_) | Part::Optional(..) => false,
        });
        (!ended).then_some(behind.len())
    }

    fn variable(&mut self, name: &str, operator: Option<u8>) -> Result<(), TemplateError> {
        if name.ends_with('*') || name.contains(':') {
            return self.fail("the modifiers `*` and `:n` (level 4) are not supported; `{+path}` matches several segments");
        }
        if name.is_empty() {
            return self.fail("a variable name is missing");
        }
        if name.contains('{') {
            return self.fail("braces do not nest");
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if !name.chars().all(allowed) {
            return self.fail("a variable name is made of letters, digits, `_`, `-` and `.`");
        }
        if self.variables.iter().any(|variable| variable.name == name) {
            return self.fail("this variable occurs twice");
        }
        self.variables.push(Variable {
            name: name.to_owned(),
            optional: !matches!(operator, None | Some(b'+')),
        });
        Ok(())
    }
}

#[cfg(test)]
#[path = "template_tests.rs"]
mod tests;
