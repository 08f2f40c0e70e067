//! What a server offers at one moment: four immutable lists, each with its index, its fingerprint and its encoded pages.
//!
//! Owns lookup, order (that of registration) and the cached bytes of lists. Must never change in place: adding and removing make a
//! new [`Shelf`], and whoever still holds the old one goes on with it.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use mcp_types::{Json, Revision, to_vec};

use crate::auth::{InsufficientScope, Principal};
use crate::page::{Cursor, Fingerprint, ListKind};
use crate::prompt::Prompt;
use crate::resource::{Definition, ReadRequest, Resource};
use crate::schema::wrapped_output;
use crate::tool::Tool;

/// Something that is listed.
pub(crate) trait Entry: Clone {
    const KIND: ListKind;
    fn key(&self) -> &str;
    fn scopes(&self) -> &[String];
    /// Whether HTTP clients repeat some of its arguments in headers.
    fn is_mirrored(&self) -> bool {
        false
    }
    /// The definition for one revision.
    fn encode(&self, revision: Revision) -> Vec<u8>;
}

impl Entry for Tool {
    const KIND: ListKind = ListKind::Tools;

    fn key(&self) -> &str {
        self.name()
    }

    fn scopes(&self) -> &[String] {
        &self.inner.scopes
    }

    fn is_mirrored(&self) -> bool {
        self.inner.headers.is_some()
    }

    fn encode(&self, revision: Revision) -> Vec<u8> {
        let definition = &self.inner.definition;
        let mut adapted = None;
        if revision.is_legacy()
            && self.wraps()
            && let Some(output) = &self.inner.output
        {
            let wrapped = Json::from_serialize(&wrapped_output(output.schema().clone())).ok();
            adapted
                .get_or_insert_with(|| definition.clone())
                .output_schema = wrapped;
        }
        // Before titles had a place of their own they were an annotation.
        if revision == Revision::V2025_03_26 && definition.title.is_some() {
            let adapted = adapted.get_or_insert_with(|| definition.clone());
            let title = adapted.title.clone();
            adapted
                .annotations
                .get_or_insert_default()
                .title
                .get_or_insert_with(|| title.unwrap_or_default());
        }
        to_vec(adapted.as_ref().unwrap_or(definition), revision)
    }
}

impl Tool {
    /// Its output is no object, so revisions up to 2025-11-25 get it as `{"result": …}`.
    pub(crate) fn wraps(&self) -> bool {
        self.inner.output.as_ref().is_some_and(|output| {
            output
                .schema()
                .get("type")
                .is_none_or(|kind| kind != "object")
        })
    }
}

impl Entry for Prompt {
    const KIND: ListKind = ListKind::Prompts;

    fn key(&self) -> &str {
        self.name()
    }

    fn scopes(&self) -> &[String] {
        &self.inner.scopes
    }

    fn encode(&self, revision: Revision) -> Vec<u8> {
        to_vec(&self.inner.definition, revision)
    }
}

/// A resource with a URI of its own.
#[derive(Debug, Clone)]
pub(crate) struct Fixed(pub(crate) Resource);

/// A family of resources.
#[derive(Debug, Clone)]
pub(crate) struct Family(pub(crate) Resource);

impl Entry for Fixed {
    const KIND: ListKind = ListKind::Resources;

    fn key(&self) -> &str {
        self.0.uri()
    }

    fn scopes(&self) -> &[String] {
        &self.0.inner.scopes
    }

    fn encode(&self, revision: Revision) -> Vec<u8> {
        encode_resource(&self.0, revision)
    }
}

impl Entry for Family {
    const KIND: ListKind = ListKind::Templates;

    fn key(&self) -> &str {
        self.0.uri()
    }

    fn scopes(&self) -> &[String] {
        &self.0.inner.scopes
    }

    fn encode(&self, revision: Revision) -> Vec<u8> {
        encode_resource(&self.0, revision)
    }
}

fn encode_resource(resource: &Resource, revision: Revision) -> Vec<u8> {
    match &resource.inner.definition {
        Definition::Static(definition) => to_vec(definition, revision),
        Definition::Template(definition, _) => to_vec(definition, revision),
    }
}

/// Who looks at a list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Viewer<'a> {
    pub(crate) principal: Option<&'a Principal>,
    /// What callers without a principal may do.
    pub(crate) anonymous: &'a [String],
}

impl Viewer<'_> {
    pub(crate) fn may(&self, needed: &[String]) -> bool {
        let held = self
            .principal
            .map_or(self.anonymous, |principal| principal.scopes.as_slice());
        needed.iter().all(|scope| held.contains(scope))
    }
}

/// One list.
#[derive(Debug)]
pub(crate) struct Shelf<T> {
    entries: Vec<T>,
    /// Positions of the entries, by their keys.
    index: Vec<usize>,
    fingerprint: u64,
    /// Some entry is not for everybody, so the list depends on the caller.
    pub(crate) filtered: bool,
    /// Some entry has arguments that HTTP clients repeat in headers.
    pub(crate) mirrored: bool,
    /// By position of the revision in [`Revision::ALL`].
    encoded: [OnceLock<Encoded>; Revision::ALL.len()],
}

/// A list for one revision.
#[derive(Debug)]
struct Encoded {
    entries: Vec<Vec<u8>>,
    /// Whole result bodies; only of a list that everybody sees alike.
    pages: Vec<Bytes>,
}

/// A cursor that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadCursor;

impl<T: Entry> Shelf<T> {
    /// The names must be distinct; of two alike, the later wins the lookup.
    pub(crate) fn new(entries: Vec<T>) -> Self {
        let mut index: Vec<usize> = (0..entries.len()).rev().collect();
        // Of two alike, the later one stays before the other.
        index.sort_by_key(|position| entries[*position].key());
        index.dedup_by_key(|position| entries[*position].key());
        let mut fingerprint = Fingerprint::new();
        for entry in &entries {
            fingerprint.write(entry.key().as_bytes());
        }
        Self {
            filtered: entries.iter().any(|entry| !entry.scopes().is_empty()),
            mirrored: entries.iter().any(Entry::is_mirrored),
            fingerprint: fingerprint.finish(),
            index,
            entries,
            encoded: Default::default(),
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&T> {
        let found = self
            .index
            .binary_search_by(|position| self.entries[*position].key().cmp(key));
        found.ok().map(|at| &self.entries[self.index[at]])
    }

    pub(crate) fn entries(&self) -> &[T] {
        &self.entries
    }

    /// With one more; `None` if the name is taken.
    pub(crate) fn with(&self, entry: T) -> Option<Self> {
        if self.get(entry.key()).is_some() {
            return None;
        }
        Some(Self::new(
            self.entries.iter().cloned().chain([entry]).collect(),
        ))
    }

    /// With one less; `None` if there is no such name.
    pub(crate) fn without(&self, key: &str) -> Option<Self> {
        self.get(key).is_some().then(|| {
            Self::new(
                self.entries
                    .iter()
                    .filter(|entry| entry.key() != key)
                    .cloned()
                    .collect(),
            )
        })
    }

    /// One page as a result body: `{"tools":[…],"nextCursor":"…"}`.
    pub(crate) fn page(
        &self,
        cursor: Option<&str>,
        revision: Revision,
        viewer: Viewer<'_>,
        size: usize,
    ) -> Result<Bytes, BadCursor> {
        let audience = self.audience(viewer);
        let start = match cursor {
            None => 0,
            Some(text) => {
                let cursor =
                    Cursor::decode(text, T::KIND, self.fingerprint, audience).ok_or(BadCursor)?;
                cursor.position as usize
            }
        };
        if start > self.entries.len() {
            return Err(BadCursor);
        }
        let encoded = self.encoded(revision, size);
        if !self.filtered {
            return match encoded.pages.get(start / size) {
                Some(page) if start.is_multiple_of(size) => Ok(page.clone()),
                _ => Err(BadCursor),
            };
        }
        let visible = (start..self.entries.len())
            .filter(|position| viewer.may(self.entries[*position].scopes()));
        Ok(self.body(&encoded.entries, visible, size, audience))
    }

    /// 0 for a list that everybody sees alike; otherwise what tells callers apart.
    fn audience(&self, viewer: Viewer<'_>) -> u64 {
        if !self.filtered {
            return 0;
        }
        let mut fingerprint = Fingerprint::new();
        fingerprint.write(
            viewer
                .principal
                .map_or(&b""[..], |principal| principal.id.as_bytes()),
        );
        for entry in &self.entries {
            fingerprint.write(&[u8::from(viewer.may(entry.scopes()))]);
        }
        fingerprint.finish()
    }

    fn encoded(&self, revision: Revision, size: usize) -> &Encoded {
        let position = Revision::ALL
            .iter()
            .position(|own| *own == revision)
            .unwrap_or(Revision::ALL.len() - 1);
        self.encoded[position].get_or_init(|| {
            let entries: Vec<Vec<u8>> = self
                .entries
                .iter()
                .map(|entry| entry.encode(revision))
                .collect();
            let mut pages = Vec::new();
            if !self.filtered {
                let starts = (0..entries.len())
                    .step_by(size)
                    .chain(entries.is_empty().then_some(0));
                pages = starts
                    .map(|start| self.body(&entries, start..entries.len(), size, 0))
                    .collect();
            }
            Encoded { entries, pages }
        })
    }

    fn body(
        &self,
        encoded: &[Vec<u8>],
        positions: impl Iterator<Item = usize>,
        size: usize,
        audience: u64,
    ) -> Bytes {
        let mut body = format!("{{\"{}\":[", T::KIND.member()).into_bytes();
        let mut positions = positions;
        for (count, position) in positions.by_ref().take(size).enumerate() {
            if count > 0 {
                body.push(b',');
            }
            body.extend_from_slice(&encoded[position]);
        }
        body.push(b']');
        if let Some(next) = positions.next() {
            let cursor = Cursor {
                kind: T::KIND,
                generation: self.fingerprint,
                audience,
                position: u32::try_from(next).unwrap_or(u32::MAX),
            };
            body.extend_from_slice(b",\"nextCursor\":\"");
            body.extend_from_slice(cursor.encode().as_bytes());
            body.push(b'"');
        }
        body.push(b'}');
        Bytes::from(body)
    }
}

/// Everything that is offered at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Registry {
    pub(crate) tools: Arc<Shelf<Tool>>,
    pub(crate) resources: Arc<Shelf<Fixed>>,
    pub(crate) templates: Arc<Shelf<Family>>,
    pub(crate) prompts: Arc<Shelf<Prompt>>,
}

impl Registry {
    /// The resource that answers for a URI, and the request for it: a resource of that URI, else the template with the most
    /// literal text that matches, else the earlier one.
    pub(crate) fn find(&self, uri: &str, viewer: Viewer<'_>) -> Option<(&Resource, ReadRequest)> {
        self.responsible(uri, |resource| viewer.may(&resource.inner.scopes))
    }

    fn responsible(
        &self,
        uri: &str,
        may: impl Fn(&Resource) -> bool,
    ) -> Option<(&Resource, ReadRequest)> {
        if let Some(Fixed(resource)) = self.resources.get(uri) {
            return may(resource)
                .then(|| resource.request(uri).map(|request| (resource, request)))?;
        }
        let mut best: Option<(usize, &Resource, ReadRequest)> = None;
        for Family(resource) in self.templates.entries() {
            let Definition::Template(_, template) = &resource.inner.definition else {
                continue;
            };
            let literal = template.literal_len();
            if best.as_ref().is_some_and(|(length, ..)| *length >= literal) || !may(resource) {
                continue;
            }
            if let Some(request) = resource.request(uri) {
                best = Some((literal, resource, request));
            }
        }
        best.map(|(_, resource, request)| (resource, request))
    }

    /// What a caller needs to read a URI; `None` for one that nothing answers for.
    pub(crate) fn scopes_of(&self, uri: &str) -> Option<Vec<String>> {
        self.responsible(uri, |_| true)
            .map(|(resource, _)| resource.inner.scopes.clone())
    }

    /// Whether a viewer may hear that a resource has changed. What does not exist needs no scope.
    pub(crate) fn may_watch(&self, uri: &str, viewer: Viewer<'_>) -> Result<(), InsufficientScope> {
        let open = !self.resources.filtered && !self.templates.filtered;
        if open || self.find(uri, viewer).is_some() {
            return Ok(());
        }
        match self.scopes_of(uri) {
            Some(needed) if !viewer.may(&needed) => Err(InsufficientScope { needed }),
            _ => Ok(()),
        }
    }
}
