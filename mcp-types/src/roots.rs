//! Roots: the places that a client lets a server work on.

use alloc::string::String;
use alloc::vec::Vec;

use crate::macros::wire_struct;
use crate::meta::Meta;

wire_struct! {
    /// A directory or file that a server may work on (schema `Root`).
    pub struct Root {
        required {
            /// A `file:` URI.
            uri: String = "uri";
        }
        optional {
            /// A name for people.
            name / with_name: String = "name";
            /// Metadata.
            meta / with_meta: Meta = "_meta" since V2025_06_18;
        }
    }
}

wire_struct! {
    /// Parameters of `roots/list`.
    pub struct ListRootsRequestParams {
        required {}
        optional {
            /// Metadata.
            meta / with_meta: Meta = "_meta";
        }
    }
}

wire_struct! {
    /// The answer to `roots/list` (schema `ListRootsResult`).
    pub struct ListRootsResult {
        required {
            /// The roots.
            roots: Vec<Root> = "roots";
        }
        optional {
            /// Metadata.
            meta / with_meta: Meta = "_meta" until V2025_11_25;
        }
    }
}
