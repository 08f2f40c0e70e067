//! From a list of tools, resources and prompts to a server that can be shared.
//!
//! Owns [`Server`] (the builder), [`Service`] (what was built) and every rule that can be checked before the first request. Must
//! never let a server start with a definition that clients would reject; what they merely might dislike is a warning.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use mcp_proto::config::{CacheHint, Profile, RevisionSet, ServerConfig};
use mcp_proto::http::param::ParamHeaders;
use mcp_proto::limits::Limits;
use mcp_proto::seal::KeyRing;
use mcp_proto::server::Change;
use mcp_types::{
    CacheScope, Icon, Implementation, Object, PromptsCapability, ResourcesCapability,
    ToolsCapability,
};

use crate::auth::{InsufficientScope, Principal};
use crate::hub::Hub;
use crate::journal::Sealer;
use crate::page::ListKind;
use crate::prompt::{IntoPrompt, Prompt};
use crate::registry::{Entry, Family, Fixed, Registry, Shelf, Viewer};
use crate::resource::{IntoResource, Resource};
use crate::tool::{IntoTool, Tool};

/// Items of a page unless told otherwise. Large, because some clients read only the first page.
const PAGE_SIZE: usize = 1000;
/// The longest tool name (2026-07-28, server/tools, "Tool Names").
const MAX_NAME: usize = 128;
/// The longest tool name that every known client takes.
const SAFE_NAME: usize = 64;

/// Builds a server.
///
/// ```
/// use mcp_server::{Server, tool};
///
/// /// Greets somebody.
/// #[tool]
/// fn greet(name: String) -> String {
///     format!("Hello, {name}!")
/// }
///
/// let service = Server::new("greeter", "1.0.0").tool(greet).build()?;
/// assert_eq!(service.tools().len(), 1);
/// # Ok::<(), mcp_server::BuildError>(())
/// ```
#[derive(Debug)]
#[must_use = "a server does nothing until it is built and served"]
pub struct Server {
    profile: Profile,
    tools: Vec<Tool>,
    resources: Vec<Resource>,
    prompts: Vec<Prompt>,
    page_size: usize,
    list_cache: CacheHint,
    read_cache: CacheHint,
    keys: Option<KeyRing>,
    states: States,
    anonymous: Vec<String>,
    dynamic: bool,
    subscriptions: bool,
    logging: bool,
}

impl Server {
    /// A server with a name for programs and a version, and nothing to offer yet.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            profile: Profile::new(Implementation::new(name.into(), version.into())),
            tools: Vec::new(),
            resources: Vec::new(),
            prompts: Vec::new(),
            page_size: PAGE_SIZE,
            list_cache: CacheHint {
                ttl_ms: 300_000,
                scope: CacheScope::Public,
            },
            read_cache: CacheHint::NONE,
            keys: None,
            states: States::default(),
            anonymous: Vec::new(),
            dynamic: false,
            subscriptions: true,
            logging: true,
        }
    }

    /// A name for people.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.profile.info.title = Some(title.into());
        self
    }

    /// What the server is, in a sentence.
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.profile.info.description = Some(text.into());
        self
    }

    /// Where people can read more.
    pub fn website(mut self, url: impl Into<String>) -> Self {
        self.profile.info.website_url = Some(url.into());
        self
    }

    /// An icon for people. May be repeated.
    pub fn icon(mut self, icon: Icon) -> Self {
        self.profile.info.icons.get_or_insert_default().push(icon);
        self
    }

    /// Guidance for models on how to use the server as a whole.
    pub fn instructions(mut self, text: impl Into<String>) -> Self {
        self.profile.instructions = Some(text.into());
        self
    }

    /// Adds a tool. Lists keep the order of adding.
    pub fn tool(mut self, tool: impl IntoTool) -> Self {
        self.tools.push(tool.into_tool());
        self
    }

    /// Adds tools that were made at run time.
    pub fn tools(mut self, tools: impl IntoIterator<Item = Tool>) -> Self {
        self.tools.extend(tools);
        self
    }

    /// Adds a resource or a resource template.
    pub fn resource(mut self, resource: impl IntoResource) -> Self {
        self.resources.push(resource.into_resource());
        self
    }

    /// Adds resources and templates that were made at run time.
    pub fn resources(mut self, resources: impl IntoIterator<Item = Resource>) -> Self {
        self.resources.extend(resources);
        self
    }

    /// Adds a prompt.
    pub fn prompt(mut self, prompt: impl IntoPrompt) -> Self {
        self.prompts.push(prompt.into_prompt());
        self
    }

    /// Adds prompts that were made at run time.
    pub fn prompts(mut self, prompts: impl IntoIterator<Item = Prompt>) -> Self {
        self.prompts.extend(prompts);
        self
    }

    /// A value that handlers share: a database pool, a cache. They get it as an argument of the type
    /// [`State<T>`](crate::State). One value per type; of two, the later counts.
    pub fn state<T: Send + Sync + 'static>(mut self, state: T) -> Self {
        self.states.insert(state);
        self
    }

    /// The protocol revisions that are served; all of them unless told otherwise.
    pub fn revisions(mut self, revisions: RevisionSet) -> Self {
        self.profile.revisions = revisions;
        self
    }

    /// Bounds on everything that a peer can grow.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.profile.limits = limits;
        self
    }

    /// How many items a page of a list has at most; 1000 unless told otherwise, because some clients read only the first page.
    pub const fn page_size(mut self, items: usize) -> Self {
        self.page_size = items;
        self
    }

    /// For how long lists may be cached: 5 minutes, shared, unless told otherwise. They are `private` whatever is said here as
    /// soon as something in them needs a scope or the caller is authenticated.
    pub const fn list_cache(mut self, hint: CacheHint) -> Self {
        self.list_cache = hint;
        self
    }

    /// For how long contents of resources may be cached that say nothing themselves: not at all, unless told otherwise.
    pub const fn read_cache(mut self, hint: CacheHint) -> Self {
        self.read_cache = hint;
        self
    }

    /// For how long the answer to `server/discover` may be cached: an hour, unless told otherwise.
    pub const fn discover_cache(mut self, hint: CacheHint) -> Self {
        self.profile.discover_cache = hint;
        self
    }

    /// The key that seals `requestState`, so that every replica with the same key can go on with a call that another one began.
    /// Without it each process has a key of its own.
    pub fn sealing_key(self, key: [u8; 32]) -> Self {
        self.key_ring(KeyRing::new(key))
    }

    /// Like [`sealing_key`](Self::sealing_key), with earlier keys that still open what they sealed.
    pub fn key_ring(mut self, keys: KeyRing) -> Self {
        self.keys = Some(keys);
        self
    }

    /// Scopes of callers whom no authenticator knows, as over stdio. None unless told otherwise: what needs a scope is then out
    /// of their reach.
    pub fn anonymous_scopes<I: IntoIterator<Item: Into<String>>>(mut self, scopes: I) -> Self {
        self.anonymous = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Announces tools, resources and prompts even where there are none yet, because they will be added later.
    pub const fn dynamic(mut self, dynamic: bool) -> Self {
        self.dynamic = dynamic;
        self
    }

    /// Whether clients can subscribe to updates of single resources
    /// ([`Service::notify_resource_updated`]); yes, unless told otherwise.
    pub const fn subscriptions(mut self, offered: bool) -> Self {
        self.subscriptions = offered;
        self
    }

    /// Whether log messages are offered; yes, unless told otherwise.
    pub const fn logging(mut self, offered: bool) -> Self {
        self.logging = offered;
        self
    }

    /// Compiles the server.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once: names, duplicates, schemas, templates, header annotations, missing states.
    pub fn build(self) -> Result<Service, BuildError> {
        let mut problems = Vec::new();
        let mut warnings = Vec::new();
        if self.page_size == 0 {
            problems.push(Problem::PageSize);
        }
        let mut headers = HashMap::new();
        for tool in &self.tools {
            check_tool(tool, &self.states, &mut problems, &mut warnings);
            compile_headers(tool, &mut headers, &mut problems);
        }
        for resource in &self.resources {
            check_resource(resource, &self.states, &mut problems);
        }
        for prompt in &self.prompts {
            check_prompt(prompt, &self.states, &mut problems);
        }
        let (families, fixed): (Vec<_>, Vec<_>) =
            self.resources.into_iter().partition(Resource::is_template);
        let fixed: Vec<Fixed> = fixed.into_iter().map(Fixed).collect();
        let families: Vec<Family> = families.into_iter().map(Family).collect();
        duplicates(&self.tools, &mut problems);
        duplicates(&fixed, &mut problems);
        duplicates(&families, &mut problems);
        duplicates(&self.prompts, &mut problems);
        if !problems.is_empty() {
            return Err(BuildError { problems });
        }
        let mut profile = self.profile;
        let completes = families
            .iter()
            .any(|Family(resource)| !resource.inner.completers.is_empty())
            || self
                .prompts
                .iter()
                .any(|prompt| !prompt.inner.completers.is_empty());
        let offers = |some: bool| some || self.dynamic;
        let capabilities = &mut profile.capabilities;
        capabilities.tools =
            offers(!self.tools.is_empty()).then(|| ToolsCapability::new().with_list_changed(true));
        capabilities.prompts = offers(!self.prompts.is_empty())
            .then(|| PromptsCapability::new().with_list_changed(true));
        capabilities.resources = offers(!fixed.is_empty() || !families.is_empty()).then(|| {
            let capability = ResourcesCapability::new().with_list_changed(true);
            if self.subscriptions {
                capability.with_subscribe(true)
            } else {
                capability
            }
        });
        capabilities.completions = offers(completes).then(Object::new);
        capabilities.logging = self.logging.then(Object::new);
        let compiled = Compiled {
            config: Arc::new(ServerConfig::compile(profile)),
            hub: Hub::new(),
            registry: RwLock::new(Registry {
                tools: Arc::new(Shelf::new(self.tools)),
                resources: Arc::new(Shelf::new(fixed)),
                templates: Arc::new(Shelf::new(families)),
                prompts: Arc::new(Shelf::new(self.prompts)),
            }),
            headers: RwLock::new(headers),
            changing: Mutex::new(()),
            page_size: self.page_size,
            list_cache: self.list_cache,
            read_cache: self.read_cache,
            keys: self.keys,
            states: self.states,
            anonymous: self.anonymous,
            warnings,
        };
        Ok(Service {
            compiled: Arc::new(compiled),
        })
    }
}

/// A compiled server: shared by all its connections, cheap to clone.
///
/// What it offers can change while it runs ([`tools`](Self::tools), [`resources`](Self::resources),
/// [`prompts`](Self::prompts)): each change is atomic, requests in flight keep what they began with, and whoever listens is told.
#[derive(Clone)]
pub struct Service {
    compiled: Arc<Compiled>,
}

struct Compiled {
    config: Arc<ServerConfig>,
    hub: Hub,
    registry: RwLock<Registry>,
    /// Mirrored parameters, of the few tools that have some.
    headers: RwLock<HashMap<String, Arc<ParamHeaders>>>,
    /// Serialises changes; readers never wait for it.
    changing: Mutex<()>,
    page_size: usize,
    list_cache: CacheHint,
    read_cache: CacheHint,
    keys: Option<KeyRing>,
    states: States,
    anonymous: Vec<String>,
    warnings: Vec<Warning>,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let registry = self.registry();
        f.debug_struct("Service")
            .field("tools", &registry.tools.entries().len())
            .field("resources", &registry.resources.entries().len())
            .field("templates", &registry.templates.entries().len())
            .field("prompts", &registry.prompts.entries().len())
            .finish_non_exhaustive()
    }
}

impl Service {
    /// What the protocol core was configured with.
    #[must_use]
    pub fn config(&self) -> &Arc<ServerConfig> {
        &self.compiled.config
    }

    /// Where changes are announced.
    #[must_use]
    pub fn hub(&self) -> &Hub {
        &self.compiled.hub
    }

    /// The tools, to be looked at or changed.
    #[must_use]
    pub const fn tools(&self) -> Tools<'_> {
        Tools { service: self }
    }

    /// The resources and resource templates, to be looked at or changed.
    #[must_use]
    pub const fn resources(&self) -> Resources<'_> {
        Resources { service: self }
    }

    /// The prompts, to be looked at or changed.
    #[must_use]
    pub const fn prompts(&self) -> Prompts<'_> {
        Prompts { service: self }
    }

    /// Tells everybody who is subscribed to it that the contents of a resource have changed.
    pub fn notify_resource_updated(&self, uri: &str) {
        self.compiled.hub.changed(Change::Resource(uri));
    }

    /// What some clients might dislike about the definitions that the server was built with.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.compiled.warnings
    }

    /// The shared value of a type, if the server was given one.
    #[must_use]
    pub fn state<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.compiled.states.get()
    }

    /// The sealer of `requestState` for one user of fresh entropy.
    pub(crate) fn sealer(&self, seed: [u8; 32]) -> Arc<Sealer> {
        match &self.compiled.keys {
            Some(keys) => Sealer::new(keys, seed),
            None => Sealer::ephemeral(seed),
        }
    }

    /// The configured sealing keys, if there are some: replicas may share them.
    pub(crate) fn keys(&self) -> Option<&KeyRing> {
        self.compiled.keys.as_ref()
    }

    pub(crate) fn registry(&self) -> Registry {
        self.compiled
            .registry
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn viewer<'a>(&'a self, principal: Option<&'a Principal>) -> Viewer<'a> {
        Viewer {
            principal,
            anonymous: &self.compiled.anonymous,
        }
    }

    pub(crate) fn page_size(&self) -> usize {
        self.compiled.page_size
    }

    /// The hint for a list: never shared when it depends on who asks.
    pub(crate) fn list_hint(&self, filtered: bool, authenticated: bool) -> CacheHint {
        let mut hint = self.compiled.list_cache;
        if filtered || authenticated {
            hint.scope = CacheScope::Private;
        }
        hint
    }

    pub(crate) fn read_hint(&self) -> CacheHint {
        self.compiled.read_cache
    }

    /// The mirrored parameters of a tool; `None` for most tools.
    pub(crate) fn param_headers(&self, tool: &str) -> Option<Arc<ParamHeaders>> {
        self.compiled
            .headers
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(tool)
            .cloned()
    }

    /// Whether a caller may use what a request names. Judged before dispatch; what does not exist needs no scope.
    pub(crate) fn authorize(
        &self,
        principal: Option<&Principal>,
        inbound: &mcp_proto::json::Inbound,
    ) -> Result<(), InsufficientScope> {
        use mcp_proto::method::Method;
        let envelope = &inbound.envelope;
        let viewer = self.viewer(principal);
        let registry = self.registry();
        let needed = match envelope.method {
            Method::ToolsCall => inbound.string(envelope.name).and_then(|name| {
                registry
                    .tools
                    .get(&name)
                    .map(|tool| tool.inner.scopes.clone())
            }),
            Method::PromptsGet => inbound.string(envelope.name).and_then(|name| {
                registry
                    .prompts
                    .get(&name)
                    .map(|prompt| prompt.inner.scopes.clone())
            }),
            // What the caller may not read can still be answered by another template that it may.
            Method::ResourcesRead => inbound
                .string(envelope.uri)
                .filter(|uri| registry.find(uri, viewer).is_none())
                .and_then(|uri| registry.scopes_of(&uri)),
            _ => None,
        };
        match needed {
            Some(needed) if !viewer.may(&needed) => Err(InsufficientScope { needed }),
            _ => Ok(()),
        }
    }

    /// Replaces the registry and tells those who listen. `change` returns `None` to leave everything as it is.
    fn change<T>(
        &self,
        announced: Change<'_>,
        change: impl FnOnce(&mut Registry) -> Option<T>,
    ) -> Option<T> {
        let changing = self
            .compiled
            .changing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut registry = self.registry();
        let result = change(&mut registry)?;
        *self
            .compiled
            .registry
            .write()
            .unwrap_or_else(PoisonError::into_inner) = registry;
        drop(changing);
        self.compiled.hub.changed(announced);
        Some(result)
    }
}

/// The tools of a running server. See [`Service::tools`].
#[derive(Debug, Clone, Copy)]
pub struct Tools<'a> {
    service: &'a Service,
}

impl Tools<'_> {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.service.registry().tools.entries().len()
    }

    /// True if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Their names, in order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.service
            .registry()
            .tools
            .entries()
            .iter()
            .map(|tool| tool.name().to_owned())
            .collect()
    }

    /// Adds a tool at the end of the list.
    ///
    /// # Errors
    /// When its definition is not valid or its name is taken; nothing changes then.
    pub fn add(&self, tool: impl IntoTool) -> Result<(), BuildError> {
        let tool = tool.into_tool();
        let mut problems = Vec::new();
        let mut headers = HashMap::new();
        check_tool(
            &tool,
            &self.service.compiled.states,
            &mut problems,
            &mut Vec::new(),
        );
        compile_headers(&tool, &mut headers, &mut problems);
        if !problems.is_empty() {
            return Err(BuildError { problems });
        }
        let taken = taken::<Tool>(tool.name());
        let added = self.service.change(Change::Tools, |registry| {
            registry.tools = Arc::new(registry.tools.with(tool)?);
            self.service
                .compiled
                .headers
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .extend(headers);
            Some(())
        });
        added.ok_or(taken)
    }

    /// Removes a tool; false if there was none of that name.
    pub fn remove(&self, name: &str) -> bool {
        let removed = self.service.change(Change::Tools, |registry| {
            registry.tools = Arc::new(registry.tools.without(name)?);
            self.service
                .compiled
                .headers
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(name);
            Some(())
        });
        removed.is_some()
    }
}

/// The resources and templates of a running server. See [`Service::resources`].
#[derive(Debug, Clone, Copy)]
pub struct Resources<'a> {
    service: &'a Service,
}

impl Resources<'_> {
    /// How many there are, templates included.
    #[must_use]
    pub fn len(&self) -> usize {
        let registry = self.service.registry();
        registry.resources.entries().len() + registry.templates.entries().len()
    }

    /// True if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a resource or a template at the end of its list.
    ///
    /// # Errors
    /// When its definition is not valid or its URI is taken; nothing changes then.
    pub fn add(&self, resource: impl IntoResource) -> Result<(), BuildError> {
        let resource = resource.into_resource();
        let mut problems = Vec::new();
        check_resource(&resource, &self.service.compiled.states, &mut problems);
        if !problems.is_empty() {
            return Err(BuildError { problems });
        }
        let taken = taken::<Fixed>(resource.uri());
        let added = self.service.change(Change::Resources, |registry| {
            if resource.is_template() {
                registry.templates = Arc::new(registry.templates.with(Family(resource))?);
            } else {
                registry.resources = Arc::new(registry.resources.with(Fixed(resource))?);
            }
            Some(())
        });
        added.ok_or(taken)
    }

    /// Removes the resource of a URI, or the template of that text; false if there was none.
    pub fn remove(&self, uri: &str) -> bool {
        let removed = self.service.change(Change::Resources, |registry| {
            match registry.resources.without(uri) {
                Some(resources) => registry.resources = Arc::new(resources),
                None => registry.templates = Arc::new(registry.templates.without(uri)?),
            }
            Some(())
        });
        removed.is_some()
    }
}

/// The prompts of a running server. See [`Service::prompts`].
#[derive(Debug, Clone, Copy)]
pub struct Prompts<'a> {
    service: &'a Service,
}

impl Prompts<'_> {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.service.registry().prompts.entries().len()
    }

    /// True if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a prompt at the end of the list.
    ///
    /// # Errors
    /// When its definition is not valid or its name is taken; nothing changes then.
    pub fn add(&self, prompt: impl IntoPrompt) -> Result<(), BuildError> {
        let prompt = prompt.into_prompt();
        let mut problems = Vec::new();
        check_prompt(&prompt, &self.service.compiled.states, &mut problems);
        if !problems.is_empty() {
            return Err(BuildError { problems });
        }
        let taken = taken::<Prompt>(prompt.name());
        let added = self.service.change(Change::Prompts, |registry| {
            registry.prompts = Arc::new(registry.prompts.with(prompt)?);
            Some(())
        });
        added.ok_or(taken)
    }

    /// Removes a prompt; false if there was none of that name.
    pub fn remove(&self, name: &str) -> bool {
        let removed = self.service.change(Change::Prompts, |registry| {
            registry.prompts = Arc::new(registry.prompts.without(name)?);
            Some(())
        });
        removed.is_some()
    }
}

/// What can be served: a [`Server`] that is built on the way, or a [`Service`].
pub trait IntoService {
    /// The compiled server.
    ///
    /// # Errors
    /// When the server does not compile.
    fn into_service(self) -> Result<Service, BuildError>;
}

impl IntoService for Server {
    fn into_service(self) -> Result<Service, BuildError> {
        self.build()
    }
}

impl IntoService for Service {
    fn into_service(self) -> Result<Service, BuildError> {
        Ok(self)
    }
}

/// Everything that keeps a server from being built.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BuildError {
    /// At least one.
    pub problems: Vec<Problem>,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for problem in &self.problems {
            write!(f, "{separator}{problem}")?;
            separator = "; ";
        }
        Ok(())
    }
}

impl std::error::Error for BuildError {}

/// One thing that is wrong with a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Two items of one list have the same name or URI.
    #[error("there are two {list} called `{name}`")]
    Duplicate {
        /// `tools`, `resources`, `resourceTemplates` or `prompts`.
        list: &'static str,
        /// The name or URI.
        name: String,
    },
    /// A tool's name is empty, too long, or has characters that no tool name has.
    #[error("`{0}` is not a tool name: it needs 1 to 128 of the characters A-Z a-z 0-9 _ - .")]
    ToolName(String),
    /// A prompt's name is empty or has control characters.
    #[error("`{0}` is not a prompt name: it must not be empty or hold control characters")]
    PromptName(String),
    /// A definition is not valid.
    #[error("{list}: `{name}`: {reason}")]
    Definition {
        /// Which list it would be in.
        list: &'static str,
        /// The name or URI.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// A handler wants a state that the server was not given.
    #[error("`{name}` needs a `State<{state}>`; add one with `Server::state`")]
    MissingState {
        /// The name or URI.
        name: String,
        /// The Rust type.
        state: &'static str,
    },
    /// Pages without items would never end.
    #[error("the page size must be at least 1")]
    PageSize,
}

/// Something that is allowed but that a known client stumbles over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// Some clients take only names of at most 64 of `A-Z a-z 0-9 _ -`, and drop the tool or fail.
    #[error(
        "tool `{0}`: some clients take only names of at most 64 of the characters A-Z a-z 0-9 _ -"
    )]
    NarrowName(String),
    /// A tool without a description: models have to guess from its name.
    #[error("tool `{0}` has no description")]
    NoDescription(String),
}

fn check_tool(
    tool: &Tool,
    states: &States,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Warning>,
) {
    let name = tool.name();
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(legal) {
        problems.push(Problem::ToolName(name.to_owned()));
    } else if name.len() > SAFE_NAME || name.contains('.') {
        warnings.push(Warning::NarrowName(name.to_owned()));
    }
    if tool.definition().description.is_none() {
        warnings.push(Warning::NoDescription(name.to_owned()));
    }
    definition(ListKind::Tools, name, &tool.inner.problems, problems);
    missing(name, &tool.inner.states, states, problems);
}

fn compile_headers(
    tool: &Tool,
    headers: &mut HashMap<String, Arc<ParamHeaders>>,
    problems: &mut Vec<Problem>,
) {
    match ParamHeaders::compile(tool.definition().input_schema.as_str()) {
        Ok(compiled) if compiled.is_empty() => {}
        Ok(compiled) => {
            headers.insert(tool.name().to_owned(), Arc::new(compiled));
        }
        Err(error) => definition(ListKind::Tools, tool.name(), &[error.to_string()], problems),
    }
}

fn check_resource(resource: &Resource, states: &States, problems: &mut Vec<Problem>) {
    let kind = if resource.is_template() {
        ListKind::Templates
    } else {
        ListKind::Resources
    };
    definition(kind, resource.uri(), &resource.inner.problems, problems);
    missing(resource.uri(), &resource.inner.states, states, problems);
}

fn check_prompt(prompt: &Prompt, states: &States, problems: &mut Vec<Problem>) {
    let name = prompt.name();
    if name.is_empty() || name.chars().any(char::is_control) {
        problems.push(Problem::PromptName(name.to_owned()));
    }
    definition(ListKind::Prompts, name, &prompt.inner.problems, problems);
    missing(name, &prompt.inner.states, states, problems);
}

fn definition(kind: ListKind, name: &str, reasons: &[String], problems: &mut Vec<Problem>) {
    problems.extend(reasons.iter().map(|reason| Problem::Definition {
        list: kind.member(),
        name: name.to_owned(),
        reason: reason.clone(),
    }));
}

fn missing(
    name: &str,
    wanted: &[(TypeId, &'static str)],
    states: &States,
    problems: &mut Vec<Problem>,
) {
    for (id, state) in wanted {
        if !states.map.contains_key(id) {
            problems.push(Problem::MissingState {
                name: name.to_owned(),
                state,
            });
        }
    }
}

fn duplicates<T: Entry>(entries: &[T], problems: &mut Vec<Problem>) {
    let mut seen = std::collections::HashSet::new();
    for entry in entries {
        if !seen.insert(entry.key()) {
            problems.push(Problem::Duplicate {
                list: T::KIND.member(),
                name: entry.key().to_owned(),
            });
        }
    }
}

fn taken<T: Entry>(name: &str) -> BuildError {
    BuildError {
        problems: vec![Problem::Duplicate {
            list: T::KIND.member(),
            name: name.to_owned(),
        }],
    }
}

/// One value per type.
#[derive(Default)]
struct States {
    map: HashMap<TypeId, Arc<dyn Any + Send + Sync>>,
}

impl States {
    fn insert<T: Send + Sync + 'static>(&mut self, state: T) {
        self.map.insert(TypeId::of::<T>(), Arc::new(state));
    }

    fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        Arc::clone(self.map.get(&TypeId::of::<T>())?)
            .downcast()
            .ok()
    }
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "States({})", self.map.len())
    }
}
