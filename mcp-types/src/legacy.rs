//! The handshake of the revisions up to 2025-11-25.

use alloc::string::String;

use crate::capabilities::{ClientCapabilities, ServerCapabilities};
use crate::implementation::Implementation;
use crate::macros::wire_struct;
use crate::meta::Meta;

wire_struct! {
    /// Parameters of `initialize` (schema `InitializeRequestParams`).
    pub struct InitializeRequestParams {
        required {
            /// The newest revision that the client speaks; it may be one that this crate does not know.
            protocol_version: String = "protocolVersion";
            /// What the client can do.
            capabilities: ClientCapabilities = "capabilities";
            /// Who the client is.
            client_info: Implementation = "clientInfo";
        }
        optional {
            /// Metadata.
            meta / with_meta: Meta = "_meta";
        }
    }
}

wire_struct! {
    /// The answer to `initialize` (schema `InitializeResult`).
    pub struct InitializeResult {
        required {
            /// The revision that the server chose.
            protocol_version: String = "protocolVersion";
            /// What the server offers.
            capabilities: ServerCapabilities = "capabilities";
            /// Who the server is.
            server_info: Implementation = "serverInfo";
        }
        optional {
            /// How to use the server, for models.
            instructions / with_instructions: String = "instructions";
            /// Metadata.
            meta / with_meta: Meta = "_meta";
        }
    }
}
