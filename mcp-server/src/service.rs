//! The compiled server that connections share, and the ways to change what it offers while it runs.
//!
//! Owns the one mutable place of a server: the pointer to its current registry. Must never change a registry that a request may
//! be looking at: a change makes a new one, swaps the pointer, and then tells those who listen.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use mcp_proto::config::{CacheHint, ServerConfig};
use mcp_proto::entropy::Entropy;
use mcp_proto::http::param::ParamHeaders;
use mcp_proto::json::Inbound;
use mcp_proto::method::Method;
use mcp_proto::seal::KeyRing;
use mcp_proto::server::{Change, Filter};
use mcp_types::CacheScope;

use crate::auth::{InsufficientScope, Principal};
use crate::builder::Server;
use crate::check::Nulls;
use crate::hub::Hub;
use crate::journal::Sealer;
use crate::problem::{BuildError, Warning, check_prompt, check_resource, check_tool, taken};
use crate::prompt::{IntoPrompt, Prompt};
use crate::registry::{Family, Fixed, Registry, Viewer};
use crate::resource::IntoResource;
use crate::state::States;
use crate::tool::{IntoTool, Tool};

/// A compiled server: shared by all its connections, cheap to clone.
///
/// What it offers can change while it runs ([`tools`](Self::tools), [`resources`](Self::resources),
/// [`prompts`](Self::prompts)): each change is atomic, requests in flight keep what they began with, and whoever listens is told.
#[derive(Clone)]
pub struct Service {
    compiled: Arc<Compiled>,
}

pub(crate) struct Compiled {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) hub: Hub,
    pub(crate) registry: RwLock<Arc<Registry>>,
    /// Serialises changes; readers never wait for it.
    pub(crate) changing: Mutex<()>,
    pub(crate) page_size: usize,
    pub(crate) list_cache: CacheHint,
    pub(crate) read_cache: CacheHint,
    pub(crate) keys: Option<KeyRing>,
    /// Where none are configured: made from the first seed that anybody brings, so that a call can go on over another
    /// connection of this process.
    pub(crate) own_keys: OnceLock<KeyRing>,
    pub(crate) states: States,
    pub(crate) anonymous: Vec<String>,
    pub(crate) nulls: Nulls,
    pub(crate) warnings: Vec<Warning>,
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
    pub(crate) fn new(compiled: Compiled) -> Self {
        Self {
            compiled: Arc::new(compiled),
        }
    }

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
        let mut entropy = Entropy::new(seed);
        let keys = match &self.compiled.keys {
            Some(keys) => keys,
            None => {
                let own = || KeyRing::new(entropy.seed());
                self.compiled.own_keys.get_or_init(own)
            }
        };
        Sealer::new(keys, entropy.seed(), self.config().limits())
    }

    /// The configured sealing keys, if there are some: replicas may share them.
    pub(crate) fn keys(&self) -> Option<&KeyRing> {
        self.compiled.keys.as_ref()
    }

    pub(crate) fn registry(&self) -> Arc<Registry> {
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

    /// How nulls for optional arguments are read.
    pub(crate) fn nulls(&self) -> Nulls {
        self.compiled.nulls
    }

    /// The hint for a list: never shared when it depends on who asks.
    pub(crate) fn list_hint(&self, filtered: bool, authenticated: bool) -> CacheHint {
        let mut hint = self.compiled.list_cache;
        if filtered || authenticated {
            hint.scope = CacheScope::Private;
        }
        hint
    }

    /// The hint for contents that nobody marked: not shared when they may depend on who asks.
    pub(crate) fn read_hint(&self, authenticated: bool) -> CacheHint {
        let mut hint = self.compiled.read_cache;
        if authenticated {
            hint.scope = CacheScope::Private;
        }
        hint
    }

    /// The mirrored parameters of the tool that a request calls; `None` for most tools.
    pub(crate) fn param_headers(&self, inbound: &Inbound) -> Option<Arc<ParamHeaders>> {
        let registry = self.registry();
        if !registry.tools.mirrored || inbound.envelope.method != Method::ToolsCall {
            return None;
        }
        let name = inbound.string(inbound.envelope.name)?;
        registry.tools.get(&name)?.inner.headers.clone()
    }

    /// Whether a caller may use what a request names. Judged before dispatch; what does not exist needs no scope.
    pub(crate) fn authorize(
        &self,
        principal: Option<&Principal>,
        inbound: &Inbound,
    ) -> Result<(), InsufficientScope> {
        let envelope = &inbound.envelope;
        let viewer = self.viewer(principal);
        let registry = self.registry();
        let filtered = match envelope.method {
            Method::ToolsCall => registry.tools.filtered,
            Method::PromptsGet => registry.prompts.filtered,
            _ => registry.resources.filtered || registry.templates.filtered,
        };
        if !filtered {
            // Nothing of this kind needs a scope.
            return Ok(());
        }
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
            Method::ResourcesRead | Method::ResourcesSubscribe => inbound
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

    /// Leaves what a caller may not read out of what it wants to hear of.
    pub(crate) fn permitted<'a>(
        &self,
        principal: Option<&Principal>,
        filter: &'a Filter,
    ) -> Cow<'a, Filter> {
        let registry = self.registry();
        if !registry.resources.filtered && !registry.templates.filtered {
            return Cow::Borrowed(filter);
        }
        let viewer = self.viewer(principal);
        let mut permitted = filter.clone();
        permitted
            .uris
            .retain(|uri| registry.may_watch(uri, viewer).is_ok());
        Cow::Owned(permitted)
    }

    /// Whether a caller may hear that a resource has changed. What does not exist needs no scope.
    pub(crate) fn may_watch(
        &self,
        principal: Option<&Principal>,
        uri: &str,
    ) -> Result<(), InsufficientScope> {
        self.registry().may_watch(uri, self.viewer(principal))
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
        let mut registry = Registry::clone(&self.registry());
        let result = change(&mut registry)?;
        *self
            .compiled
            .registry
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(registry);
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
        check_tool(
            &tool,
            &self.service.compiled.states,
            &mut problems,
            &mut Vec::new(),
        );
        if !problems.is_empty() {
            return Err(BuildError { problems });
        }
        let taken = taken::<Tool>(tool.name());
        let added = self.service.change(Change::Tools, |registry| {
            registry.tools = Arc::new(registry.tools.with(tool)?);
            Some(())
        });
        added.ok_or(taken)
    }

    /// Removes a tool; false if there was none of that name.
    pub fn remove(&self, name: &str) -> bool {
        let removed = self.service.change(Change::Tools, |registry| {
            registry.tools = Arc::new(registry.tools.without(name)?);
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
