//! From a list of tools, resources and prompts to a server that can be shared.
//!
//! Owns [`Server`], the builder: what can be said about a server and what holds unless it is said. Must never let a server start
//! with a definition that clients would reject; what they merely might dislike is a warning.

use std::sync::{Arc, Mutex, OnceLock, RwLock};

use mcp_proto::config::{CacheHint, Profile, RevisionSet, ServerConfig};
use mcp_proto::limits::Limits;
use mcp_proto::seal::KeyRing;
use mcp_types::{
    CacheScope, Icon, Implementation, Object, PromptsCapability, ResourcesCapability,
    ToolsCapability,
};

use crate::check::Nulls;
use crate::hub::Hub;
use crate::problem::{BuildError, Problem, check_prompt, check_resource, check_tool, duplicates};
use crate::prompt::{IntoPrompt, Prompt};
use crate::registry::{Family, Fixed, Registry, Shelf};
use crate::resource::{IntoResource, Resource};
use crate::service::{Compiled, Service};
use crate::state::States;
use crate::tool::{IntoTool, Tool};

/// Items of a page unless told otherwise. Large, because some clients read only the first page.
const PAGE_SIZE: usize = 1000;

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
    nulls: Nulls,
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
            nulls: Nulls::Absent,
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

    /// For how long contents of resources may be cached that say nothing themselves: not at all, unless told otherwise. They are
    /// `private` whatever is said here when the resource needs a scope or the caller is authenticated.
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
    /// Without it each service has a key of its own, for all of its connections and for as long as it lives.
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

    /// Whether a null for an optional argument of a tool counts as left out. Models send such nulls although the schemas, which
    /// are kept simple for them, do not allow any. Yes, unless told otherwise; schemas that were written by hand always mean what
    /// they say. An integral float for an integer needs no such switch: to JSON Schema `3.0` is an integer.
    pub const fn null_is_absent(mut self, tolerated: bool) -> Self {
        self.nulls = if tolerated {
            Nulls::Absent
        } else {
            Nulls::Strict
        };
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
        for tool in &self.tools {
            check_tool(tool, &self.states, &mut problems, &mut warnings);
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
            registry: RwLock::new(Arc::new(Registry {
                tools: Arc::new(Shelf::new(self.tools)),
                resources: Arc::new(Shelf::new(fixed)),
                templates: Arc::new(Shelf::new(families)),
                prompts: Arc::new(Shelf::new(self.prompts)),
            })),
            changing: Mutex::new(()),
            page_size: self.page_size,
            list_cache: self.list_cache,
            read_cache: self.read_cache,
            keys: self.keys,
            own_keys: OnceLock::new(),
            states: self.states,
            anonymous: self.anonymous,
            nulls: self.nulls,
            warnings,
        };
        Ok(Service::new(compiled))
    }
}
