//! URI templates: whatever the template and the URI are, matching ends; an expansion of a template matches it.

use crate::template::UriTemplate;

/// A template, a newline, a URI.
pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (template, uri) = text.split_once('\n').unwrap_or((text, ""));
    let Ok(parsed) = UriTemplate::parse(template) else {
        return;
    };
    let count = parsed.variables().len();
    assert!(parsed.literal_len() <= template.len());
    if let Some(captures) = parsed.matches(uri) {
        assert_eq!(captures.get(count), None);
        for at in 0..count {
            let Some(value) = captures.get(at) else {
                continue;
            };
            assert!(value.len() <= uri.len());
            if template.starts_with("file:") {
                assert!(
                    value.split(['/', '\\']).all(|segment| segment != ".."),
                    "{value}"
                );
                assert!(!value.contains('\0'));
                // Nor together with the text around it.
                let path = percent_decoded(uri);
                assert!(
                    template.contains("..")
                        || path.split(['/', '\\']).all(|segment| segment != ".."),
                    "{template} {uri}"
                );
            }
        }
    }
    // Where expressions are neighbours, the longest match may give one of them the `/` of the other, which a `file:` template
    // then refuses.
    let is_guarded = template
        .get(..5)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("file:"));
    let is_ambiguous = is_guarded && template.contains("}{");
    if let Some(expanded) = expand(template).filter(|_| !is_ambiguous) {
        assert!(
            parsed.matches(&expanded).is_some(),
            "{template} does not match {expanded}"
        );
    }
}

/// RFC 6570 expansion with every variable set to `v`. `None` where the text is not a plain template.
fn expand(template: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        out.push_str(&rest[..open]);
        let (inner, after) = rest[open + 1..].split_once('}')?;
        rest = after;
        let operator = inner.chars().next()?;
        let (lead, separator, named, names) = match operator {
            '+' => ("", ",", false, &inner[1..]),
            '#' => ("#", ",", false, &inner[1..]),
            '.' => (".", ".", false, &inner[1..]),
            '/' => ("/", "/", false, &inner[1..]),
            ';' => (";", ";", true, &inner[1..]),
            '?' => ("?", "&", true, &inner[1..]),
            '&' => ("&", "&", true, &inner[1..]),
            _ => ("", ",", false, inner),
        };
        out.push_str(lead);
        for (at, name) in names.split(',').enumerate() {
            if at > 0 {
                out.push_str(separator);
            }
            if named {
                out.push_str(name);
                out.push('=');
            }
            out.push('v');
        }
    }
    out.push_str(rest);
    Some(out)
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex
            .filter(|_| *byte == b'%')
            .map(|hex| u8::from_str_radix(hex, 16))
        {
            Some(Ok(decoded)) => {
                bytes.push(decoded);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
