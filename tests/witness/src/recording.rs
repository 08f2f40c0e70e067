//! Judging what passed between processes.
//!
//! Owns reading a folder of recordings: `NAME.in` is what a client sent, `NAME.out` what the server sent; names that
//! begin with `http` hold HTTP/1.1, all others the stdio framing. Only the server's messages are judged.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;

use serde_json::Value;

use crate::Conversation;
use crate::http::{self, Message};

const REVISIONS: [&str; 5] = [
    "2024-11-05",
    "2025-03-26",
    "2025-06-18",
    "2025-11-25",
    "2026-07-28",
];

/// What a request without session and version header speaks.
const UNSAID: &str = "2025-03-26";

/// What was found in a folder.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Connections and processes.
    pub recordings: u64,
    /// Messages of servers that are what their revision allows.
    pub judged: u64,
    /// What is wrong, and in which recording.
    pub violations: Vec<String>,
}

/// Judges every recording in `folder`.
///
/// # Errors
///
/// When a file cannot be read.
pub fn judge_folder(folder: &Path) -> io::Result<Verdict> {
    let mut verdict = Verdict::default();
    let mut connections = Vec::new();
    let mut names: Vec<_> = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<_>>()?;
    names.retain(|path| path.extension().is_some_and(|extension| extension == "in"));
    names.sort();
    for path in names {
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let sent = fs::read(&path)?;
        let received = fs::read(path.with_extension("out"))?;
        verdict.recordings += 1;
        if !name.starts_with("http") {
            verdict.lines(&name, &sent, &received);
            continue;
        }
        match exchanges(&sent, &received) {
            Ok(exchanges) => connections.push((name, exchanges)),
            Err(error) => verdict.violations.push(format!("{name}: {error}")),
        }
    }
    let sessions = Sessions::of(connections.iter().flat_map(|(_, exchanges)| exchanges));
    for (name, exchanges) in &connections {
        for exchange in exchanges {
            verdict.exchange(name, exchange, &sessions);
        }
    }
    Ok(verdict)
}

impl Verdict {
    fn lines(&mut self, name: &str, sent: &[u8], received: &[u8]) {
        let mut conversation = Conversation::new(crate::MODERN);
        // The handshake comes first, if there is one; what else was sent speaks what it agreed on.
        let sent = String::from_utf8_lossy(sent).into_owned();
        let opening = sent.lines().find(|line| is_initialize(line));
        let agreed = String::from_utf8_lossy(received)
            .lines()
            .find_map(agreed_revision);
        if opening.is_some()
            && let Some(agreed) = agreed
        {
            conversation.revision = agreed;
        }
        sent.lines().for_each(|line| conversation.note(line));
        let mut rest = received;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(end);
            rest = &after[1..];
            self.text(name, &mut conversation, &String::from_utf8_lossy(line));
        }
        if !rest.is_empty() {
            self.violations.push(format!(
                "{name}: a last line without an end: {}",
                String::from_utf8_lossy(rest)
            ));
        }
    }

    fn exchange(&mut self, name: &str, (request, answer): &Exchange, sessions: &Sessions) {
        let session = request.header("mcp-session-id");
        let revision = session
            .and_then(|session| sessions.revisions.get(session).map(String::as_str))
            .or_else(|| {
                let said = request.header("mcp-protocol-version")?;
                REVISIONS.into_iter().find(|revision| *revision == said)
            })
            .unwrap_or(UNSAID);
        let mut conversation = Conversation::new(revision);
        for earlier in session
            .and_then(|session| sessions.requests.get(session))
            .into_iter()
            .flatten()
        {
            conversation.note(earlier);
        }
        if let Ok(body) = request.text() {
            conversation.note(body);
        }
        let name = format!("{name}: {} {}", request.start, answer.start);
        let text = match answer.text() {
            Ok(text) => text,
            // A cut may fall into a character.
            Err(_) if answer.cut => return,
            Err(error) => return self.violations.push(format!("{name}: {error}")),
        };
        match answer.header("content-type") {
            Some(kind) if kind.starts_with("text/event-stream") => {
                for data in events(text) {
                    self.text(&name, &mut conversation, &data);
                }
            }
            Some(kind) if kind.starts_with("application/json") && !answer.cut => {
                self.text(&name, &mut conversation, text);
            }
            _ if text.is_empty() || answer.cut => {}
            kind => self
                .violations
                .push(format!("{name}: a body of type {kind:?}: {text}")),
        }
    }

    /// Judges one text that must hold a message, or a batch of them.
    fn text(&mut self, name: &str, conversation: &mut Conversation, text: &str) {
        let messages = match serde_json::from_str(text) {
            Ok(Value::Array(messages)) if conversation.revision == UNSAID => messages,
            Ok(message) => vec![message],
            Err(error) => {
                self.violations.push(format!("{name}: {error}: {text}"));
                return;
            }
        };
        for message in messages {
            match conversation.server(&message) {
                Ok(()) => self.judged += 1,
                Err(error) => self.violations.push(format!("{name}: {error}")),
            }
        }
    }
}

type Exchange = (Message, Message);

/// The exchanges of one connection on the endpoint. A request without an answer is left out.
fn exchanges(sent: &[u8], received: &[u8]) -> Result<Vec<Exchange>, String> {
    let pairs = http::requests(sent)?
        .into_iter()
        .zip(http::answers(received)?);
    Ok(pairs
        .filter(|(request, _)| request.start.contains("/mcp"))
        .filter(|(request, _)| !request.start.contains("/.well-known/"))
        .collect())
}

/// What is known of legacy sessions.
#[derive(Default)]
struct Sessions {
    revisions: HashMap<String, String>,
    /// The bodies that were sent in a session: an answer may come on another stream than its request.
    requests: HashMap<String, Vec<String>>,
}

impl Sessions {
    fn of<'a>(exchanges: impl Iterator<Item = &'a Exchange>) -> Self {
        let mut sessions = Self::default();
        for (request, answer) in exchanges {
            if let Some(session) = answer.header("mcp-session-id")
                && let Some(agreed) =
                    answer.text().unwrap_or_default().lines().find_map(|line| {
                        agreed_revision(line.strip_prefix("data: ").unwrap_or(line))
                    })
            {
                sessions.revisions.insert(session.to_owned(), agreed);
            }
            if let (Some(session), Ok(body)) = (request.header("mcp-session-id"), request.text()) {
                let bodies = sessions.requests.entry(session.to_owned()).or_default();
                bodies.push(body.to_owned());
            }
        }
        sessions
    }
}

fn is_initialize(line: &str) -> bool {
    serde_json::from_str::<Value>(line).is_ok_and(|message| message["method"] == "initialize")
}

fn agreed_revision(line: &str) -> Option<String> {
    let message: Value = serde_json::from_str(line).ok()?;
    let agreed = message["result"]["protocolVersion"].as_str()?;
    Some(agreed.to_owned())
}

/// The data of every whole event that has some.
fn events(text: &str) -> Vec<String> {
    let mut whole: Vec<&str> = text.split("\n\n").collect();
    // What comes after the last blank line is no event yet.
    whole.pop();
    whole
        .into_iter()
        .filter_map(|block| {
            let data: Vec<&str> = block
                .lines()
                .filter_map(|line| line.strip_prefix("data:"))
                .map(|data| data.strip_prefix(' ').unwrap_or(data))
                .collect();
            let data = data.join("\n");
            (!data.is_empty()).then_some(data)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(name: &str, sent: &str, received: &str) -> Verdict {
        let folder = std::env::temp_dir().join(format!("witness-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{name}.in")), sent).unwrap();
        fs::write(folder.join(format!("{name}.out")), received).unwrap();
        let verdict = judge_folder(&folder).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        verdict
    }

    const PING: &str = r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#;

    fn post(body: &str) -> String {
        format!(
            "POST /mcp HTTP/1.1\r\nmcp-protocol-version: 2025-11-25\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    fn json(body: &str) -> String {
        format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    #[test]
    fn good_lines_pass_and_bad_ones_are_named() {
        let good = judged(
            "good-lines",
            &format!("{PING}\n"),
            "{\"jsonrpc\":\"2.0\",\"id\":2,\"error\":{\"code\":-32601,\"message\":\"no\"}}\n",
        );
        assert_eq!((good.judged, good.violations.len()), (1, 0), "{good:?}");
        let bad = judged("bad-lines", PING, "hello\n{\"jsonrpc\":\"2.0\"");
        assert_eq!((bad.judged, bad.violations.len()), (0, 2), "{bad:?}");
    }

    #[test]
    fn answers_over_http_are_judged_by_their_request() {
        let good = r#"{"jsonrpc":"2.0","id":2,"result":{}}"#;
        let verdict = judged("http-good", &post(PING), &json(good));
        assert_eq!(
            (verdict.judged, verdict.violations.len()),
            (1, 0),
            "{verdict:?}"
        );
        let more = r#"{"jsonrpc":"2.0","id":2,"result":{"content":[]}}"#;
        let verdict = judged("http-bad", &post(PING), &json(more));
        // Without the schemas at hand an empty result with more in it cannot be told.
        let expected = if crate::folder().is_some() {
            (0, 1)
        } else {
            (1, 0)
        };
        assert_eq!(
            (verdict.judged, verdict.violations.len()),
            expected,
            "{verdict:?}"
        );
    }

    #[test]
    fn an_event_that_was_cut_off_is_no_event() {
        assert_eq!(
            events(": a comment\n\nid: 1\ndata: {}\n\ndata: {\"cut\""),
            ["{}"]
        );
    }
}
