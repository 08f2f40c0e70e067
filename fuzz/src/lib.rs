//! The fuzz targets as functions of bytes.
//!
//! Owns what each target checks. A target must never be satisfied with "does not panic" where there is a second opinion:
//! serde_json, the `url` crate, a published event-stream parser, or the same rules written down a second time.
//!
//! `fuzz_targets/` holds one program a target; `tests/corpus.rs` runs every committed input without an engine.

mod base64_sentinel;
mod http1;
mod http_admit;
mod lines;
mod link_client;
mod link_server;
mod mirror;
mod pair;
mod param_headers;
mod scanner;
mod sealed;
mod sse;
mod types_decode;
mod uri_template;

// Private modules of the server, compiled a second time because nobody outside may call them.
#[allow(dead_code)]
#[path = "../../mcp-server/src/canonical.rs"]
mod canonical;
#[allow(dead_code)]
#[path = "../../mcp-server/src/journal.rs"]
mod journal;
#[allow(dead_code)]
#[path = "../../mcp-server/src/page.rs"]
mod page;
#[allow(dead_code)]
#[path = "../../mcp-server/src/template.rs"]
mod template;

pub use pair::mutate as mutate_pair;

/// A target: panics on a finding.
pub type Target = fn(&[u8]);

macro_rules! targets {
    ($($name:ident),* $(,)?) => {
        $(
            /// Runs the target of this name once.
            pub fn $name(data: &[u8]) {
                $name::run(data);
            }
        )*

        /// Every target with its name, which is that of its program and of its folder under `corpus/`.
        pub const TARGETS: &[(&str, Target)] = &[$((stringify!($name), $name)),*];
    };
}

targets! {
    base64_sentinel,
    http1,
    http_admit,
    lines,
    link_client,
    link_server,
    mirror,
    pair,
    param_headers,
    scanner,
    sealed,
    sse,
    types_decode,
    uri_template,
}
