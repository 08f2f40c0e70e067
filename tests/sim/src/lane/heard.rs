//! Events of machines in the words of the models.

use bytes::Bytes;
use mcp_proto::client::{self, ClientEvent, Limit};
use mcp_proto::id::RequestId;
use mcp_proto::server::{CancelledBy, LinkEvent};

use super::wire::key_of;
use crate::model::slab::unwire;
use crate::model::{client as client_model, server as server_model, tree};

/// What a server heard.
#[must_use]
pub fn server_heard(event: LinkEvent) -> server_model::Heard {
    use server_model::Heard;
    match event {
        LinkEvent::Call {
            id,
            inbound,
            context,
        } => Heard::Call {
            key: key_of(id),
            line: server_model::Line(inbound.bytes.to_vec()),
            revision: context.revision.as_str().into(),
            level: context.log_level.and_then(|level| {
                server_model::LEVELS
                    .iter()
                    .position(|name| *name == level.as_str())
            }),
            token: context
                .progress_token
                .and_then(|token| tree::parse(token.as_str().as_bytes()))
                .map(|token| token.value()),
        },
        LinkEvent::Listening { id, filter } => Heard::Listening(key_of(id), filter_of(&filter)),
        LinkEvent::Subscribed(filter) => Heard::Subscribed(filter_of(&filter)),
        LinkEvent::Cancelled { id, by } => {
            Heard::Cancelled(key_of(id), by == CancelledBy::Disconnect)
        }
        LinkEvent::Answered {
            call,
            request,
            outcome,
        } => {
            let value = |bytes: Bytes| tree::parse(&bytes).map(|t| t.value()).unwrap_or_default();
            let outcome = outcome.map(value).map_err(value);
            Heard::Answered(key_of(call), request.wire(), outcome)
        }
        LinkEvent::Expired { call, request } => Heard::Expired(key_of(call), request.wire()),
        LinkEvent::Lost { call, request } => Heard::Lost(key_of(call), request.wire()),
        LinkEvent::Notified { method, .. } => Heard::Notified(method.as_str().into()),
        LinkEvent::Closed { misbehaved } => Heard::Closed(misbehaved),
        _ => Heard::Notified("unknown event".into()),
    }
}

fn filter_of(filter: &mcp_proto::server::Filter) -> server_model::Filter {
    server_model::Filter {
        lists: [filter.tools, filter.prompts, filter.resources],
        uris: filter.uris.iter().map(|uri| uri.to_string()).collect(),
    }
}

/// What a client heard.
#[must_use]
pub fn client_heard(event: ClientEvent<u64>) -> client_model::Heard {
    use client::Outcome;
    use client_model::Heard;
    let value = |bytes: &[u8]| tree::parse(bytes).map(|t| t.value()).unwrap_or_default();
    let key = |id: RequestId| unwire(id.wire()).unwrap_or_default();
    match event {
        ClientEvent::Ended { id, token, outcome } => {
            let outcome = match outcome {
                Outcome::Complete(result) => client_model::Outcome::Complete(value(&result)),
                Outcome::InputRequired(result) => {
                    client_model::Outcome::InputRequired(value(&result))
                }
                Outcome::Error(error) => {
                    client_model::Outcome::Error(value(error.raw().as_bytes()))
                }
                Outcome::TimedOut(limit) => client_model::Outcome::TimedOut(limit == Limit::Total),
                Outcome::Withdrawn => client_model::Outcome::Withdrawn,
                Outcome::Lost => client_model::Outcome::Lost,
                _ => client_model::Outcome::Invalid,
            };
            Heard::Ended(key(id), token, outcome)
        }
        ClientEvent::Progress { id, progress } => {
            Heard::Progress(key(id), progress.progress, progress.total, progress.message)
        }
        ClientEvent::Acknowledged { id, .. } => Heard::Acknowledged(key(id)),
        ClientEvent::Changed { id, inbound, .. } => {
            Heard::Changed(key(id), inbound.method_name().into_owned())
        }
        ClientEvent::Notified { inbound, .. } => {
            Heard::Notified(inbound.method_name().into_owned())
        }
        ClientEvent::Asked { id, inbound } => {
            Heard::Asked(key_of(id), inbound.method_name().into_owned())
        }
        ClientEvent::Forgotten { id } => Heard::Forgotten(key_of(id)),
        ClientEvent::Unaddressed(error) => Heard::Unaddressed(value(error.raw().as_bytes())),
        ClientEvent::Violation(violation) => Heard::Violation(violation_name(violation)),
        ClientEvent::Closed { misbehaved } => Heard::Closed(misbehaved),
        _ => Heard::Violation("unknown event"),
    }
}

fn violation_name(violation: client::Violation) -> &'static str {
    use client::Violation;
    match violation {
        Violation::Malformed(_) => "malformed",
        Violation::TooLong => "too long",
        Violation::UnknownResponse => "unknown response",
        Violation::UnknownProgress => "unknown progress",
        Violation::ProgressNotIncreasing => "progress not increasing",
        Violation::UnknownSubscription => "unknown subscription",
        Violation::AcknowledgedTwice => "acknowledged twice",
        Violation::BeforeAcknowledgment => "before acknowledgment",
        Violation::NotGranted => "not granted",
        Violation::Untagged => "untagged",
        Violation::ForeignCancellation => "foreign cancellation",
        Violation::RequestInModernEra => "request in modern era",
        Violation::DuplicateRequest => "duplicate request",
        Violation::TooManyRequests => "too many requests",
        _ => "unknown violation",
    }
}
