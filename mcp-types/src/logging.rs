//! Log messages from a server.

use alloc::string::String;

use crate::json::Json;
use crate::macros::{wire_enum, wire_struct};
use crate::meta::Meta;

wire_enum! {
    /// The severity of a log message, as in RFC 5424; greater is graver (schema `LoggingLevel`).
    pub enum LoggingLevel {
        /// Details for debugging.
        Debug = "debug",
        /// Something ordinary happened.
        Info = "info",
        /// Something notable but normal happened.
        Notice = "notice",
        /// Something may be wrong.
        Warning = "warning",
        /// Something is wrong.
        Error = "error",
        /// Something vital is wrong.
        Critical = "critical",
        /// Somebody must act at once.
        Alert = "alert",
        /// Nothing works.
        Emergency = "emergency",
    }
}

wire_struct! {
    /// Parameters of `notifications/message` (schema `LoggingMessageNotificationParams`).
    pub struct LoggingMessageNotificationParams {
        required {
            /// The severity.
            level: LoggingLevel = "level";
            /// What is logged: any value.
            data: Json = "data";
        }
        optional {
            /// The name of the logger.
            logger / with_logger: String = "logger";
            /// Metadata.
            meta / with_meta: Meta = "_meta";
        }
    }
}

wire_struct! {
    /// Parameters of `logging/setLevel` (schema `SetLevelRequestParams`), up to 2025-11-25.
    pub struct SetLevelRequestParams {
        required {
            /// The least severity that the client wants to see.
            level: LoggingLevel = "level";
        }
        optional {
            /// Metadata.
            meta / with_meta: Meta = "_meta";
        }
    }
}
