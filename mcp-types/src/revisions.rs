//! What distinguishes each revision from the next newer one.
//!
//! One short file per revision, as data: for readers, for tools that report differences, and as the record that the
//! tests compare with each revision's `schema.json`, with the declarations beside the fields, and with what the encoder
//! emits. Nothing is encoded from these tables.
//!
//! Names are those of the schema, with two normalisations: parameters that older schemas define inline in `FooRequest`
//! are called `FooRequestParams`, and members of inline objects are written as paths, such as `roots.listChanged`.

mod v2024_11_05;
mod v2025_03_26;
mod v2025_06_18;
mod v2025_11_25;
mod v2026_07_28;

use crate::revision::Revision;

/// Members of one structure.
pub type Members = (&'static str, &'static [&'static str]);

/// How a revision differs from the next newer one. Read it as: going back to this revision, …
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Differences {
    /// The revision.
    pub revision: Revision,
    /// … these methods do not exist yet.
    pub lacks_methods: &'static [&'static str],
    /// … these structures and enumerations do not exist yet.
    pub lacks_types: &'static [&'static str],
    /// … these members do not exist yet, in structures that do.
    pub lacks_members: &'static [Members],
    /// … these methods still exist.
    pub keeps_methods: &'static [&'static str],
    /// … these structures and enumerations still exist.
    pub keeps_types: &'static [&'static str],
    /// … these members still exist.
    pub keeps_members: &'static [Members],
    /// … these structures have another name: here, and in the newer revision.
    pub renames: &'static [(&'static str, &'static str)],
    /// … these members, optional in the newer revision or absent from it, are required.
    pub requires: &'static [Members],
    /// … these members, required in the newer revision, are optional.
    pub relaxes: &'static [Members],
}

impl Differences {
    /// No difference; what the newest revision has.
    pub(crate) const fn none(revision: Revision) -> Self {
        Self {
            revision,
            lacks_methods: &[],
            lacks_types: &[],
            lacks_members: &[],
            keeps_methods: &[],
            keeps_types: &[],
            keeps_members: &[],
            renames: &[],
            requires: &[],
            relaxes: &[],
        }
    }
}

/// How a revision differs from the next newer one; nothing for the newest.
#[must_use]
pub const fn differences(revision: Revision) -> &'static Differences {
    match revision {
        Revision::V2024_11_05 => &v2024_11_05::DIFFERENCES,
        Revision::V2025_03_26 => &v2025_03_26::DIFFERENCES,
        Revision::V2025_06_18 => &v2025_06_18::DIFFERENCES,
        Revision::V2025_11_25 => &v2025_11_25::DIFFERENCES,
        Revision::V2026_07_28 => &v2026_07_28::DIFFERENCES,
    }
}

/// True if a method, request or notification, exists at a revision.
///
/// Methods of extensions are not in the schemas and hence not known here.
#[must_use]
pub fn has_method(revision: Revision, method: &str) -> bool {
    let mut exists = v2026_07_28::METHODS.contains(&method);
    let mut at = Revision::LATEST;
    for older in Revision::ALL.into_iter().rev().skip(1) {
        if at == revision {
            break;
        }
        let step = differences(older);
        exists = (exists && !step.lacks_methods.contains(&method))
            || step.keeps_methods.contains(&method);
        at = older;
    }
    exists
}
