//! What readers of resources return, and what becomes of it.
//!
//! Owns the conversion of return values into the contents of a read. Must never make empty contents of something that does
//! not exist.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use mcp_types::{Json, ReadResourceResult, ResourceContents};
use serde::Serialize;

use crate::resource::ReadRequest;
use crate::result::HandlerError;

/// Return types of resource readers.
///
/// Text (`String`, `&'static str`), bytes (`Vec<u8>`, `Bytes`), [`AsJson`], one or several `ResourceContents`, a whole
/// `ReadResourceResult`; `Option` of any of these, where `None` means that there is no such resource.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the contents of a resource",
    note = "return text, bytes, `AsJson(value)`, `ResourceContents`, a `ReadResourceResult`, or an `Option` of one of these"
)]
pub trait IntoContents {
    /// The result for this request.
    ///
    /// # Errors
    /// When there is no such resource, or its contents cannot be written.
    fn into_contents(self, request: &ReadRequest) -> Result<ReadResourceResult, HandlerError>;
}

/// A value to be sent as JSON text.
#[derive(Debug, Clone, Copy)]
pub struct AsJson<T>(pub T);

fn one(contents: ResourceContents, request: &ReadRequest, default: &str) -> ReadResourceResult {
    let mime_type = request.mime_type.as_deref().unwrap_or(default);
    ReadResourceResult::new(vec![contents.with_mime_type(mime_type)])
}

impl IntoContents for String {
    fn into_contents(self, request: &ReadRequest) -> Result<ReadResourceResult, HandlerError> {
        Ok(one(
            ResourceContents::text(request.uri(), self),
            request,
            "text/plain",
        ))
    }
}

impl IntoContents for &'static str {
    fn into_contents(self, request: &ReadRequest) -> Result<ReadResourceResult, HandlerError> {
        self.to_owned().into_contents(request)
    }
}

impl IntoContents for Vec<u8> {
    fn into_contents(self, request: &ReadRequest) -> Result<ReadResourceResult, HandlerError> {
        let blob = ResourceContents::blob(request.uri(), STANDARD.encode(self));
        Ok(one(blob, request, "application/octet-stream"))
    }
}

impl IntoContents for Bytes {
    fn into_contents(self, request: &ReadRequest) -> Result<ReadResourceResult, HandlerError> {
        let blob = ResourceContents::blob(request.uri(), STANDARD.encode(self));
        Ok(one(blob, request, "application/octet-stream"))
    }
}

impl<T: Serialize> IntoContents for AsJson<T> {
    fn into_contents(self, request: &ReadRequest) -> Result<ReadResourceResult, HandlerError> {
        let json = Json::from_serialize(&self.0)?;
        Ok(one(
            ResourceContents::text(request.uri(), json.into_string()),
            request,
            "application/json",
        ))
    }
}

impl IntoContents for ResourceContents {
    fn into_contents(self, _: &ReadRequest) -> Result<ReadResourceResult, HandlerError> {
        Ok(ReadResourceResult::new(vec![self]))
    }
}

impl IntoContents for Vec<ResourceContents> {
    fn into_contents(self, _: &ReadRequest) -> Result<ReadResourceResult, HandlerError> {
        Ok(ReadResourceResult::new(self))
    }
}

impl IntoContents for ReadResourceResult {
    fn into_contents(self, _: &ReadRequest) -> Result<ReadResourceResult, HandlerError> {
        Ok(self)
    }
}

impl<T: IntoContents> IntoContents for Option<T> {
    fn into_contents(self, request: &ReadRequest) -> Result<ReadResourceResult, HandlerError> {
        self.ok_or_else(HandlerError::not_found)?
            .into_contents(request)
    }
}
