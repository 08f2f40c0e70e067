//! One text for one meaning: the form of a request's arguments that a sealed journal is bound to.
//!
//! Owns nothing but the walk. Members are sorted, white space goes, strings get one spelling; numbers stay
//! verbatim, so no precision is lost and `1` differs from `1.0`. Must only see JSON that the scanner has
//! accepted: that bounds the depth of the recursion.

use mcp_proto::json::text;

/// Appends the canonical form of a valid JSON value.
pub(crate) fn write(out: &mut Vec<u8>, value: &str) {
    let value = value.trim_matches([' ', '\t', '\r', '\n']);
    match value.as_bytes().first() {
        Some(b'{') => object(out, value),
        Some(b'[') => {
            out.push(b'[');
            for (index, element) in text::elements(value).enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write(out, element);
            }
            out.push(b']');
        }
        Some(b'"') => string(out, value),
        _ => out.extend_from_slice(value.as_bytes()),
    }
}

fn object(out: &mut Vec<u8>, value: &str) {
    let mut members: Vec<(Vec<u8>, &str)> = text::members(value)
        .map(|(key, value)| {
            let mut name = Vec::new();
            string(&mut name, key);
            (name, value)
        })
        .collect();
    // Stable: of a repeated key, every occurrence stays, in its order.
    members.sort_by(|a, b| a.0.cmp(&b.0));
    out.push(b'{');
    for (index, (name, value)) in members.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(name);
        out.push(b':');
        write(out, value);
    }
    out.push(b'}');
}

/// The decoded text with its length in front: nothing to escape, nothing to confuse. A string that cannot
/// be decoded (a lone surrogate) is kept as it was written.
fn string(out: &mut Vec<u8>, token: &str) {
    let decoded = text::decode_str(token);
    let (mark, contents) = decoded
        .as_deref()
        .map_or((b'?', token), |decoded| (b'"', decoded));
    out.push(mark);
    out.extend_from_slice(&(contents.len() as u64).to_le_bytes());
    out.extend_from_slice(contents.as_bytes());
}

#[cfg(test)]
mod tests {
    fn form(value: &str) -> Vec<u8> {
        let mut out = Vec::new();
        super::write(&mut out, value);
        out
    }

    #[test]
    fn spelling_and_order_do_not_matter() {
        let plain = form(r#"{"a":{"x":[1,"A"],"y":null},"b":true}"#);
        assert_eq!(
            plain,
            form("{ \"b\" : true,\n\"\\u0061\":{\"y\":null,\"x\":[ 1 , \"\\u0041\" ]}}")
        );
    }

    #[test]
    fn meaning_does() {
        let texts = [
            r#"{"a":1}"#,
            r#"{"a":1.0}"#,
            r#"{"a":"1"}"#,
            r#"{"a":[1]}"#,
            r#"{"a":1,"b":1}"#,
            r#"{}"#,
            r#"{"a":""}"#,
            r#"{"a":{}}"#,
            r#"{"a":[]}"#,
            r#"{"a":null}"#,
            r#"{"a":123456789012345678901}"#,
            r#"{"a":123456789012345678902}"#,
            r#"{"a,\"b":1}"#,
        ];
        for (index, one) in texts.iter().enumerate() {
            for other in &texts[index + 1..] {
                assert_ne!(form(one), form(other), "{one} {other}");
            }
        }
    }
}
