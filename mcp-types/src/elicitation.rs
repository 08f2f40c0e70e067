//! Elicitation: a server asks the user, by a form or by sending them to a URL.

use alloc::string::String;
use alloc::vec::Vec;

use crate::elicitation_schema::PrimitiveSchemaDefinition;
use crate::macros::{wire_enum, wire_struct, wire_union};
use crate::map::{Map, Object};
use crate::meta::Meta;
use crate::revision::Revision;
use crate::tasks::TaskMetadata;
use crate::wire::Wire;

wire_struct! {
    /// Asks the user (schema `ElicitRequest`).
    pub struct ElicitRequest tag "method" = "elicitation/create" {
        required {
            /// The parameters.
            params: ElicitRequestParams = "params";
        }
        optional {}
    }
}

wire_union! {
    /// Parameters of `elicitation/create` (schema `ElicitRequestParams`). Without a `mode` it is a form.
    pub enum ElicitRequestParams by "mode" default Form {
        /// By a form.
        Form(ElicitRequestFormParams) = "form",
        /// By sending them to a URL; since 2025-11-25.
        Url(ElicitRequestUrlParams) = "url",
    }
}

wire_enum! {
    /// How a user is asked.
    pub enum ElicitMode {
        /// By a form.
        Form = "form",
        /// By sending them to a URL.
        Url = "url",
    }
}

wire_struct! {
    /// Asks by a form (schema `ElicitRequestFormParams`). Never for passwords and other secrets.
    pub struct ElicitRequestFormParams {
        required {
            /// What the user is told.
            message: String = "message";
            /// The fields of the form.
            requested_schema: RequestedSchema = "requestedSchema";
        }
        optional {
            /// [`ElicitMode::Form`], which is also the default.
            mode / with_mode: ElicitMode = "mode" since V2025_11_25;
            /// Asks for the request to become a task (2025-11-25).
            task / with_task: TaskMetadata = "task" since V2025_11_25 until V2025_11_25;
            /// Metadata.
            meta / with_meta: Meta = "_meta" until V2025_11_25;
        }
    }
}

wire_struct! {
    /// The fields of a form: a flat JSON Schema of an object.
    pub struct RequestedSchema tag "type" = "object" downgrade without_unknown_fields {
        required {
            /// The fields, in the order in which they are shown.
            properties: Map<PrimitiveSchemaDefinition> = "properties";
        }
        optional {
            /// The names of the fields that must be filled in.
            required / with_required: Vec<String> = "required";
            /// The dialect of JSON Schema.
            schema / with_schema: String = "$schema" since V2025_11_25;
        }
    }
}

/// A field that the revision cannot show cannot be required either.
fn without_unknown_fields(schema: &RequestedSchema, revision: Revision) -> Option<RequestedSchema> {
    if schema
        .properties
        .iter()
        .all(|(_, field)| field.present_at(revision))
    {
        return None;
    }
    let mut reduced = schema.clone();
    reduced
        .properties
        .retain(|_, field| field.present_at(revision));
    if let Some(required) = &mut reduced.required {
        required.retain(|name| {
            reduced.properties.contains_key(name) || !schema.properties.contains_key(name)
        });
    }
    Some(reduced)
}

wire_struct! {
    /// Asks by sending the user to a URL (schema `ElicitRequestURLParams`).
    pub struct ElicitRequestUrlParams tag "mode" = "url" {
        required {
            /// Why the user should go there.
            message: String = "message";
            /// Where to go.
            url: String = "url";
        }
        optional {
            /// Identifies the interaction for `notifications/elicitation/complete`; 2025-11-25 requires it.
            elicitation_id / with_elicitation_id: String = "elicitationId" until V2025_11_25;
            /// Asks for the request to become a task (2025-11-25).
            task / with_task: TaskMetadata = "task" until V2025_11_25;
            /// Metadata.
            meta / with_meta: Meta = "_meta" until V2025_11_25;
        }
    }
}

wire_enum! {
    /// What the user did.
    pub enum ElicitAction {
        /// Filled in the form, or agreed to open the URL.
        Accept = "accept",
        /// Said no.
        Decline = "decline",
        /// Went away without saying anything.
        Cancel = "cancel",
    }
}

wire_struct! {
    /// The answer to `elicitation/create` (schema `ElicitResult`).
    pub struct ElicitResult downgrade without_lists {
        required {
            /// What the user did.
            action: ElicitAction = "action";
        }
        optional {
            /// What the user filled in: strings, numbers, booleans and arrays of strings. Only with
            /// [`ElicitAction::Accept`] of a form.
            content / with_content: Object = "content";
            /// Metadata.
            meta / with_meta: Meta = "_meta" until V2025_11_25;
        }
    }
}

/// Before 2025-11-25 no field had several values.
fn without_lists(result: &ElicitResult, revision: Revision) -> Option<ElicitResult> {
    let content = result.content.as_ref()?;
    if revision >= Revision::V2025_11_25 || !content.iter().any(|(_, value)| value.is_array()) {
        return None;
    }
    let mut reduced = content.clone();
    reduced.retain(|_, value| !value.is_array());
    Some(ElicitResult {
        content: Some(reduced),
        ..result.clone()
    })
}

impl ElicitResult {
    /// The user filled in the form.
    #[must_use]
    pub fn accept(content: impl Into<Object>) -> Self {
        Self::new(ElicitAction::Accept).with_content(content)
    }

    /// The user said no.
    #[must_use]
    pub fn decline() -> Self {
        Self::new(ElicitAction::Decline)
    }

    /// The user went away.
    #[must_use]
    pub fn cancel() -> Self {
        Self::new(ElicitAction::Cancel)
    }
}

wire_struct! {
    /// Parameters of `notifications/elicitation/complete` (2025-11-25): what a URL was opened for is done.
    pub struct ElicitationCompleteNotificationParams {
        required {
            /// The interaction's id.
            elicitation_id: String = "elicitationId";
        }
        optional {
            /// Metadata.
            meta / with_meta: Meta = "_meta";
        }
    }
}

wire_struct! {
    /// `data` of the error -32042 (2025-11-25): the user has to go somewhere first (schema
    /// `URLElicitationRequiredError`).
    pub struct UrlElicitationRequiredData {
        required {
            /// Where to go, each with its id.
            elicitations: Vec<ElicitRequestUrlParams> = "elicitations";
        }
        optional {}
    }
}
