//! The requests and answers of one recorded HTTP/1.1 connection.
//!
//! Owns cutting bytes into heads and bodies. A recording may end anywhere: what is cut off is marked, never guessed.

/// More than any client or server of the tests sends.
const MOST_HEADERS: usize = 64;

/// A request or an answer.
#[derive(Debug, Default)]
pub(crate) struct Message {
    /// `POST /mcp`, or the status.
    pub(crate) start: String,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The recording ends before the body does.
    pub(crate) cut: bool,
}

impl Message {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> Result<&str, String> {
        std::str::from_utf8(&self.body).map_err(|error| error.to_string())
    }

    fn has_body(&self) -> bool {
        !matches!(self.start.as_str(), "204" | "304")
    }
}

/// The requests of what a client sent.
pub(crate) fn requests(bytes: &[u8]) -> Result<Vec<Message>, String> {
    all(bytes, |bytes| {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        let status = request.parse(bytes).map_err(|error| error.to_string())?;
        let httparse::Status::Complete(length) = status else {
            return Ok(None);
        };
        let start = format!(
            "{} {}",
            request.method.unwrap_or_default(),
            request.path.unwrap_or_default()
        );
        Ok(Some((length, start, owned(request.headers))))
    })
}

/// The answers of what a server sent, interim ones left out.
pub(crate) fn answers(bytes: &[u8]) -> Result<Vec<Message>, String> {
    let mut found = all(bytes, |bytes| {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let status = response.parse(bytes).map_err(|error| error.to_string())?;
        let httparse::Status::Complete(length) = status else {
            return Ok(None);
        };
        let start = response.code.unwrap_or_default().to_string();
        Ok(Some((length, start, owned(response.headers))))
    })?;
    found.retain(|answer| !answer.start.starts_with('1'));
    Ok(found)
}

type Head = (usize, String, Vec<(String, String)>);

fn owned(headers: &[httparse::Header<'_>]) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|header| {
            (
                header.name.to_owned(),
                String::from_utf8_lossy(header.value).into_owned(),
            )
        })
        .collect()
}

fn all(
    mut bytes: &[u8],
    head: impl Fn(&[u8]) -> Result<Option<Head>, String>,
) -> Result<Vec<Message>, String> {
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        let Some((length, start, headers)) = head(bytes)? else {
            break;
        };
        let mut message = Message {
            start,
            headers,
            ..Message::default()
        };
        bytes = &bytes[length..];
        let taken = body(&mut message, bytes)?;
        bytes = &bytes[taken..];
        messages.push(message);
    }
    Ok(messages)
}

/// Fills in the body and says how many bytes it took.
fn body(message: &mut Message, bytes: &[u8]) -> Result<usize, String> {
    if message
        .header("transfer-encoding")
        .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
    {
        return chunks(message, bytes);
    }
    let length = match message.header("content-length") {
        Some(length) if message.has_body() => length
            .trim()
            .parse::<usize>()
            .map_err(|error| format!("content-length {length:?}: {error}"))?,
        _ => 0,
    };
    let there = length.min(bytes.len());
    message.cut = there < length;
    message.body = bytes[..there].to_vec();
    Ok(there)
}

fn chunks(message: &mut Message, bytes: &[u8]) -> Result<usize, String> {
    let mut at = 0;
    loop {
        let line = match httparse::parse_chunk_size(&bytes[at..]) {
            Ok(httparse::Status::Complete(line)) => line,
            Ok(httparse::Status::Partial) => break,
            Err(_) => return Err("a bad chunk size".into()),
        };
        let (head, size) = line;
        let Ok(size) = usize::try_from(size) else {
            return Err("a chunk beyond memory".into());
        };
        at += head;
        let there = size.min(bytes.len() - at);
        message.body.extend_from_slice(&bytes[at..at + there]);
        at += there;
        if there < size || bytes.len() < at + 2 {
            break;
        }
        at += 2;
        if size == 0 {
            return Ok(at);
        }
    }
    message.cut = true;
    Ok(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_cut_into_its_messages() {
        let bytes = b"POST /mcp HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}\
            POST /mcp HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\n[\r\n1;x=y\r\n]\r\n0\r\n\r\n\
            GET /mcp HTTP/1.1\r\n\r\n";
        let requests = requests(bytes).unwrap();
        let bodies: Vec<&str> = requests.iter().map(|one| one.text().unwrap()).collect();
        assert_eq!(bodies, ["{}", "[]", ""]);
        assert_eq!(requests[2].start, "GET /mcp");
        assert!(requests.iter().all(|one| !one.cut));
    }

    #[test]
    fn interim_answers_are_left_out_and_a_cut_body_is_marked() {
        let bytes =
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n\
            HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nda";
        let answers = answers(bytes).unwrap();
        assert_eq!(answers.len(), 2);
        assert_eq!(answers[0].start, "202");
        assert_eq!(answers[1].text().unwrap(), "da");
        assert!(answers[1].cut);
    }

    #[test]
    fn what_is_not_http_is_an_error() {
        assert!(requests(b"\x00\x01\r\n\r\n").is_err());
        let bad = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n";
        assert!(answers(bad).is_err());
    }
}
