//! Resources and resource templates: a definition, what it matches, and a reader.
//!
//! Owns [`Resource`] and its builder; `#[resource]` expands to it. Must never answer a read of something that does not exist
//! with empty contents: that is an error (2026-07-28, server/resources, "Error Handling").

use std::any::TypeId;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use mcp_proto::config::CacheHint;
use mcp_types::{self as types, Annotations, Icon, Meta, ReadResourceResult};

use crate::Context;
use crate::argument::{Arguments, FromArgument};
use crate::completion::{Completer, completing};
use crate::contents::IntoContents;
use crate::result::HandlerError;
use crate::template::UriTemplate;
use crate::tool::Work;

pub(crate) type ReadOutcome = Result<ReadResourceResult, HandlerError>;
type ReadFn = dyn Fn(ReadRequest, Context) -> Work<ReadOutcome> + Send + Sync;

/// A resource or a family of resources, ready to be added to a server. Cheap to clone.
///
/// ```
/// use mcp_server::{HandlerError, Resource};
///
/// let readme = Resource::builder("docs://readme")
///     .mime_type("text/markdown")
///     .read(|_request, _ctx| Ok("# Hello"));
/// let user = Resource::template("users://{id}/profile")
///     .name("user profile")
///     .read(|request, _ctx| {
///         let id: u32 = request.parse("id")?;
///         if id == 0 {
///             return Err(HandlerError::not_found());
///         }
///         Ok(format!("user {id}"))
///     });
/// assert_eq!(readme.uri(), "docs://readme");
/// assert_eq!(user.uri(), "users://{id}/profile");
/// ```
#[derive(Clone)]
pub struct Resource {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) definition: Definition,
    pub(crate) scopes: Vec<String>,
    pub(crate) completers: Vec<(String, Completer)>,
    pub(crate) cache: Option<CacheHint>,
    pub(crate) reader: Box<ReadFn>,
    pub(crate) states: Vec<(TypeId, &'static str)>,
    pub(crate) problems: Vec<String>,
}

pub(crate) enum Definition {
    Static(types::Resource),
    Template(types::ResourceTemplate, UriTemplate),
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resource")
            .field("uri", &self.uri())
            .finish_non_exhaustive()
    }
}

impl Resource {
    /// Starts a resource with a URI of its own.
    pub fn builder(uri: impl Into<String>) -> ResourceBuilder {
        ResourceBuilder::new(uri.into(), false)
    }

    /// Starts a family of resources: an RFC 6570 template of levels 1 to 3, such as `file:///{+path}` or `db://{table}{?limit}`.
    ///
    /// A plain `{variable}` matches one segment without `/`, `?` and `#`, a `{+variable}` matches across slashes; both need at
    /// least one character. `{/v}`, `{.v}`, `{;v}`, `{?v}`, `{&v}` and `{#v}` may be absent. The parameters of a query may come
    /// in any order, so they are one list: `{?a}{&b}` is fine, while `{?a}text{&b}` is refused when the server is built.
    ///
    /// Values are percent-decoded. A template of the scheme `file` matches no URI with a `..` segment, and its values are never
    /// absolute paths (a leading `/`, `\` or drive), so that joined to a directory they stay below it; only the first variable of
    /// `file://{+path}` is the whole path. Links in the file system are yours to mind. Check in other schemes whatever you use as
    /// a path.
    pub fn template(template: impl Into<String>) -> ResourceBuilder {
        ResourceBuilder::new(template.into(), true)
    }

    /// The URI or the URI template.
    #[must_use]
    pub fn uri(&self) -> &str {
        match &self.inner.definition {
            Definition::Static(resource) => &resource.uri,
            Definition::Template(template, _) => &template.uri_template,
        }
    }

    /// True for a family of resources.
    #[must_use]
    pub fn is_template(&self) -> bool {
        matches!(self.inner.definition, Definition::Template(..))
    }

    /// The request for a URI that this resource is responsible for; `None` for others.
    pub(crate) fn request(&self, uri: &str) -> Option<ReadRequest> {
        let variables = match &self.inner.definition {
            Definition::Static(resource) => (resource.uri == uri).then(Arguments::default)?,
            Definition::Template(_, template) => {
                let captures = template.matches(uri)?;
                let mut variables = Arguments::default();
                for (index, variable) in template.variables().iter().enumerate() {
                    if let Some(value) = captures.get(index) {
                        variables.push(variable.name.clone(), value);
                    }
                }
                variables
            }
        };
        let mime_type = match &self.inner.definition {
            Definition::Static(resource) => resource.mime_type.clone(),
            Definition::Template(template, _) => template.mime_type.clone(),
        };
        Some(ReadRequest {
            uri: uri.to_owned(),
            mime_type,
            variables,
        })
    }

    pub(crate) fn read(&self, request: ReadRequest, context: Context) -> Work<ReadOutcome> {
        (self.inner.reader)(request, context)
    }
}

/// Things that are a resource: [`Resource`] itself, and a function that returns one, which is what `#[resource]` makes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a resource",
    note = "write `#[resource(\"scheme://…\")]` above the function, or build one with `Resource::builder`"
)]
pub trait IntoResource {
    /// The resource.
    fn into_resource(self) -> Resource;
}

impl<F: FnOnce() -> Resource> IntoResource for F {
    fn into_resource(self) -> Resource {
        self()
    }
}

impl IntoResource for Resource {
    fn into_resource(self) -> Resource {
        self
    }
}

/// What a client wants to read.
#[derive(Debug, Clone)]
pub struct ReadRequest {
    uri: String,
    /// Of the resource, if it has one.
    pub(crate) mime_type: Option<String>,
    variables: Arguments,
}

impl ReadRequest {
    /// The URI as the client wrote it.
    #[must_use]
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// The text of a template variable, decoded; `None` if the URI leaves it out.
    #[must_use]
    pub fn get(&self, variable: &str) -> Option<&str> {
        self.variables.get(variable)
    }

    /// The value of a template variable.
    ///
    /// # Errors
    /// When the text is no `T`: such a URI names nothing, so the answer is "resource not found".
    pub fn parse<T: FromArgument>(&self, variable: &str) -> Result<T, HandlerError> {
        self.variables
            .parse(variable)
            .map_err(|_| HandlerError::not_found())
    }
}

/// Builds a [`Resource`]; ends with one of the `read` methods.
#[must_use = "a resource builder does nothing until one of its `read` methods is given a reader"]
pub struct ResourceBuilder {
    definition: Definition,
    scopes: Vec<String>,
    completers: Vec<(String, Completer)>,
    cache: Option<CacheHint>,
    spawn: bool,
    states: Vec<(TypeId, &'static str)>,
    problems: Vec<String>,
}

impl fmt::Debug for ResourceBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResourceBuilder").finish_non_exhaustive()
    }
}

/// Sets a field that a resource and a template both have.
macro_rules! set {
    ($builder:ident.$field:ident = $value:expr) => {{
        let value = $value;
        match &mut $builder.definition {
            Definition::Static(resource) => resource.$field = value,
            Definition::Template(template, _) => template.$field = value,
        }
        $builder
    }};
}

impl ResourceBuilder {
    fn new(uri: String, template: bool) -> Self {
        let mut problems = Vec::new();
        let parsed = template
            .then(|| {
                UriTemplate::parse(&uri)
                    .map_err(|problem| problems.push(problem.to_string()))
                    .ok()
            })
            .flatten();
        let definition = match parsed {
            Some(parsed) => {
                Definition::Template(types::ResourceTemplate::new(uri.clone(), uri), parsed)
            }
            None => {
                if !template && let Some(problem) = not_a_uri(&uri) {
                    problems.push(problem.to_owned());
                }
                Definition::Static(types::Resource::new(uri.clone(), uri))
            }
        };
        Self {
            definition,
            scopes: Vec::new(),
            completers: Vec::new(),
            cache: None,
            spawn: false,
            states: Vec::new(),
            problems,
        }
    }

    /// A name for programs; the URI unless set.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        set!(self.name = name.into())
    }

    /// A name for people.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        set!(self.title = Some(title.into()))
    }

    /// What it is, for people and models.
    pub fn description(mut self, text: impl Into<String>) -> Self {
        set!(self.description = Some(text.into()))
    }

    /// The media type. Unset, text is `text/plain`, bytes are `application/octet-stream`, [`AsJson`](crate::AsJson) is `application/json`.
    pub fn mime_type(mut self, mime_type: impl Into<String>) -> Self {
        set!(self.mime_type = Some(mime_type.into()))
    }

    /// The size of the raw contents in bytes, if known beforehand. Templates have no size.
    pub fn size(mut self, bytes: u64) -> Self {
        match &mut self.definition {
            Definition::Static(resource) => resource.size = Some(bytes),
            Definition::Template(..) => self
                .problems
                .push("a template has no size of its own".to_owned()),
        }
        self
    }

    /// An icon for people. May be repeated.
    pub fn icon(mut self, icon: Icon) -> Self {
        match &mut self.definition {
            Definition::Static(resource) => resource.icons.get_or_insert_default().push(icon),
            Definition::Template(template, _) => template.icons.get_or_insert_default().push(icon),
        }
        self
    }

    /// Hints on audience, priority and age.
    pub fn annotations(mut self, annotations: Annotations) -> Self {
        set!(self.annotations = Some(annotations))
    }

    /// Metadata of the definition.
    pub fn meta(mut self, meta: Meta) -> Self {
        set!(self.meta = Some(meta))
    }

    /// Scopes that a caller must have, all of them. Others neither see nor read the resource.
    pub fn scopes<I: IntoIterator<Item: Into<String>>>(mut self, scopes: I) -> Self {
        self.scopes.extend(scopes.into_iter().map(Into::into));
        self
    }

    /// For how long and for whom contents may be cached; otherwise the server's default for reads applies. Of a resource that
    /// needs a scope they are `private` whatever is said here.
    pub const fn cache(mut self, hint: CacheHint) -> Self {
        self.cache = Some(hint);
        self
    }

    completing!(variable, "a template variable");

    /// Runs an async reader as a task of the driver's runtime.
    pub const fn spawn(mut self) -> Self {
        self.spawn = true;
        self
    }

    #[doc(hidden)]
    pub fn needs_state<T: 'static>(mut self) -> Self {
        self.states
            .push((TypeId::of::<T>(), std::any::type_name::<T>()));
        self
    }

    /// Ends with a reader that runs in place. It must not block: it holds up its connection.
    pub fn read<R, F>(self, reader: F) -> Resource
    where
        R: IntoContents,
        F: Fn(ReadRequest, Context) -> Result<R, HandlerError> + Send + Sync + 'static,
    {
        self.finish(Box::new(move |request, context| {
            let read = reader(request.clone(), context);
            Work::Ready(read.and_then(|contents| contents.into_contents(&request)))
        }))
    }

    /// Ends with an async reader. It must not block between its awaits.
    pub fn read_async<R, F, Fut>(self, reader: F) -> Resource
    where
        R: IntoContents,
        F: Fn(ReadRequest, Context) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, HandlerError>> + Send + 'static,
    {
        let spawn = self.spawn;
        self.finish(Box::new(move |request, context| {
            let future = reader(request.clone(), context);
            let future = Box::pin(async move { future.await?.into_contents(&request) });
            if spawn {
                Work::Spawn(future)
            } else {
                Work::Pending(future)
            }
        }))
    }

    /// Ends with a reader that may block: it runs on the driver's bounded pool of threads.
    pub fn read_blocking<R, F>(self, reader: F) -> Resource
    where
        R: IntoContents,
        F: Fn(ReadRequest, Context) -> Result<R, HandlerError> + Send + Sync + 'static,
    {
        let reader = Arc::new(reader);
        self.finish(Box::new(move |request, context| {
            let reader = Arc::clone(&reader);
            Work::Blocking(Box::new(move || {
                reader(request.clone(), context)?.into_contents(&request)
            }))
        }))
    }

    fn finish(mut self, reader: Box<ReadFn>) -> Resource {
        for (variable, _) in &self.completers {
            let known = match &self.definition {
                Definition::Template(_, template) => {
                    template.variables().iter().any(|own| own.name == *variable)
                }
                Definition::Static(_) => false,
            };
            if !known {
                self.problems.push(format!(
                    "it completes `{variable}`, which is no variable of its URI"
                ));
            }
        }
        Resource {
            inner: Arc::new(Inner {
                definition: self.definition,
                scopes: self.scopes,
                completers: self.completers,
                cache: self.cache,
                reader,
                states: self.states,
                problems: self.problems,
            }),
        }
    }
}

/// Why a text cannot be the URI of a resource (RFC 3986: a scheme, and none of the characters that no URI has).
fn not_a_uri(uri: &str) -> Option<&'static str> {
    let scheme = uri.split(':').next().unwrap_or_default();
    if scheme.len() == uri.len()
        || !scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        || !scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    {
        return Some("a resource URI starts with a scheme, such as `docs://readme`");
    }
    if uri
        .chars()
        .any(|c| c.is_whitespace() || c.is_control() || matches!(c, '{' | '}' | '<' | '>' | '"'))
    {
        return Some(
            "a URI holds no spaces, braces or control characters; a URI with `{variables}` is a template",
        );
    }
    None
}
