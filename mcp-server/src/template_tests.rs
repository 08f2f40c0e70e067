//! How templates match, and which are refused.

use super::*;

/// `name=value` pairs of a match, or "no".
fn matched(template: &str, uri: &str) -> String {
    let template = UriTemplate::parse(template).unwrap();
    let Some(captures) = template.matches(uri) else {
        return "no".to_owned();
    };
    let mut text = Vec::new();
    for (index, variable) in template.variables().iter().enumerate() {
        if let Some(value) = captures.get(index) {
            text.push(format!("{}={value}", variable.name));
        }
    }
    text.join(" ")
}

#[test]
fn each_operator_matches_what_it_expands_to() {
    for (template, uri, expected) in [
        (
            "test://template/{id}/data",
            "test://template/123/data",
            "id=123",
        ),
        (
            "test://template/{id}/data",
            "test://template/1/2/data",
            "no",
        ),
        ("test://template/{id}/data", "test://template//data", "no"),
        ("test://template/{id}/data", "test://template/1/data/", "no"),
        ("x://{a}-{b}", "x://1-2-3", "a=1-2 b=3"),
        ("x://{name}.{ext}", "x://a.tar.gz", "name=a.tar ext=gz"),
        ("x://{a,b}", "x://1,2", "a=1 b=2"),
        ("x://{a,b}", "x://1,2,3", "no"),
        ("file:///{+path}", "file:///a/b/c.txt", "path=a/b/c.txt"),
        (
            "file:///{+path}/meta",
            "file:///a/meta/b/meta",
            "path=a/meta/b",
        ),
        ("x://h/{+path}{?q}", "x://h/a/b?q=1", "path=a/b q=1"),
        ("x://h{/user}", "x://h/ada", "user=ada"),
        ("x://h{/user}", "x://h", ""),
        ("x://h{/a,b}", "x://h/1/2", "a=1 b=2"),
        ("x://h{/a,b}", "x://h/1", "a=1"),
        ("x://h{/a,b}", "x://h/1/2/3", "no"),
        ("x://f{.ext}", "x://f.tar.gz", "ext=tar.gz"),
        ("x://f{.a,b}", "x://f.tar.gz", "a=tar b=gz"),
        ("x://s{?q,lang}", "x://s?q=rust&lang=en", "q=rust lang=en"),
        ("x://s{?q,lang}", "x://s?lang=en&q=rust", "q=rust lang=en"),
        ("x://s{?q,lang}", "x://s?lang=en", "lang=en"),
        ("x://s{?q,lang}", "x://s", ""),
        ("x://s{?q}", "x://s?other=1", "no"),
        ("x://s{?q}", "x://s?q=1&q=2", "no"),
        ("x://s?fixed=1{&q}", "x://s?fixed=1&q=a%26b", "q=a&b"),
        ("x://s{;v}", "x://s;v=1", "v=1"),
        ("x://s{#part}", "x://s#a/b", "part=a/b"),
        ("x://{v}", "x://caf%C3%A9%20%2F", "v=café /"),
        ("x://{v}", "x://café", "v=café"),
        ("x://{v}", "x://%zz", "no"),
        ("x://{v}", "x://%ff", "no"),
        ("x://{v}", "y://1", "no"),
    ] {
        assert_eq!(matched(template, uri), expected, "{template} against {uri}");
    }
}

#[test]
fn a_file_template_never_yields_a_way_out_of_its_directory() {
    for uri in [
        "file:///srv/../etc/passwd",
        "file:///srv/a/%2e%2e/b",
        "file:///srv/..%5cwindows",
        "file:///srv/a%00b",
    ] {
        assert_eq!(matched("file:///srv/{+path}", uri), "no", "{uri}");
    }
    for (template, uri) in [
        ("file:///srv/{+path}", "file:///srv//etc/passwd"),
        ("file:///srv/{+path}", "file:///srv/%2Fetc/passwd"),
        ("file:///srv/{+path}", "file:///srv/%5C%5Chost%5Cshare"),
        ("file:///srv/{+path}", "file:///srv/C:/windows"),
        ("file:///srv/{+path}", "file:///srv/c%3Awindows"),
        ("file:///docs/{name}", "file:///docs/%2Fetc%2Fpasswd"),
        ("file:///docs/{name}", "file:///docs/a%2Fb"),
        ("file:///docs{/name}", "file:///docs/a%5Cb"),
        ("file:///docs/{a}{b}", "file:///docs/.."),
        ("file:///docs/{a,b}", "file:///docs/..,x"),
        ("file:///docs/{+a,b}", "file:///docs/x/..,y"),
        ("file:///docs/{a}.", "file:///docs/.."),
        // Found by fuzzing.
        ("file:///d/{.na}.txt", "file:///d/..%2fx.txt"),
        ("file:///docs{?q}", "file:///docs?q=/etc/passwd"),
        ("file:///é/{+path}", "file:///é/é/../../x"),
        ("file:///%2/{+path}", "file:///%2/%2e%2E/x"),
    ] {
        assert_eq!(matched(template, uri), "no", "{template} {uri}");
    }
    for (template, uri, values) in [
        ("file:///srv/{+path}", "file:///srv/a..b", "path=a..b"),
        ("file:///srv/{+path}", "file:///srv/a/c:d", "path=a/c:d"),
        ("file:///docs{?q}", "file:///docs?q=a/b", "q=a/b"),
        // Found by fuzzing: a template's own text may hold what is no triplet.
        ("file:///%2,{+path}", "file:///%2,a", "path=a"),
        // What is all of a path may begin at the root.
        ("file://{+path}", "file:///etc/motd", "path=/etc/motd"),
    ] {
        assert_eq!(matched(template, uri), values, "{template} {uri}");
    }
    assert_eq!(matched("repo://{+range}", "repo://a/../b"), "range=a/../b");
}

#[test]
fn a_broken_template_is_refused_with_its_place() {
    for (template, offset) in [
        ("no-scheme/{id}", 0),
        ("{scheme}://x", 0),
        ("x://{a", 4),
        ("x://a}", 5),
        ("x://{}", 5),
        ("x://{a{b}}", 5),
        ("x://{a*}", 5),
        ("x://{a:3}", 5),
        ("x://{|a}", 5),
        ("x://{a}/{a}", 9),
        ("x://{a b}", 5),
        ("x://a b/{c}", 5),
        ("x://static", 0),
        ("x://{a,}", 5),
        ("file:///a/../{b}", 0),
        ("file:///{a}/..%2f", 0),
        ("file:///a/..{/b}", 0),
    ] {
        let error = UriTemplate::parse(template).unwrap_err();
        assert_eq!(error.offset, offset, "{template}: {error}");
    }
}

#[test]
fn hostile_uris_cost_time_linear_in_their_length() {
    // Twelve holes that could each take anything: exponential for a matcher that backtracks.
    let template =
        UriTemplate::parse("x://{+a}a{+b}a{+c}a{+d}a{+e}a{+f}a{+g}a{+h}a{+i}a{+j}a{+k}a{+l}b")
            .unwrap();
    let uri = format!("x://{}", "a".repeat(8000));
    assert_eq!(template.matches(&uri), None);
    assert_eq!(template.matches(&"x".repeat(MAX_URI + 1)), None);
}

#[test]
fn more_literal_text_is_more_specific() {
    let general = UriTemplate::parse("file:///{+path}").unwrap();
    let specific = UriTemplate::parse("file:///logs/{name}").unwrap();
    assert!(specific.literal_len() > general.literal_len());
}

/// Found by fuzzing: the first expression took the whole query and knew only its own names.
#[test]
fn neighbouring_lists_of_pairs_are_one() {
    for (uri, expected) in [
        ("a:x?q=1&r=2&s=3", "q=1 r=2 s=3"),
        ("a:x?s=3&q=1", "q=1 s=3"),
        ("a:x?q=1", "q=1"),
        ("a:x&r=2&s=3", "r=2 s=3"),
        ("a:x", ""),
        ("a:x?q=1&q=2", "no"),
        ("a:x?t=1", "no"),
    ] {
        assert_eq!(matched("a:x{?q}{&r}{&s}", uri), expected, "{uri}");
    }
    assert_eq!(matched("a:x{;p}{;q}/y", "a:x;p=1;q=2/y"), "p=1 q=2");
}

/// Found by fuzzing: with text between two lists, a template did not match its own expansion, because the first list took
/// the second one too and knew only its own names.
#[test]
fn a_second_list_where_the_first_has_not_ended_is_refused() {
    for (template, offset) in [
        ("a:$){?q}v{&b}\"y==={;f}=={&c}", 10),
        ("a:x{?q}&r=2{&s}", 12),
        ("a:x{?q}{/d}{&s}", 12),
        ("a:x{&q}/{&s}", 9),
        ("a:x{?q}{?r}", 8),
        ("a:x{?q}v{?r,s}", 9),
        ("a:x{&q}{?r}", 8),
        ("a:x{;p}v{;q}", 9),
        ("a:x{;p}{/d}{;q}", 12),
    ] {
        let error = UriTemplate::parse(template).unwrap_err();
        assert_eq!(error.offset, offset, "{template}: {error}");
    }
    // Text that cannot be part of the first list ends it.
    assert_eq!(
        matched("a:x{;p}/y{;q,r}", "a:x;p=1/y;r=3;q=2"),
        "p=1 q=2 r=3"
    );
    assert_eq!(matched("a:x{?q}#/y{&r}", "a:x?q=1#/y&r=2"), "q=1 r=2");
    assert_eq!(matched("a:x{;p}y{?q}", "a:x;p=1y?q=2"), "p=1 q=2");
}

/// Found by fuzzing: a list took more values than it has names, and then matched nothing.
#[test]
fn a_list_takes_no_more_values_than_it_has_names() {
    for (template, uri, expected) in [
        ("a:{b,c},{d,e}", "a:1,2,3,4", "b=1 c=2 d=3 e=4"),
        ("a:{b,c},{d}", "a:1,2,3,4", "b=1 c=2 d=3,4"),
        ("a:{+b,c},{d,e}", "a:1/0,2,3", "b=1/0 c=2 d=3"),
        ("a:{b,c}{d,e}", "a:v,vv,v", "b=v c=vv d= e=v"),
        ("a:{b,c}", "a:1,2,3", "no"),
        ("a:x{#b,c}", "a:x#1,2", "b=1 c=2"),
        ("a:x{#b,c}", "a:x#1,2,3", "no"),
        ("a:x{#b}", "a:x#1,2,3", "b=1,2,3"),
    ] {
        assert_eq!(matched(template, uri), expected, "{template} against {uri}");
    }
}
