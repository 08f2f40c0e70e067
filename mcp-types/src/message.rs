//! JSON-RPC messages, ids and errors as typed values.
//!
//! For tests, tools and gateways that want whole messages. The protocol core reads frames by spans and never goes
//! through these types.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

use crate::capabilities::ClientCapabilities;
use crate::json::Json;
use crate::macros::wire_struct;
use crate::meta::Meta;
use crate::mrtr::ResultType;
use crate::revision::Revision;
use crate::wire::Wire;
use crate::writer::Writer;

/// Declares a string-or-integer identifier.
macro_rules! identifier {
    ($(#[$meta:meta])* pub enum $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            /// An integer.
            Number(i64),
            /// A string. `"1"` and `1` are different identifiers.
            Text(Box<str>),
        }

        impl From<i64> for $name {
            fn from(number: i64) -> Self {
                Self::Number(number)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::Text(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self::Text(text.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    Self::Number(number) => number.fmt(f),
                    Self::Text(text) => text.fmt(f),
                }
            }
        }

        impl Wire for $name {
            fn write_at(&self, _: Revision, out: &mut Writer) {
                match self {
                    Self::Number(number) => out.integer(*number),
                    Self::Text(text) => out.text(text),
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::message::read_identifier(deserializer, Self::Number, |text| Self::Text(text.into()))
            }
        }
    };
}
pub(crate) use identifier;

/// Reads a string or an integer. Fractions, `1.0` included, `null` and booleans are refused.
pub(crate) fn read_identifier<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    number: fn(i64) -> T,
    text: fn(&str) -> T,
) -> Result<T, D::Error> {
    struct Id<T>(fn(i64) -> T, fn(&str) -> T);

    impl<T> Visitor<'_> for Id<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string or an integer")
        }

        fn visit_i64<E: Error>(self, value: i64) -> Result<T, E> {
            Ok((self.0)(value))
        }

        fn visit_u64<E: Error>(self, value: u64) -> Result<T, E> {
            i64::try_from(value)
                .map(self.0)
                .map_err(|_| E::custom("an integer beyond 2^63 cannot be an identifier"))
        }

        fn visit_str<E: Error>(self, value: &str) -> Result<T, E> {
            Ok((self.1)(value))
        }
    }

    deserializer.deserialize_any(Id(number, text))
}

identifier! {
    /// The id of a request (schema `RequestId`).
    pub enum RequestId
}

wire_struct! {
    /// A JSON-RPC error (schema `Error`).
    pub struct ErrorObject {
        required {
            /// What sort of error it is.
            code: i64 = "code";
            /// One sentence for people.
            message: String = "message";
        }
        optional {
            /// Details; their type depends on the code.
            data / with_data: Json = "data" via KeepNull;
        }
    }
}

impl fmt::Display for ErrorObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl core::error::Error for ErrorObject {}

wire_struct! {
    /// `data` of the error -32022: the revision is not supported (schema `UnsupportedProtocolVersionError`).
    pub struct UnsupportedProtocolVersionData {
        required {
            /// The revision that was asked for.
            requested: String = "requested";
            /// The revisions to choose from.
            supported: Vec<String> = "supported";
        }
        optional {}
    }
}

wire_struct! {
    /// `data` of the error -32021: the client did not declare what the request needs (schema
    /// `MissingRequiredClientCapabilityError`).
    pub struct MissingRequiredClientCapabilityData {
        required {
            /// What the client would have to declare.
            required_capabilities: ClientCapabilities = "requiredCapabilities";
        }
        optional {}
    }
}

wire_struct! {
    /// Parameters of requests that have none of their own (schema `RequestParams`): `server/discover`, and up to
    /// 2025-11-25 `ping`.
    pub struct RequestParams {
        required {}
        optional {
            /// Metadata; since 2026-07-28 it carries the request's context and is required.
            meta / with_meta: Meta = "_meta";
        }
    }
}

wire_struct! {
    /// Parameters of notifications that have none of their own (schema `NotificationParams`): of the `list_changed`
    /// notifications and of `notifications/initialized`.
    pub struct NotificationParams {
        required {}
        optional {
            /// Metadata; since 2026-07-28 it may name the subscription.
            meta / with_meta: Meta = "_meta";
        }
    }
}

wire_struct! {
    /// Parameters of list requests (schema `PaginatedRequestParams`).
    pub struct PaginatedRequestParams {
        required {}
        optional {
            /// Where the page begins: `nextCursor` of the page before, opaque. Absent for the first page.
            cursor / with_cursor: String = "cursor";
            /// Metadata; since 2026-07-28 it carries the request's context and is required.
            meta / with_meta: Meta = "_meta";
        }
    }
}

wire_struct! {
    /// A result without content of its own (schema `EmptyResult`). Foreign members are in `extra`.
    pub struct EmptyResult {
        required {}
        optional {
            /// What kind of result this is; the protocol core sets it.
            result_type / with_result_type: ResultType = "resultType" since V2026_07_28;
            /// Metadata.
            meta / with_meta: Meta = "_meta";
        }
    }
}

wire_struct! {
    /// A request (schema `JSONRPCRequest`).
    pub struct JsonRpcRequest tag "jsonrpc" = "2.0" {
        required {
            /// Identifies the request among those of its sender.
            id: RequestId = "id";
            /// The method.
            method: String = "method";
        }
        optional {
            /// The parameters, an object.
            params / with_params: Json = "params";
        }
    }
}

wire_struct! {
    /// A notification (schema `JSONRPCNotification`).
    pub struct JsonRpcNotification tag "jsonrpc" = "2.0" {
        required {
            /// The method.
            method: String = "method";
        }
        optional {
            /// The parameters, an object.
            params / with_params: Json = "params";
        }
    }
}

wire_struct! {
    /// A successful answer (schema `JSONRPCResultResponse`).
    pub struct JsonRpcResultResponse tag "jsonrpc" = "2.0" {
        required {
            /// The id of the request.
            id: RequestId = "id";
            /// The result, an object.
            result: Json = "result";
        }
        optional {}
    }
}

wire_struct! {
    /// A failure (schema `JSONRPCErrorResponse`). Without an id, the request's could not be read.
    pub struct JsonRpcErrorResponse tag "jsonrpc" = "2.0" {
        required {
            /// What went wrong.
            error: ErrorObject = "error";
        }
        optional {
            /// The id of the request.
            id / with_id: RequestId = "id";
        }
    }
}

/// A message of any kind (schema `JSONRPCMessage`). A batch of 2025-03-26 is a `Vec` of them.
#[derive(Clone, Debug, PartialEq)]
pub enum JsonRpcMessage {
    /// A request.
    Request(JsonRpcRequest),
    /// A notification.
    Notification(JsonRpcNotification),
    /// A successful answer.
    Result(JsonRpcResultResponse),
    /// A failure.
    Error(JsonRpcErrorResponse),
}

impl Wire for JsonRpcMessage {
    fn write_at(&self, revision: Revision, out: &mut Writer) {
        match self {
            Self::Request(message) => message.write_at(revision, out),
            Self::Notification(message) => message.write_at(revision, out),
            Self::Result(message) => message.write_at(revision, out),
            Self::Error(message) => message.write_at(revision, out),
        }
    }
}

impl<'de> Deserialize<'de> for JsonRpcMessage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Json::deserialize(deserializer)?;
        let has = |name| crate::decode::has(&raw, name);
        let message = match (has("method"), has("id"), has("result"), has("error")) {
            (true, true, false, false) => raw.decode().map(Self::Request),
            (true, false, false, false) => raw.decode().map(Self::Notification),
            (false, true, true, false) => raw.decode().map(Self::Result),
            (false, _, false, true) => raw.decode().map(Self::Error),
            _ => {
                return Err(D::Error::custom(
                    "expected a JSON-RPC request, notification or response",
                ));
            }
        };
        message.map_err(D::Error::custom)
    }
}
