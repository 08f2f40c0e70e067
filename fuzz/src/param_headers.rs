//! Mirrored parameters: schemas are walked without harm, and the headers of a correct client pass, changed ones do not.

use http::{HeaderMap, HeaderValue};
use mcp_proto::http::param::{InvalidAnnotation, ParamHeaders, ParamKind};
use mcp_proto::http::sentinel;
use serde_json::Value;

/// A schema, an empty line, and the arguments of a call.
pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (schema, arguments) = text.split_once("\n\n").unwrap_or((text, ""));
    // Whatever it is, it must end.
    let compiled = ParamHeaders::compile(schema);
    let (Ok(tree), Ok(values)) = (
        serde_json::from_str::<Value>(schema),
        serde_json::from_str::<Value>(arguments),
    ) else {
        return;
    };
    let headers = match compiled {
        Ok(headers) => headers,
        Err(InvalidAnnotation::Depth) => return,
        Err(_) => {
            assert!(
                mentions(&tree) || twice(schema.trim()),
                "an error without an annotation"
            );
            return;
        }
    };
    if headers.is_empty() {
        assert!(headers.check(&HeaderMap::new(), Some(arguments)).is_ok());
        return;
    }
    let mut map = HeaderMap::new();
    let mut sent = Vec::new();
    for param in headers.iter() {
        let mut value = &values;
        for key in &param.path {
            value = value.get(&**key).unwrap_or(&Value::Null);
        }
        let header = match value {
            Value::Null => continue,
            Value::String(text) => sentinel::encode(text).into_owned(),
            Value::Bool(flag) => flag.to_string(),
            Value::Number(number)
                if number.as_i64().is_some_and(|n| n.unsigned_abs() < 1 << 53) =>
            {
                number.to_string()
            }
            // What a header cannot carry, or what loses digits in this tree.
            _ => return,
        };
        let header = HeaderValue::from_str(&header).expect("safe in a header");
        map.insert(param.header.clone(), header);
        sent.push((param.header.clone(), param.kind));
    }
    let arguments = arguments.trim();
    if twice(arguments) {
        return;
    }
    assert_eq!(headers.check(&map, Some(arguments)), Ok(()));
    for (header, _kind) in sent {
        let honest = map.insert(
            header.clone(),
            HeaderValue::from_static("=?base64?bm90IHRoaXMgb25l?="),
        );
        assert!(
            headers.check(&map, Some(arguments)).is_err()
                || honest.as_ref().is_some_and(|value| value == "not this one")
        );
        map.remove(&header);
        assert!(headers.check(&map, Some(arguments)).is_err(), "missing");
        map.insert(header, honest.expect("was there"));
    }
    let _ = ParamKind::String;
}

/// Whether an object of the text holds a key twice: `Value` keeps only one of them.
fn twice(raw: &str) -> bool {
    use mcp_proto::json::text;
    let members: Vec<_> = text::members(raw).collect();
    let mut keys: Vec<_> = members
        .iter()
        .filter_map(|(key, _)| text::decode_str(key))
        .collect();
    keys.sort_unstable();
    keys.windows(2).any(|pair| pair[0] == pair[1])
        || members.iter().any(|(_, value)| twice(value))
        || text::elements(raw).any(twice)
}

fn mentions(tree: &Value) -> bool {
    match tree {
        Value::Object(members) => members
            .iter()
            .any(|(key, value)| key == "x-mcp-header" || mentions(value)),
        Value::Array(items) => items.iter().any(mentions),
        _ => false,
    }
}
