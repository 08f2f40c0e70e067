//! The compiled, immutable configuration of a server: what the core answers by itself.
//!
//! Owns the pre-encoded bodies of `initialize` and `server/discover`, the revisions served and the
//! features that methods are judged by. Must never change after [`ServerConfig::compile`]: a
//! configuration is shared by reference between all links and exchanges.

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use mcp_types::{CacheScope, Implementation, Revision, ServerCapabilities, to_vec};

use crate::limits::Limits;
use crate::method::Method;

/// A set of protocol revisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RevisionSet(u8);

impl RevisionSet {
    /// Every revision that this crate knows, of both eras.
    pub const ALL: Self = Self(0b1_1111);

    /// The set of the given revisions.
    ///
    /// ```
    /// use mcp_proto::config::RevisionSet;
    /// use mcp_types::Revision;
    /// let modern_only = RevisionSet::of([Revision::V2026_07_28]);
    /// assert!(modern_only.has_modern() && !modern_only.has_legacy());
    /// ```
    #[must_use]
    pub fn of(revisions: impl IntoIterator<Item = Revision>) -> Self {
        Self(
            revisions
                .into_iter()
                .fold(0, |bits, revision| bits | 1 << index(revision)),
        )
    }

    /// Whether `revision` is in the set.
    #[must_use]
    pub fn contains(self, revision: Revision) -> bool {
        self.0 & (1 << index(revision)) != 0
    }

    /// The members, newest first.
    pub fn newest_first(self) -> impl Iterator<Item = Revision> {
        Revision::ALL
            .into_iter()
            .rev()
            .filter(move |revision| self.contains(*revision))
    }

    /// Whether a modern revision is in the set.
    #[must_use]
    pub fn has_modern(self) -> bool {
        self.newest_first().any(Revision::is_modern)
    }

    /// Whether a legacy revision is in the set.
    #[must_use]
    pub fn has_legacy(self) -> bool {
        self.newest_first().any(|revision| !revision.is_modern())
    }

    /// The revision with which to answer an `initialize` that asks for `requested`: that one if it
    /// is a served legacy revision, else the newest served legacy one (2025-11-25 lifecycle,
    /// "Version Negotiation"). `None` when no legacy revision is served.
    #[must_use]
    pub fn negotiate(self, requested: Option<&str>) -> Option<Revision> {
        requested
            .and_then(Revision::parse)
            .filter(|revision| !revision.is_modern() && self.contains(*revision))
            .or_else(|| self.newest_first().find(|revision| !revision.is_modern()))
    }

    /// The names, newest first, as a JSON array.
    #[must_use]
    pub fn to_json(self) -> String {
        let mut json = String::from("[");
        for revision in self.newest_first() {
            if json.len() > 1 {
                json.push(',');
            }
            json.push('"');
            json.push_str(revision.as_str());
            json.push('"');
        }
        json.push(']');
        json
    }

    /// The names, newest first, for an error message.
    #[must_use]
    pub fn to_list(self) -> String {
        let mut list = String::new();
        for revision in self.newest_first() {
            if !list.is_empty() {
                list.push_str(", ");
            }
            list.push_str(revision.as_str());
        }
        list
    }
}

impl Default for RevisionSet {
    fn default() -> Self {
        Self::ALL
    }
}

/// The position of a revision in [`Revision::ALL`].
fn index(revision: Revision) -> usize {
    match revision {
        Revision::V2024_11_05 => 0,
        Revision::V2025_03_26 => 1,
        Revision::V2025_06_18 => 2,
        Revision::V2025_11_25 => 3,
        _ => 4,
    }
}

/// How long and for whom a result may be cached (2026-07-28, server/utilities/caching).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheHint {
    /// Freshness in milliseconds; 0 means "do not cache".
    pub ttl_ms: u64,
    /// `private` as soon as the content depends on the caller.
    pub scope: CacheScope,
}

impl CacheHint {
    /// Not to be cached, not to be shared: the safe default.
    pub const NONE: Self = Self {
        ttl_ms: 0,
        scope: CacheScope::Private,
    };
}

/// What a server says of itself; the input of [`ServerConfig::compile`].
#[derive(Clone, Debug)]
pub struct Profile {
    /// Name, version and the display fields.
    pub info: Implementation,
    /// What the server offers; methods of undeclared capabilities are refused with -32601.
    pub capabilities: ServerCapabilities,
    /// Guidance for models on how to use the server.
    pub instructions: Option<String>,
    /// The revisions served.
    pub revisions: RevisionSet,
    /// Bounds on everything that a peer can grow.
    pub limits: Limits,
    /// Caching of the discovery result.
    pub discover_cache: CacheHint,
}

impl Profile {
    /// A profile with all revisions, no capabilities and default limits.
    #[must_use]
    pub fn new(info: Implementation) -> Self {
        Self {
            info,
            capabilities: ServerCapabilities::default(),
            instructions: None,
            revisions: RevisionSet::ALL,
            limits: Limits::default(),
            discover_cache: CacheHint {
                ttl_ms: 3_600_000,
                scope: CacheScope::Public,
            },
        }
    }
}

/// A compiled [`Profile`]: immutable, shared by every link and exchange of a server.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    revisions: RevisionSet,
    limits: Limits,
    features: ServerFeatures,
    server_info: Bytes,
    initialize_tails: [Bytes; 4],
    discover_body: Bytes,
    discover_cache: CacheHint,
}

/// Which groups of methods are served, and which changes are announced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerFeatures {
    /// `tools`.
    pub tools: bool,
    /// `tools.listChanged`.
    pub tools_changed: bool,
    /// `prompts`.
    pub prompts: bool,
    /// `prompts.listChanged`.
    pub prompts_changed: bool,
    /// `resources`.
    pub resources: bool,
    /// `resources.listChanged`.
    pub resources_changed: bool,
    /// `resources.subscribe`.
    pub subscribe: bool,
    /// `completions`.
    pub completions: bool,
    /// `logging`.
    pub logging: bool,
    /// The tasks extension.
    pub tasks: bool,
}

impl ServerConfig {
    /// Encodes what never changes and derives what methods are judged by.
    #[must_use]
    pub fn compile(profile: Profile) -> Self {
        let capabilities = &profile.capabilities;
        let features = ServerFeatures {
            tools: capabilities.tools.is_some(),
            tools_changed: capabilities
                .tools
                .as_ref()
                .is_some_and(|c| c.list_changed == Some(true)),
            prompts: capabilities.prompts.is_some(),
            prompts_changed: capabilities
                .prompts
                .as_ref()
                .is_some_and(|c| c.list_changed == Some(true)),
            resources: capabilities.resources.is_some(),
            resources_changed: capabilities
                .resources
                .as_ref()
                .is_some_and(|c| c.list_changed == Some(true)),
            subscribe: capabilities
                .resources
                .as_ref()
                .is_some_and(|c| c.subscribe == Some(true)),
            completions: capabilities.completions.is_some(),
            logging: capabilities.logging.is_some(),
            tasks: capabilities
                .extensions
                .as_ref()
                .is_some_and(|e| e.get("io.modelcontextprotocol/tasks").is_some()),
        };
        let tail = |revision| {
            let mut body = Vec::from(&b",\"capabilities\":"[..]);
            body.extend_from_slice(&to_vec(capabilities, revision));
            body.extend_from_slice(b",\"serverInfo\":");
            body.extend_from_slice(&to_vec(&profile.info, revision));
            push_instructions(&mut body, profile.instructions.as_deref());
            body.push(b'}');
            Bytes::from(body)
        };
        let mut discover = Vec::from(&b"{\"supportedVersions\":"[..]);
        discover.extend_from_slice(profile.revisions.to_json().as_bytes());
        discover.extend_from_slice(b",\"capabilities\":");
        discover.extend_from_slice(&to_vec(capabilities, Revision::LATEST));
        push_instructions(&mut discover, profile.instructions.as_deref());
        discover.push(b'}');
        Self {
            revisions: profile.revisions,
            features,
            server_info: to_vec(&profile.info, Revision::LATEST).into(),
            initialize_tails: [
                tail(Revision::V2024_11_05),
                tail(Revision::V2025_03_26),
                tail(Revision::V2025_06_18),
                tail(Revision::V2025_11_25),
            ],
            discover_body: discover.into(),
            discover_cache: profile.discover_cache,
            limits: profile.limits,
        }
    }

    /// The same server without its modern revisions, for a transport that these do not have. `None` when nothing is left.
    #[must_use]
    pub fn legacy_only(&self) -> Option<Self> {
        let legacy = self.revisions.newest_first().filter(|it| !it.is_modern());
        let revisions = RevisionSet::of(legacy);
        revisions.has_legacy().then(|| Self {
            revisions,
            // Nobody can ask for it any more.
            discover_body: Bytes::new(),
            ..self.clone()
        })
    }

    /// The revisions served.
    #[must_use]
    pub const fn revisions(&self) -> RevisionSet {
        self.revisions
    }

    /// The bounds in force.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What the server declared.
    #[must_use]
    pub const fn features(&self) -> ServerFeatures {
        self.features
    }

    /// The `Implementation` object that goes into every modern result's `_meta`.
    #[must_use]
    pub const fn server_info(&self) -> &Bytes {
        &self.server_info
    }

    /// The body of the discovery result and its caching hint.
    #[must_use]
    pub fn discover(&self) -> (Bytes, CacheHint) {
        (self.discover_body.clone(), self.discover_cache)
    }

    /// The body of an `InitializeResult` in `revision`.
    #[must_use]
    pub fn initialize_body(&self, revision: Revision) -> Bytes {
        let tail = self
            .initialize_tails
            .get(index(revision))
            .unwrap_or(&self.initialize_tails[3]);
        let mut body = Vec::with_capacity(40 + tail.len());
        body.extend_from_slice(b"{\"protocolVersion\":\"");
        body.extend_from_slice(revision.as_str().as_bytes());
        body.push(b'"');
        body.extend_from_slice(tail);
        body.into()
    }

    /// Whether requests of `method` are served in `revision`. Unknown methods never are.
    #[must_use]
    pub fn serves(&self, method: Method, revision: Revision) -> bool {
        let modern = revision.is_modern();
        let features = &self.features;
        match method {
            Method::Discover | Method::Listen => modern,
            Method::Initialize | Method::Ping => !modern,
            Method::SetLevel => !modern && features.logging,
            Method::ResourcesSubscribe | Method::ResourcesUnsubscribe => {
                !modern && features.subscribe
            }
            Method::ToolsList | Method::ToolsCall => features.tools,
            Method::ResourcesList | Method::ResourceTemplatesList | Method::ResourcesRead => {
                features.resources
            }
            Method::PromptsList | Method::PromptsGet => features.prompts,
            Method::Complete => features.completions,
            _ => false,
        }
    }
}

fn push_instructions(body: &mut Vec<u8>, instructions: Option<&str>) {
    if let Some(instructions) = instructions {
        body.extend_from_slice(b",\"instructions\":");
        // A string always serialises.
        if let Ok(text) = serde_json::to_vec(instructions) {
            body.extend_from_slice(&text);
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_types, reason = "tests compare trees")]
mod tests {
    use super::*;

    #[test]
    fn negotiation_answers_with_the_requested_or_the_newest_legacy_revision() {
        let all = RevisionSet::ALL;
        assert_eq!(
            all.negotiate(Some("2025-03-26")),
            Some(Revision::V2025_03_26)
        );
        assert_eq!(
            all.negotiate(Some("2026-07-28")),
            Some(Revision::V2025_11_25)
        );
        assert_eq!(
            all.negotiate(Some("1999-01-01")),
            Some(Revision::V2025_11_25)
        );
        assert_eq!(all.negotiate(None), Some(Revision::V2025_11_25));
        assert_eq!(
            RevisionSet::of([Revision::V2026_07_28]).negotiate(Some("2025-11-25")),
            None
        );
    }

    #[test]
    fn what_is_left_of_a_server_without_modern_revisions_negotiates_as_before() {
        let all = ServerConfig::compile(Profile::new(Implementation::new("t", "1")));
        let legacy = all.legacy_only().unwrap();
        assert!(legacy.revisions().has_legacy() && !legacy.revisions().has_modern());
        for asked in ["2024-11-05", "2025-11-25", "2026-07-28", "never"] {
            let negotiated = legacy.revisions().negotiate(Some(asked));
            assert_eq!(negotiated, all.revisions().negotiate(Some(asked)));
        }
        let mut profile = Profile::new(Implementation::new("t", "1"));
        profile.revisions = RevisionSet::of([Revision::V2026_07_28]);
        assert!(ServerConfig::compile(profile).legacy_only().is_none());
    }

    #[test]
    fn undeclared_capabilities_are_not_served() {
        let config = ServerConfig::compile(Profile::new(Implementation::new("t", "1")));
        assert!(!config.serves(Method::ToolsList, Revision::LATEST));
        assert!(config.serves(Method::Discover, Revision::LATEST));
        assert!(!config.serves(Method::Discover, Revision::V2025_11_25));
        assert!(config.serves(Method::Ping, Revision::V2025_11_25));
        assert!(!config.serves(Method::Ping, Revision::LATEST));
    }

    #[test]
    fn pre_encoded_bodies_are_json() {
        let mut profile = Profile::new(Implementation::new("t", "1"));
        profile.instructions = Some("say \"hi\"\n".into());
        let config = ServerConfig::compile(profile);
        let init: serde_json::Value =
            serde_json::from_slice(&config.initialize_body(Revision::V2025_06_18)).unwrap();
        assert_eq!(init["protocolVersion"], "2025-06-18");
        assert_eq!(init["serverInfo"]["name"], "t");
        assert_eq!(init["instructions"], "say \"hi\"\n");
        let discover: serde_json::Value = serde_json::from_slice(&config.discover().0).unwrap();
        assert_eq!(discover["supportedVersions"][0], "2026-07-28");
    }
}
