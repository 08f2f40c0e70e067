//! Progress of a request, and its cancellation.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Deserializer};

use crate::macros::wire_struct;
use crate::message::{RequestId, identifier};
use crate::meta::Meta;
use crate::revision::Revision;
use crate::wire::Wire;
use crate::writer::Writer;

identifier! {
    /// Ties progress notifications to a request (schema `ProgressToken`).
    pub enum ProgressToken
}

wire_struct! {
    /// Parameters of `notifications/progress` (schema `ProgressNotificationParams`).
    pub struct ProgressNotificationParams {
        required {
            /// The token that the request carried.
            progress_token: ProgressToken = "progressToken";
            /// How far the work is; increases with every notification, in any unit.
            progress: f64 = "progress";
        }
        optional {
            /// Where the work ends, in the same unit, if known.
            total / with_total: f64 = "total";
            /// What is being done.
            message / with_message: String = "message" since V2025_03_26;
            /// Metadata.
            meta / with_meta: Meta = "_meta";
        }
    }
}

wire_struct! {
    /// Parameters of `notifications/cancelled` (schema `CancelledNotificationParams`).
    pub struct CancelledNotificationParams {
        required {}
        optional {
            /// The request that is no longer wanted. Every revision but 2025-11-25 requires it.
            request_id / with_request_id: RequestId = "requestId";
            /// Why, for logs and people.
            reason / with_reason: String = "reason";
            /// Metadata.
            meta / with_meta: Meta = "_meta";
        }
    }
}
