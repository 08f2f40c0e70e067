//! Who is calling, and what they may see and do.
//!
//! Owns [`Principal`], the hook that finds it ([`Authenticator`]), static bearer keys and the protected-resource document of
//! RFC 9728. Must never take a token from anywhere but the `Authorization` header, and never tell a caller more than the
//! challenge of RFC 6750 says.

use std::fmt;
use std::future::{Future, ready};
use std::pin::Pin;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{StatusCode, Uri};
use mcp_proto::error::{INTERNAL_ERROR, WireError};
use mcp_types::Json;
use serde::Serialize;

/// Somebody whom an authenticator knows.
///
/// Sessions, streams, `requestState` and cursors of filtered lists are bound to the `id`, so it must be stable and unique for
/// each account that must not see another's work.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Principal {
    /// Stable and unique: a subject together with its issuer, or the name of a key.
    pub id: String,
    /// What it may do. Compared with the `scopes` of tools, resources and prompts.
    pub scopes: Vec<String>,
    /// Whatever else the authenticator knows, for handlers.
    pub claims: Option<Json>,
}

impl Principal {
    /// A principal without scopes and claims.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            scopes: Vec::new(),
            claims: None,
        }
    }

    /// Sets [`Principal::scopes`].
    #[must_use]
    pub fn with_scopes<I: IntoIterator<Item: Into<String>>>(mut self, scopes: I) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Sets [`Principal::claims`].
    #[must_use]
    pub fn with_claims(mut self, claims: Json) -> Self {
        self.claims = Some(claims);
        self
    }

    /// True if it has this scope.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|own| own == scope)
    }
}

/// Why a request was not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Denied {
    /// No credentials were sent: 401 and where to get them.
    Missing,
    /// The credentials are wrong, expired or for somebody else: 401 `invalid_token`. The text is for the client's developer and
    /// is sent; keep secrets out of it.
    Invalid(String),
    /// The request itself is malformed, as with two `Authorization` headers: 400 `invalid_request`.
    Malformed(&'static str),
    /// Known, but not allowed to do this: 403 `insufficient_scope`.
    Scope(Vec<String>),
    /// The check itself failed, as when keys could not be fetched: 503.
    Unavailable,
}

impl Denied {
    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Missing | Self::Invalid(_) => StatusCode::UNAUTHORIZED,
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Scope(_) => StatusCode::FORBIDDEN,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The value of `WWW-Authenticate` (RFC 6750 section 3, RFC 9728 section 5.1); `None` where there is no challenge.
    ///
    /// `metadata` is the URL of the protected-resource document, if one is served; `scopes` are those that the server as a
    /// whole needs, told to clients that come without a token.
    #[must_use]
    pub fn challenge(&self, metadata: Option<&str>, scopes: &[String]) -> Option<String> {
        let mut fields = Vec::new();
        let scopes = match self {
            Self::Missing => scopes,
            Self::Invalid(description) => {
                fields.push(("error", "invalid_token".to_owned()));
                fields.push(("error_description", description.clone()));
                scopes
            }
            Self::Malformed(description) => {
                fields.push(("error", "invalid_request".to_owned()));
                fields.push(("error_description", (*description).to_owned()));
                &[]
            }
            Self::Scope(needed) => {
                fields.push(("error", "insufficient_scope".to_owned()));
                needed.as_slice()
            }
            Self::Unavailable => return None,
        };
        if !scopes.is_empty() {
            fields.push(("scope", scopes.join(" ")));
        }
        if let Some(url) = metadata {
            fields.push(("resource_metadata", url.to_owned()));
        }
        let mut header = "Bearer".to_owned();
        for (index, (name, value)) in fields.iter().enumerate() {
            // Inside a quoted string: no quotes, no backslashes, visible ASCII only.
            let value: String = value
                .chars()
                .map(|c| {
                    if matches!(c, ' '..='~') && c != '"' && c != '\\' {
                        c
                    } else {
                        '\''
                    }
                })
                .collect();
            header.push_str(if index == 0 { " " } else { ", " });
            header.push_str(&format!("{name}=\"{value}\""));
        }
        Some(header)
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("authentication is required"),
            Self::Invalid(description) => f.write_str(description),
            Self::Malformed(description) => f.write_str(description),
            Self::Scope(scopes) => {
                write!(f, "insufficient scope: {} is required", scopes.join(" "))
            }
            Self::Unavailable => f.write_str("credentials cannot be checked at the moment"),
        }
    }
}

impl std::error::Error for Denied {}

/// The future of [`Authenticator::authenticate`].
pub type Authenticating<'a> = Pin<Box<dyn Future<Output = Result<Principal, Denied>> + Send + 'a>>;

/// Finds out who sent a request, from its head alone, before the body is read.
pub trait Authenticator: Send + Sync {
    /// The principal, or why there is none.
    ///
    /// A listener waits for it no longer than its deadline for authentication (10 seconds unless told otherwise); beyond, the
    /// future is dropped and the request is answered with 503. A panic is a 500 of this request and nothing else.
    fn authenticate<'a>(&'a self, parts: &'a Parts) -> Authenticating<'a>;
}

/// The token of the one `Authorization: Bearer` header (RFC 6750 section 2.1; the scheme's case does not matter).
///
/// # Errors
/// [`Denied::Missing`] without a header, [`Denied::Malformed`] for two headers, another scheme's syntax or a token in the query,
/// which ends up in logs and histories.
pub fn bearer_token(parts: &Parts) -> Result<&str, Denied> {
    if has_query_token(&parts.uri) {
        return Err(Denied::Malformed(
            "a token in the query is not accepted; send it in the Authorization header",
        ));
    }
    let mut headers = parts.headers.get_all(AUTHORIZATION).iter();
    let Some(header) = headers.next() else {
        return Err(Denied::Missing);
    };
    if headers.next().is_some() {
        return Err(Denied::Malformed(
            "there is more than one Authorization header",
        ));
    }
    let text = header
        .to_str()
        .map_err(|_| Denied::Malformed("the Authorization header is not visible ASCII"))?;
    let Some((scheme, token)) = text.split_once(' ') else {
        return Err(Denied::Malformed("the Authorization header holds no token"));
    };
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Denied::Missing);
    }
    let token = token.trim_matches(' ');
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if token.is_empty() || !token.bytes().all(allowed) {
        return Err(Denied::Malformed(
            "the bearer token has characters that no token has",
        ));
    }
    Ok(token)
}

fn has_query_token(uri: &Uri) -> bool {
    uri.query().is_some_and(|query| {
        query.split('&').any(|pair| {
            pair.split('=')
                .next()
                .is_some_and(|name| name == "access_token")
        })
    })
}

/// Fixed keys, each of which stands for a principal. Compared in constant time.
///
/// ```
/// use mcp_server::{Principal, StaticBearer};
/// let keys = StaticBearer::new()
///     .with_key("s3cr3t-of-at-least-16-characters", Principal::new("ci").with_scopes(["read"]));
/// ```
#[derive(Clone, Default)]
pub struct StaticBearer {
    keys: Vec<(String, Principal)>,
}

impl StaticBearer {
    /// Without any key: lets nobody in.
    #[must_use]
    pub const fn new() -> Self {
        Self { keys: Vec::new() }
    }

    /// Adds a key. Make it from at least 128 bits of randomness. An empty key lets nobody in.
    #[must_use]
    pub fn with_key(mut self, key: impl Into<String>, principal: Principal) -> Self {
        let key = key.into();
        if !key.is_empty() {
            self.keys.push((key, principal));
        }
        self
    }

    /// Every key is compared to its end, found or not, so that the time tells nothing but the token's own length.
    fn find(&self, token: &str) -> Option<&Principal> {
        let mut found = None;
        for (key, principal) in &self.keys {
            if equal(key.as_bytes(), token.as_bytes()) {
                found = Some(principal);
            }
        }
        found
    }
}

/// Takes time that depends on the length of `given` alone.
fn equal(key: &[u8], given: &[u8]) -> bool {
    let mut difference = u8::from(key.len() != given.len());
    for (index, byte) in given.iter().enumerate() {
        difference |= byte ^ key[index % key.len()];
    }
    // The optimiser must not turn the loop into one that stops early.
    std::hint::black_box(difference) == 0
}

impl fmt::Debug for StaticBearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StaticBearer({} keys)", self.keys.len())
    }
}

impl Authenticator for StaticBearer {
    fn authenticate<'a>(&'a self, parts: &'a Parts) -> Authenticating<'a> {
        let principal = bearer_token(parts).and_then(|token| {
            self.find(token)
                .cloned()
                .ok_or_else(|| Denied::Invalid("the token is not known".to_owned()))
        });
        Box::pin(ready(principal))
    }
}

/// The protected-resource document (RFC 9728 section 2): where clients learn which authorization servers to ask.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ProtectedResource {
    /// The server's own identifier: the URL of its MCP endpoint, as clients use it.
    pub resource: String,
    /// Issuers whose tokens are accepted.
    pub authorization_servers: Vec<String>,
    /// Scopes that there are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes_supported: Vec<String>,
    /// How tokens are sent; only in the header.
    bearer_methods_supported: [&'static str; 1],
    /// A name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_name: Option<String>,
    /// A page for developers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_documentation: Option<String>,
}

impl ProtectedResource {
    /// A document that names the endpoint and one or more issuers.
    pub fn new<I: IntoIterator<Item: Into<String>>>(
        resource: impl Into<String>,
        authorization_servers: I,
    ) -> Self {
        Self {
            resource: resource.into(),
            authorization_servers: authorization_servers.into_iter().map(Into::into).collect(),
            scopes_supported: Vec::new(),
            bearer_methods_supported: ["header"],
            resource_name: None,
            resource_documentation: None,
        }
    }

    /// Sets [`ProtectedResource::scopes_supported`].
    #[must_use]
    pub fn with_scopes<I: IntoIterator<Item: Into<String>>>(mut self, scopes: I) -> Self {
        self.scopes_supported = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Sets [`ProtectedResource::resource_name`].
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.resource_name = Some(name.into());
        self
    }

    /// The document as JSON, to be served on `/.well-known/oauth-protected-resource` and the same with the endpoint's path.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        Bytes::from(serde_json::to_vec(self).unwrap_or_default())
    }
}

/// A refusal for want of scopes, found before dispatch. HTTP answers 403 with a challenge, other transports with the error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InsufficientScope {
    /// Everything that the caller would need, not only what is missing: clients ask for it as a whole.
    pub(crate) needed: Vec<String>,
}

impl InsufficientScope {
    /// As a JSON-RPC error.
    pub(crate) fn to_wire(&self) -> WireError {
        let scope = self.needed.join(" ");
        let mut data = mcp_types::Object::new();
        data.insert("reason", "insufficient_scope");
        data.insert("scope", scope.as_str());
        WireError::new(
            INTERNAL_ERROR,
            format!("Insufficient scope: {scope} is required"),
        )
        .with_data(Json::from(data))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(&str, &str)], uri: &str) -> Parts {
        let mut request = http::Request::get(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_token_is_taken_from_the_one_header_only() {
        for (headers, uri, expected) in [
            (&[("authorization", "Bearer abc")][..], "/mcp", Ok("abc")),
            (&[("authorization", "bearer abc=")], "/mcp", Ok("abc=")),
            (&[("authorization", "BEARER  abc")], "/mcp", Ok("abc")),
            (&[], "/mcp", Err(StatusCode::UNAUTHORIZED)),
            (
                &[("authorization", "Basic abc")],
                "/mcp",
                Err(StatusCode::UNAUTHORIZED),
            ),
            (
                &[("authorization", "Bearer")],
                "/mcp",
                Err(StatusCode::BAD_REQUEST),
            ),
            (
                &[("authorization", "Bearer a b")],
                "/mcp",
                Err(StatusCode::BAD_REQUEST),
            ),
            (
                &[("authorization", "Bearer a"), ("authorization", "Bearer a")],
                "/mcp",
                Err(StatusCode::BAD_REQUEST),
            ),
            (
                &[("authorization", "Bearer a")],
                "/mcp?access_token=a",
                Err(StatusCode::BAD_REQUEST),
            ),
            (&[], "/mcp?x=1&access_token=a", Err(StatusCode::BAD_REQUEST)),
        ] {
            let parts = request(headers, uri);
            let found = bearer_token(&parts).map_err(|denied| denied.status());
            assert_eq!(found, expected, "{headers:?} {uri}");
        }
    }

    #[test]
    fn keys_are_compared_whole() {
        let keys = StaticBearer::new()
            .with_key("key-one", Principal::new("one"))
            .with_key("key-two", Principal::new("two"));
        assert_eq!(
            keys.find("key-two").map(|principal| principal.id.as_str()),
            Some("two")
        );
        for wrong in [
            "",
            "key",
            "key-on",
            "key-onekey-one",
            "key-three",
            "KEY-ONE",
        ] {
            assert_eq!(keys.find(wrong), None, "{wrong}");
        }
        assert_eq!(
            StaticBearer::new()
                .with_key("", Principal::new("x"))
                .find(""),
            None
        );
    }

    #[test]
    fn challenges_follow_the_rfcs_and_cannot_be_broken_out_of() {
        let scopes = ["mcp:read".to_owned()];
        assert_eq!(
            Denied::Missing
                .challenge(
                    Some("https://x/.well-known/oauth-protected-resource"),
                    &scopes
                )
                .as_deref(),
            Some(
                r#"Bearer scope="mcp:read", resource_metadata="https://x/.well-known/oauth-protected-resource""#
            )
        );
        assert_eq!(
            Denied::Missing.challenge(None, &[]).as_deref(),
            Some("Bearer")
        );
        assert_eq!(
            Denied::Invalid("a\"b\r\nX: y".to_owned())
                .challenge(None, &[])
                .as_deref(),
            Some(r#"Bearer error="invalid_token", error_description="a'b''X: y""#)
        );
        assert_eq!(
            Denied::Scope(vec!["a".to_owned(), "b".to_owned()])
                .challenge(None, &scopes)
                .as_deref(),
            Some(r#"Bearer error="insufficient_scope", scope="a b""#)
        );
        assert_eq!(Denied::Unavailable.challenge(None, &scopes), None);
    }

    #[test]
    fn the_metadata_document_has_the_names_of_the_rfc() {
        let document =
            ProtectedResource::new("https://x/mcp", ["https://issuer"]).with_scopes(["a"]);
        let value: serde_json::Value = serde_json::from_slice(&document.to_bytes()).unwrap();
        assert_eq!(
            value,
            serde_json::json!({"resource": "https://x/mcp", "authorization_servers": ["https://issuer"],
                "scopes_supported": ["a"], "bearer_methods_supported": ["header"]})
        );
    }

    #[test]
    fn debug_output_shows_no_keys() {
        let keys = StaticBearer::new().with_key("hunter2", Principal::new("one"));
        assert!(!format!("{keys:?}").contains("hunter2"));
    }
}
