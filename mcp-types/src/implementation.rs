//! Who a peer is, and icons.
//!
//! Self-reported, unverified, for display and logs: nothing here may decide about behaviour.

use alloc::string::String;
use alloc::vec::Vec;

use crate::macros::{open_enum, wire_struct};

wire_struct! {
    /// The name and version of an MCP implementation (schema `Implementation`).
    pub struct Implementation {
        required {
            /// A name for programs, such as `weather-server`.
            name: String = "name";
            /// The implementation's version, in no prescribed form.
            version: String = "version";
        }
        optional {
            /// A name for people.
            title / with_title: String = "title" since V2025_06_18;
            /// What the implementation does, in a sentence or two.
            description / with_description: String = "description" since V2025_11_25;
            /// Icons to display.
            icons / with_icons: Vec<Icon> = "icons" since V2025_11_25;
            /// Where people can read more.
            website_url / with_website_url: String = "websiteUrl" since V2025_11_25;
        }
    }
}

wire_struct! {
    /// An icon in one or more sizes (schema `Icon`).
    pub struct Icon {
        required {
            /// Where the image is: an `https:` or a `data:` URI. Consumers should take images only from trusted origins.
            src: String = "src";
        }
        optional {
            /// The media type, where the source does not tell it.
            mime_type / with_mime_type: String = "mimeType" since V2025_11_25;
            /// Sizes such as `48x48`, or `any` for scalable images.
            sizes / with_sizes: Vec<String> = "sizes" since V2025_11_25;
            /// The background for which the icon is drawn.
            theme / with_theme: IconTheme = "theme" since V2025_11_25;
        }
    }
}

open_enum! {
    /// The background for which an [`Icon`] is drawn.
    pub enum IconTheme {
        /// For a light background.
        Light = "light",
        /// For a dark background.
        Dark = "dark",
    }
}
