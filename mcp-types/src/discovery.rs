//! Discovery and caching hints (2026-07-28).

use alloc::string::String;
use alloc::vec::Vec;

use crate::capabilities::ServerCapabilities;
use crate::macros::wire_struct;
use crate::meta::Meta;
use crate::mrtr::ResultType;
use crate::revision::Revision;
use crate::wire::Wire;
use crate::writer::Writer;

/// Who may share a cached copy of a result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CacheScope {
    /// Only whoever made the request, under the same authorization. Also what an unknown scope is read as.
    #[default]
    Private,
    /// Anybody: the result says nothing about its reader.
    Public,
}

impl CacheScope {
    /// The value as it is written on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Public => "public",
        }
    }
}

impl Wire for CacheScope {
    fn write_at(&self, _: Revision, out: &mut Writer) {
        out.text(self.as_str());
    }
}

impl<'de> serde::Deserialize<'de> for CacheScope {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::decode::token(deserializer, "private or public", |text| {
            Some(if text == "public" {
                Self::Public
            } else {
                Self::Private
            })
        })
    }
}

wire_struct! {
    /// The answer to `server/discover` (schema `DiscoverResult`).
    pub struct DiscoverResult {
        required {
            /// The revisions that the server speaks.
            supported_versions: Vec<String> = "supportedVersions";
            /// What the server offers.
            capabilities: ServerCapabilities = "capabilities";
        }
        optional {
            /// How to use the server, for models.
            instructions / with_instructions: String = "instructions";
            /// What kind of result this is; the protocol core sets it.
            result_type / with_result_type: ResultType = "resultType";
            /// For how many milliseconds the result stays fresh.
            ttl_ms / with_ttl_ms: u64 = "ttlMs" via MaybeUnsigned;
            /// Who may share a cached copy.
            cache_scope / with_cache_scope: CacheScope = "cacheScope";
            /// Metadata.
            meta / with_meta: Meta = "_meta";
        }
    }
}
