//! Heads of requests: whatever is admitted as local is local to a browser's URL parser as well, and origins are equal
//! exactly when the URL standard says so.

use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use mcp_proto::http::accept::{accepts, is_json_body};
use mcp_proto::http::admit::{HeadRules, SessionHeader, Verdict, admit, guard};
use mcp_proto::http::head::Head;
use mcp_proto::http::host::{AllowedHosts, Authority};
use mcp_proto::http::origin::{AllowedOrigins, Origin};
use url::{Host, Url};

/// `METHOD target` on the first line, one header on each further line.
pub(crate) fn head(data: &[u8]) -> Option<Parts> {
    let mut lines = data.split(|byte| *byte == b'\n');
    let first = std::str::from_utf8(lines.next()?).ok()?;
    let (method, target) = first.split_once(' ')?;
    let mut request = Request::builder()
        .method(Method::from_bytes(method.as_bytes()).ok()?)
        .uri(target.parse::<Uri>().ok()?)
        .body(())
        .ok()?;
    for line in lines {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            request.headers_mut().append(name, value);
        }
    }
    Some(request.into_parts().0)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

pub(crate) fn run(data: &[u8]) {
    if let Some(parts) = head(data) {
        judged(&parts);
        listed(&parts);
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let mut lines = text.lines();
        let (a, b) = (
            lines.next().unwrap_or_default(),
            lines.next().unwrap_or_default(),
        );
        origins(a, b);
        authority(a);
    }
}

fn judged(parts: &Parts) {
    let rules = HeadRules::new(1 << 20, true);
    let head = Head::of(parts);
    let local = guard(&rules, &head);
    match &local {
        Ok(origin) => {
            let host = parts.headers.get("host").map(|host| {
                let host = host.to_str().expect("judged as text");
                Url::parse(&format!("http://{host}/")).expect("a host that is admitted is one")
            });
            let target = parts.uri.authority().map(|authority| {
                Url::parse(&format!("http://{authority}/"))
                    .expect("an authority that is admitted is one")
            });
            assert!(host.is_some() || target.is_some());
            for url in host.iter().chain(&target) {
                assert!(is_loopback(url), "{url}");
                assert!(url.username().is_empty() && url.password().is_none());
                assert_eq!(url.path(), "/");
            }
            if let Some(origin) = origin {
                let url = Url::parse(origin).expect("an origin that is admitted is one");
                assert!(is_loopback(&url), "{url}");
                assert!(matches!(url.scheme(), "http" | "https"));
                assert_eq!(parts.headers.get_all("origin").iter().count(), 1);
            } else {
                assert!(!parts.headers.contains_key("origin"));
            }
        }
        Err(response) => assert!(matches!(response.status().as_u16(), 204 | 403)),
    }
    for legacy in [false, true] {
        let mut rules = rules.clone();
        rules.legacy = legacy;
        match admit(&rules, &head) {
            Verdict::Respond(response) => {
                assert!(response.status().is_client_error());
                let body: serde_json::Value =
                    serde_json::from_slice(response.body()).expect("an error is JSON");
                assert_eq!(body["error"]["code"], -32600);
                assert!(body.get("id").is_none());
            }
            Verdict::Read(posted) => {
                assert_eq!(parts.method, Method::POST);
                assert!(is_json_body(&parts.headers));
                assert_eq!(posted.accepts, accepts(&parts.headers));
                assert!(!posted.accepts.nothing());
                session(&posted.session);
                if let Some(length) = parts.headers.get("content-length") {
                    let length: usize = length.to_str().unwrap().trim().parse().unwrap();
                    assert!(length <= rules.max_body);
                }
            }
            Verdict::Listen(opened) => {
                assert!(legacy && parts.method == Method::GET);
                session(&opened.session);
            }
            Verdict::Terminate(header) => {
                assert!(legacy && parts.method == Method::DELETE);
                session(&header);
            }
        }
    }
}

/// A server with lists of hosts and pages: what passes is on them, as a browser reads it.
fn listed(parts: &Parts) {
    const HOSTS: [&str; 3] = ["api.example.com:8443", "b.example", "[2001:db8::1]:443"];
    const ORIGINS: [&str; 3] = [
        "https://app.example.com",
        "http://b.example:81",
        "http://[2001:db8::1]",
    ];
    let mut rules = HeadRules::new(1 << 20, true);
    rules.hosts = AllowedHosts::list(HOSTS).expect("hosts");
    rules.origins = AllowedOrigins::list(ORIGINS).expect("origins");
    let Ok(origin) = guard(&rules, &Head::of(parts)) else {
        return;
    };
    let given = parts.headers.get("host").map(|host| {
        let host = host.to_str().expect("judged as text");
        Authority::parse(host).expect("an authority that is admitted is one")
    });
    let target = parts.uri.authority().map(|authority| {
        Authority::parse(authority.as_str()).expect("an authority that is admitted is one")
    });
    assert!(given.is_some() || target.is_some());
    for authority in given.iter().chain(&target) {
        let url = match authority.port {
            Some(port) => format!("http://{}:{port}/", authority.host),
            None => format!("http://{}/", authority.host),
        };
        let url = Url::parse(&url).expect("an authority that is admitted is one");
        let listed = match (url.host_str(), authority.port) {
            (Some("api.example.com"), port) => port == Some(8443),
            (Some("b.example"), _) => true,
            (Some("[2001:db8::1]"), port) => port.is_none_or(|port| port == 443),
            _ => false,
        };
        assert!(listed || is_loopback(&url), "{url}");
    }
    if let Some(origin) = origin {
        let url = Url::parse(origin).expect("an origin that is admitted is one");
        let origin = url.origin().ascii_serialization();
        assert!(ORIGINS.contains(&&*origin), "{origin}");
    }
}

fn session(header: &SessionHeader) {
    if let SessionHeader::Given(id) = header {
        assert!(!id.is_empty() && id.len() <= 1024 && id.bytes().all(|b| b.is_ascii_graphic()));
    }
}

/// What a browser would send for two URLs.
fn origins(a: &str, b: &str) {
    let serialized = |text: &str| {
        let origin = Url::parse(text).ok()?.origin();
        origin.is_tuple().then(|| origin.ascii_serialization())
    };
    if let (Some(a), Some(b)) = (serialized(a), serialized(b)) {
        // Names may hold characters that no host has (`a!b`); those match nothing, which is safe.
        if let (Some(ours), Some(others)) = (Origin::parse(&a), Origin::parse(&b)) {
            assert_eq!(ours == others, a == b, "{a} {b}");
        } else {
            let odd = |text: &str| {
                let host = text.split_once("://").expect("an origin").1;
                host.len() > 253
                    || !host
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b".-_:[]".contains(&b))
            };
            assert!(odd(&a) || odd(&b), "{a} {b}");
        }
    }
    // As it stands: what we read, a browser's parser reads in the same way.
    if let (Some(ours), Ok(url)) = (Origin::parse(a), Url::parse(a))
        && matches!(url.scheme(), "http" | "https")
    {
        assert!(!ours.is_loopback() || is_loopback(&url), "{a}");
        assert_eq!(url.path(), "/", "{a}");
        assert!(url.username().is_empty() && url.password().is_none(), "{a}");
    }
}

fn authority(text: &str) {
    let Some(ours) = Authority::parse(text) else {
        return;
    };
    let shown = match ours.port {
        Some(port) => format!("{}:{port}", ours.host),
        None => ours.host.to_string(),
    };
    assert_eq!(Authority::parse(&shown), Some(ours.clone()), "{shown}");
    if let Ok(url) = Url::parse(&format!("http://{text}/")) {
        assert_eq!(url.path(), "/", "{text}");
        assert_eq!(
            url.port_or_known_default(),
            Some(ours.port.unwrap_or(80)),
            "{text}"
        );
        assert!(!ours.host.is_loopback() || is_loopback(&url), "{text}");
    }
}
