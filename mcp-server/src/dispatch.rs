//! From an admitted request to its answer, or to the work that makes it.
//!
//! Owns the eight methods that concern what a server offers: the four lists, `tools/call`, `resources/read`, `prompts/get` and
//! `completion/complete`. Envelope, revision, capability and header rules were judged before. Must never poll or spawn anything, and
//! never name to a caller what it may not see.

use std::borrow::Cow;

use mcp_proto::config::CacheHint;
use mcp_proto::error::{INVALID_PARAMS, WireError};
use mcp_proto::json::{Inbound, Span, text};
use mcp_proto::method::Method;
use mcp_proto::reply::Body;
use mcp_types::{
    CacheScope, CallToolResult, CompleteRequestParams, CompletionReference, Json, Meta, Revision,
};
use serde_json::Value;

use crate::argument::Arguments;
use crate::check::kind_of;
use crate::completion::CompletionRequest;
use crate::outcome::{BoxFuture, Dispatched, Outcome, OwnedReply};
use crate::registry::{Entry, Registry, Shelf};
use crate::result::{HandlerError, Kind, resource_not_found, wire_error};
use crate::suggest::closest;
use crate::tool::{Tool, ToolOutcome, Work};
use crate::{Context, Service};

/// Matches a request with what answers it.
pub(crate) fn dispatch(service: &Service, context: &Context, inbound: &Inbound) -> Dispatched {
    let registry = service.registry();
    let call = Call {
        service,
        context,
        inbound,
        registry: &registry,
        revision: context.revision(),
    };
    let dispatched = match inbound.envelope.method {
        Method::ToolsList => call.list(&registry.tools),
        Method::ResourcesList => call.list(&registry.resources),
        Method::ResourceTemplatesList => call.list(&registry.templates),
        Method::PromptsList => call.list(&registry.prompts),
        Method::ToolsCall => call.tool(),
        Method::ResourcesRead => call.read(),
        Method::PromptsGet => call.prompt(),
        Method::Complete => call.complete(),
        _ => Err(WireError::method_not_found(format!(
            "Unknown method: {}",
            inbound.method_name()
        ))),
    };
    dispatched.unwrap_or_else(|error| Dispatched::Ready(Outcome::Fail(error)))
}

struct Call<'a> {
    service: &'a Service,
    context: &'a Context,
    inbound: &'a Inbound,
    registry: &'a Registry,
    revision: Revision,
}

type Refusable = Result<Dispatched, WireError>;

impl Call<'_> {
    fn list<T: Entry>(&self, shelf: &Shelf<T>) -> Refusable {
        let cursor = self.inbound.envelope.cursor;
        // A null is no cursor: only "whether a non-null value was provided" counts (server/utilities/pagination).
        let given = cursor.is_some() && self.inbound.text(cursor) != "null";
        let cursor = match given {
            false => None,
            true => Some(
                self.inbound
                    .string(cursor)
                    .ok_or_else(|| invalid("`cursor` must be a string"))?,
            ),
        };
        let viewer = self.service.viewer(self.context.principal());
        let body = shelf
            .page(
                cursor.as_deref(),
                self.revision,
                viewer,
                self.service.page_size(),
            )
            .map_err(|_| invalid("Invalid cursor: start again without one"))?;
        let cache = self
            .service
            .list_hint(shelf.filtered, viewer.principal.is_some());
        Ok(Dispatched::Ready(Outcome::Reply(OwnedReply {
            body: body.into(),
            meta: None,
            cache: Some(cache),
        })))
    }

    fn tool(&self) -> Refusable {
        let name = self.named("tool")?;
        let Some(tool) = self.registry.tools.get(&name) else {
            return Err(unknown("tool", &name, self.visible(&self.registry.tools)));
        };
        self.authorized()?;
        let arguments = match self.inbound.envelope.arguments {
            span if span.is_some() => self.inbound.text(span),
            _ => "{}",
        };
        if !arguments.starts_with('{') {
            return Err(invalid(format!(
                "`arguments` must be an object, got {}",
                raw_kind(arguments)
            )));
        }
        let work = (tool.inner.handler)(&tool.inner.rules, arguments, self.context.clone());
        let (tool, revision) = (tool.clone(), self.revision);
        Ok(match work {
            Err(error) => Dispatched::Ready(tool_outcome(&tool, Err(error), revision)),
            Ok(work) => finish(work, move |outcome| tool_outcome(&tool, outcome, revision)),
        })
    }

    fn read(&self) -> Refusable {
        let uri = self.text(self.inbound.envelope.uri, "uri")?;
        let viewer = self.service.viewer(self.context.principal());
        let Some((resource, request)) = self.registry.find(&uri, viewer) else {
            self.authorized()?;
            return Err(resource_not_found(&uri, self.revision));
        };
        let authenticated = viewer.principal.is_some();
        let cache = resource
            .inner
            .cache
            .unwrap_or_else(|| self.service.read_hint(authenticated));
        // A copy that is shared would be read without the scope (server/utilities/caching, "Security Considerations").
        let scoped = !resource.inner.scopes.is_empty();
        let (uri, revision) = (uri.into_owned(), self.revision);
        let work = resource.read(request, self.context.clone());
        Ok(finish(work, move |outcome| match outcome {
            Ok(mut result) => {
                // Empty contents could mean "exists, but is empty" and "does not exist" alike.
                if result.contents.is_empty() {
                    return Outcome::Fail(resource_not_found(&uri, revision));
                }
                let mut hint = CacheHint {
                    ttl_ms: result.ttl_ms.take().unwrap_or(cache.ttl_ms),
                    scope: result.cache_scope.take().unwrap_or(cache.scope),
                };
                if scoped {
                    hint.scope = CacheScope::Private;
                }
                result.result_type = None;
                let meta = own_meta(result.meta.take());
                Outcome::Reply(OwnedReply {
                    body: Body::encode(result, revision),
                    meta,
                    cache: Some(hint),
                })
            }
            Err(error) => Outcome::Fail(wire_error(error, Some(&uri), revision)),
        }))
    }

    fn prompt(&self) -> Refusable {
        let name = self.named("prompt")?;
        let Some(prompt) = self.registry.prompts.get(&name) else {
            return Err(unknown(
                "prompt",
                &name,
                self.visible(&self.registry.prompts),
            ));
        };
        self.authorized()?;
        let arguments = self.textual(self.inbound.envelope.arguments)?;
        let violations = prompt.violations(&arguments);
        if !violations.is_empty() {
            let problems = HandlerError::arguments(violations);
            return Err(invalid(format!(
                "Invalid arguments for prompt `{name}`: {problems}"
            )));
        }
        let revision = self.revision;
        let work = prompt.get(arguments, self.context.clone());
        Ok(finish(work, move |outcome| match outcome {
            Ok(mut result) => {
                result.result_type = None;
                let meta = own_meta(result.meta.take());
                Outcome::Reply(OwnedReply {
                    body: Body::encode(result, revision),
                    meta,
                    cache: None,
                })
            }
            Err(error) => Outcome::Fail(wire_error(error, None, revision)),
        }))
    }

    fn complete(&self) -> Refusable {
        let params = self.inbound.text(self.inbound.envelope.params);
        let params: CompleteRequestParams =
            serde_json::from_str(if params.is_empty() { "{}" } else { params }).map_err(
                |error| {
                    invalid(format!(
                        "Invalid completion request: {}",
                        position_free(&error)
                    ))
                },
            )?;
        let argument = params.argument.name;
        let viewer = self.service.viewer(self.context.principal());
        let (completers, known) = match &params.reference {
            CompletionReference::Prompt(reference) => {
                let prompt = self
                    .registry
                    .prompts
                    .get(&reference.name)
                    .filter(|prompt| viewer.may(prompt.scopes()));
                let Some(prompt) = prompt else {
                    return Err(unknown(
                        "prompt",
                        &reference.name,
                        self.visible(&self.registry.prompts),
                    ));
                };
                let known = prompt.arguments().iter().any(|own| own.name == argument);
                (&prompt.inner.completers, known)
            }
            CompletionReference::ResourceTemplate(reference) => {
                // A template is named by its text; a URI stands for whatever answers for it.
                let template = self
                    .registry
                    .templates
                    .get(&reference.uri)
                    .filter(|template| viewer.may(template.scopes()));
                let resource = template.map(|family| &family.0).or_else(|| {
                    self.registry
                        .find(&reference.uri, viewer)
                        .map(|(resource, _)| resource)
                });
                let Some(resource) = resource else {
                    return Err(resource_not_found(&reference.uri, self.revision));
                };
                let known = match &resource.inner.definition {
                    crate::resource::Definition::Template(_, template) => template
                        .variables()
                        .iter()
                        .any(|variable| variable.name == argument),
                    // A resource without variables has nothing to complete, and nothing to get wrong.
                    crate::resource::Definition::Static(_) => true,
                };
                (&resource.inner.completers, known)
            }
            _ => return Err(invalid("`ref` must be a ref/prompt or a ref/resource")),
        };
        if !known {
            return Err(invalid(format!(
                "Invalid completion request: there is no argument `{}`",
                shown(&argument)
            )));
        }
        let resolved = params.context.and_then(|context| context.arguments);
        let request = CompletionRequest {
            value: params.argument.value,
            resolved: resolved.into_iter().flatten().collect(),
            argument,
        };
        let completer = completers
            .iter()
            .find(|(name, _)| *name == request.argument);
        let work = match completer {
            Some((_, completer)) => completer.run(request, self.context.clone()),
            None => Work::Ready(Ok(crate::completion::Completions::default())),
        };
        let revision = self.revision;
        Ok(finish(work, move |outcome| match outcome {
            Ok(completions) => {
                let body = Body::encode(completions.into_result(), revision);
                Outcome::Reply(OwnedReply {
                    body,
                    meta: None,
                    cache: None,
                })
            }
            Err(error) => Outcome::Fail(wire_error(error, None, revision)),
        }))
    }

    fn named(&self, what: &str) -> Result<Cow<'_, str>, WireError> {
        self.text(self.inbound.envelope.name, "name")
            .map_err(|mut error| {
                error.message = format!("{}: the name of the {what}", error.message).into();
                error
            })
    }

    fn text(&self, span: Span, member: &str) -> Result<Cow<'_, str>, WireError> {
        if !span.is_some() {
            return Err(invalid(format!("`{member}` is missing")));
        }
        self.inbound.string(span).ok_or_else(|| {
            invalid(format!(
                "`{member}` must be a string, got {}",
                raw_kind(self.inbound.text(span))
            ))
        })
    }

    /// `arguments` of a prompt: an object of strings.
    fn textual(&self, span: Span) -> Result<Arguments, WireError> {
        let mut arguments = Arguments::default();
        if !span.is_some() {
            return Ok(arguments);
        }
        let raw = self.inbound.text(span);
        if !raw.starts_with('{') {
            return Err(invalid(format!(
                "`arguments` must be an object, got {}",
                raw_kind(raw)
            )));
        }
        for (key, value) in text::members(raw) {
            let name = text::decode_str(key).unwrap_or_default();
            let Some(value) = text::decode_str(value) else {
                return Err(invalid(format!(
                    "argument `{}` must be a string, got {}",
                    shown(&name),
                    raw_kind(value)
                )));
            };
            if arguments.get(&name).is_some() {
                return Err(invalid(format!(
                    "argument `{}` is given twice",
                    shown(&name)
                )));
            }
            arguments.push(name, value);
        }
        Ok(arguments)
    }

    fn authorized(&self) -> Result<(), WireError> {
        self.service
            .authorize(self.context.principal(), self.inbound)
            .map_err(|refusal| refusal.to_wire())
    }

    /// Names that this caller may see.
    fn visible<'s, T: Entry>(&self, shelf: &'s Shelf<T>) -> Vec<&'s str> {
        let viewer = self.service.viewer(self.context.principal());
        shelf
            .entries()
            .iter()
            .filter(|entry| viewer.may(entry.scopes()))
            .map(Entry::key)
            .collect()
    }
}

/// Puts the last step behind work, wherever the work is done.
fn finish<T: Send + 'static>(
    work: Work<T>,
    last: impl FnOnce(T) -> Outcome + Send + 'static,
) -> Dispatched {
    fn then<T: Send + 'static>(
        future: BoxFuture<T>,
        last: impl FnOnce(T) -> Outcome + Send + 'static,
    ) -> BoxFuture<Outcome> {
        Box::pin(async move { last(future.await) })
    }
    match work {
        Work::Ready(value) => Dispatched::Ready(last(value)),
        Work::Pending(future) => Dispatched::Pending(then(future, last)),
        Work::Spawn(future) => Dispatched::Spawn(then(future, last)),
        Work::Blocking(work) => Dispatched::Blocking(Box::new(move || last(work()))),
    }
}

/// What a tool's handler came to, as the revision can say it.
fn tool_outcome(tool: &Tool, outcome: ToolOutcome, revision: Revision) -> Outcome {
    let result = match outcome {
        Ok(result) => match checked(tool, result) {
            Ok(result) => result,
            Err(error) => return Outcome::Fail(error),
        },
        Err(error) => match error.into_kind() {
            Kind::Message(text) => CallToolResult::error(text),
            Kind::NotFound => CallToolResult::error("not found"),
            Kind::Result(result) => result.with_is_error(true),
            Kind::Protocol(error) => return Outcome::Fail(error),
            Kind::Arguments(violations) => {
                let problems: Vec<String> = violations.iter().map(ToString::to_string).collect();
                CallToolResult::error(format!(
                    "Invalid arguments for tool `{}`: {}",
                    tool.name(),
                    problems.join("; ")
                ))
            }
            Kind::Ask(error) => match error.to_wire(revision) {
                Some(error) => return Outcome::Fail(error),
                None => CallToolResult::error(error.to_string()),
            },
        },
    };
    let mut result = result;
    if revision.is_legacy()
        && tool.wraps()
        && let Some(value) = result.structured_content.take()
    {
        let mut wrapped = mcp_types::Object::new();
        wrapped.insert("result", value);
        result.structured_content = Some(Json::from(wrapped));
    }
    result.result_type = None;
    let meta = own_meta(result.meta.take());
    Outcome::Reply(OwnedReply {
        body: Body::encode(result, revision),
        meta,
        cache: None,
    })
}

/// Holds a successful result to the schema that was advertised: always for hand-written schemas and with the feature
/// `validate`, in debug builds for generated ones, too.
fn checked(tool: &Tool, result: CallToolResult) -> Result<CallToolResult, WireError> {
    let Some(rules) = &tool.inner.output else {
        return Ok(result);
    };
    if result.is_error == Some(true) {
        return Ok(result);
    }
    let Some(value) = &result.structured_content else {
        let message = format!(
            "tool `{}` declares an output schema but returned no structured content",
            tool.name()
        );
        return Err(WireError::internal(message));
    };
    // A float that is no number serialises as null, which no type can prevent.
    let suspicious = rules.is_written() || value.as_str().contains("null");
    if !(suspicious || cfg!(feature = "validate") || cfg!(debug_assertions)) {
        return Ok(result);
    }
    let value: Value = value.decode().unwrap_or_default();
    let violations = rules.violations(&value);
    if violations.is_empty() {
        return Ok(result);
    }
    let problems: Vec<String> = violations.iter().map(ToString::to_string).collect();
    let message = format!(
        "the result of tool `{}` does not fit its output schema: {}",
        tool.name(),
        problems.join("; ")
    );
    Err(WireError::internal(message))
}

/// A handler's own `_meta`, as an object.
fn own_meta(meta: Option<Meta>) -> Option<Json> {
    let meta = mcp_types::to_json(&meta?, Revision::LATEST);
    (meta.as_str() != "{}").then_some(meta)
}

fn invalid(message: impl Into<Cow<'static, str>>) -> WireError {
    WireError::new(INVALID_PARAMS, message)
}

fn unknown(what: &str, name: &str, visible: Vec<&str>) -> WireError {
    let mut message = format!("Unknown {what}: {}", shown(name));
    if let Some(near) = closest(name, visible) {
        message.push_str(&format!("; did you mean `{near}`?"));
    }
    invalid(message)
}

/// A name from the caller, at a bounded length and without control characters.
fn shown(name: &str) -> String {
    let mut shown: String = name.chars().filter(|c| !c.is_control()).take(128).collect();
    if shown.len() < name.len() {
        shown.push('…');
    }
    shown
}

fn raw_kind(raw: &str) -> String {
    serde_json::from_str::<Value>(raw)
        .map_or_else(|_| "something else".to_owned(), |value| kind_of(&value))
}

fn position_free(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}
