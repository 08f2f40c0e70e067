//! Where the published schemas are.
//!
//! Owns finding and reading them. They are not part of this repository: `MCP_SPEC_DIR`, or `../shared/spec` beside it, has
//! one folder per revision with its `schema.json`.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, OnceLock};

use serde_json::Value;

/// The folder of schemas, if this machine has one. Says so once when it has not.
pub fn folder() -> Option<&'static Path> {
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    static TOLD: Once = Once::new();
    let folder = FOLDER.get_or_init(|| {
        let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/spec");
        let folder = std::env::var_os("MCP_SPEC_DIR").map_or(beside, PathBuf::from);
        folder
            .join("2026-07-28/schema.json")
            .is_file()
            .then_some(folder)
    });
    if folder.is_none() {
        TOLD.call_once(|| {
            // Directly, so that the test harness does not swallow it.
            let _ = writeln!(
                std::io::stderr(),
                "SKIPPED: no published schemas (MCP_SPEC_DIR): messages are only decoded, not validated"
            );
        });
    }
    folder.as_deref()
}

/// The published schema of a revision, read once.
pub(crate) fn schema(revision: &str) -> Option<&'static Value> {
    static SCHEMAS: OnceLock<Mutex<HashMap<String, &'static Value>>> = OnceLock::new();
    let folder = folder()?;
    let mut schemas = SCHEMAS
        .get_or_init(Mutex::default)
        .lock()
        .expect("no test panics while it reads a schema");
    if let Some(schema) = schemas.get(revision) {
        return Some(schema);
    }
    let path = folder.join(revision).join("schema.json");
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let schema: Value =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let schema: &'static Value = Box::leak(Box::new(schema));
    schemas.insert(revision.to_owned(), schema);
    Some(schema)
}

/// The definitions of a schema, wherever its dialect keeps them.
pub(crate) fn definitions(schema: &Value) -> (&'static str, &serde_json::Map<String, Value>) {
    for key in ["$defs", "definitions"] {
        if let Some(definitions) = schema[key].as_object() {
            return (key, definitions);
        }
    }
    panic!("a published schema without definitions");
}
