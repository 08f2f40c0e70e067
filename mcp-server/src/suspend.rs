//! When a modern call stops for the client's input, what it says then, and how it comes back.
//!
//! Owns the suspension rule: a poll that returns `Pending` while a question is open, unless memoised work is
//! under way. Must never suspend a request that the specification does not let suspend, and never answer a
//! bad state with a new prompt.
//!
//! ```text
//! first request ──▶ run ──▶ Pending, question open ──▶ input_required { inputRequests, requestState }
//!                    ▲                                                     │ the client asks its user
//!                    └──── admit: open the state, take the answers ◀───────┘ and calls again
//! ```

use std::task;

use mcp_proto::config::CacheHint;
use mcp_proto::error::WireError;
use mcp_proto::json::{Inbound, text};
use mcp_proto::method::Method;
use mcp_proto::reply::{Body, ResultKind};
use mcp_proto::time::Now;
use mcp_types::Json;

use crate::call::{Finish, panicked};
use crate::context::Context;
use crate::journal::{Binding, TooLarge};
use crate::script::Script;

/// What to do after a poll that was not the last.
pub(crate) enum Settled {
    /// Somebody else will wake us.
    Wait,
    /// Answers were handed out.
    Repoll,
    /// The call cannot go on before the client comes back, or not at all.
    Suspend,
}

/// Whether a request may be answered with `input_required` (2026-07-28, basic/patterns/mrtr).
pub(crate) const fn may_suspend(method: Method) -> bool {
    matches!(
        method,
        Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead
    )
}

/// Reads what a modern client brings back: nothing, candidate answers, or a state with answers.
pub(crate) fn admit(context: &Context, inbound: &Inbound, now: Now) -> Result<(), WireError> {
    let envelope = &inbound.envelope;
    if !context.inner.facts.is_modern() || !may_suspend(envelope.method) {
        return Ok(());
    }
    let responses = inbound.text(envelope.input_responses);
    let state = inbound.text(envelope.request_state);
    if responses.is_empty() && state.is_empty() {
        return Ok(());
    }
    if !responses.is_empty() && !responses.starts_with('{') {
        return Err(WireError::invalid_params(
            "params.inputResponses must be an object of answers by key",
        ));
    }
    let bounds = context.inner.sealer.bounds;
    let script = if state.is_empty() {
        Script::first(context.chain(), responses, bounds)
    } else {
        let Some(state) = text::decode_str(state) else {
            return Err(WireError::invalid_params(
                "params.requestState must be a string",
            ));
        };
        let binding = binding(context, inbound);
        let journal = context.inner.sealer.open(&binding, &state, now.unix_ms);
        Script::resume(
            journal.map_err(|bad| WireError::invalid_params(bad.message()))?,
            responses,
            bounds,
        )
    };
    context.cell().lock().script = Some(script);
    Ok(())
}

fn binding(context: &Context, inbound: &Inbound) -> Binding {
    Binding::new(
        inbound,
        context.principal().map(|principal| principal.id.as_str()),
    )
}

/// The suspension rule, after a poll that returned `Pending`.
pub(crate) fn settle(context: &Context) -> Settled {
    let Some(cell) = context.used_cell() else {
        return Settled::Wait;
    };
    let mut locked = cell.lock();
    let state = &mut *locked;
    if state.failure.is_some() {
        return Settled::Suspend;
    }
    let Some(script) = &mut state.script else {
        return Settled::Wait;
    };
    let held = if script.is_released() {
        None
    } else {
        state.asks.held()
    };
    if let Some(wakers) = held {
        script.release();
        drop(locked);
        wakers.into_iter().for_each(task::Waker::wake);
        return Settled::Repoll;
    }
    if script.has_open() && !script.is_working() {
        Settled::Suspend
    } else {
        Settled::Wait
    }
}

/// A result counts only if the handler repeated what its journal says, and nothing failed underneath.
pub(crate) fn conclude(
    context: &Context,
    body: Body,
    meta: Option<Json>,
    kind: ResultKind,
    cache: Option<CacheHint>,
) -> Finish {
    let reply = |body, cache| Finish::Reply {
        body,
        meta,
        kind,
        cache,
    };
    let Some(cell) = context.used_cell() else {
        return reply(body, cache);
    };
    let mut state = cell.lock();
    if let Some(failure) = state.failure.take() {
        return Finish::Fail(failure);
    }
    let Some(script) = &state.script else {
        return reply(body, cache);
    };
    // A handler that fails early has not diverged, and its own words say more.
    let failed = || {
        let body = body.to_bytes();
        core::str::from_utf8(&body).is_ok_and(|body| text::get(body, "isError") == Some("true"))
    };
    match script.finish() {
        Err(diverged) if !failed() => Finish::Fail(diverged.into()),
        // What came out of a dialogue is never to be cached.
        _ if script.is_dialogue() => reply(body, cache.map(|_| CacheHint::NONE)),
        _ => reply(body, cache),
    }
}

/// The result that asks the client for input.
pub(crate) fn suspend(context: &Context, now: Now) -> Finish {
    let mut state = context.cell().lock();
    if let Some(failure) = state.failure.take() {
        return Finish::Fail(failure);
    }
    let state = &mut *state;
    // Without a script nothing is ever open.
    let Some(script) = &mut state.script else {
        return panicked(context);
    };
    let journal = match script.suspend(now.unix_ms) {
        Ok(journal) => journal,
        Err(diverged) => return Finish::Fail(diverged.into()),
    };
    let mut body = String::from("{\"inputRequests\":{");
    let open = state.asks.open();
    let bounds = context.inner.sealer.bounds;
    if open.len() > bounds.questions {
        return Finish::Fail(WireError::internal(format!(
            "this call asks {} questions at once; at most {} are possible",
            open.len(),
            bounds.questions
        )));
    }
    for (index, (entry, method, params)) in open.into_iter().enumerate() {
        if index > 0 {
            body.push(',');
        }
        body.push_str(Json::from(script.key(entry)).as_str());
        body.push_str(":{\"method\":\"");
        body.push_str(method);
        body.push_str("\",\"params\":");
        body.push_str(params.as_str());
        body.push('}');
    }
    match context
        .inner
        .sealer
        .seal(&binding(context, &context.inbound()), &journal)
    {
        Ok(sealed) => {
            body.push_str("},\"requestState\":\"");
            body.push_str(&sealed);
            body.push_str("\"}");
            Finish::Reply {
                body: body.into(),
                meta: None,
                kind: ResultKind::InputRequired,
                cache: None,
            }
        }
        Err(TooLarge(size)) => Finish::Fail(too_large(size, bounds.state)),
    }
}

fn too_large(size: usize, limit: usize) -> WireError {
    let error = WireError::internal(format!(
        "the answers of this call take {size} characters to carry along; at most {limit} are possible"
    ));
    match Json::parse(format!(
        "{{\"reason\":\"journal_too_large\",\"size\":{size},\"limit\":{limit}}}"
    )) {
        Ok(data) => error.with_data(data),
        Err(_) => error,
    }
}
