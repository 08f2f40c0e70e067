//! Requests as bytes.
//!
//! Owns putting a head together. Must never correct what a scenario wants to be wrong.

use serde_json::Value;

use crate::driver::messages::MODERN;

/// A request under construction.
#[derive(Debug, Clone)]
pub(in crate::driver) struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    /// A request with nothing but a good host.
    pub(in crate::driver) fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: vec![("host".to_owned(), "127.0.0.1".to_owned())],
            body: Vec::new(),
        }
    }

    /// A POST to the endpoint with what every good one has.
    pub(in crate::driver) fn post(body: impl Into<Vec<u8>>) -> Self {
        let mut request = Self::new("POST", "/mcp")
            .with("content-type", "application/json")
            .with("accept", "application/json, text/event-stream");
        request.body = body.into();
        request
    }

    /// A good request of the latest revision: the standard headers follow from the message.
    pub(in crate::driver) fn modern(message: &Value) -> Self {
        let mut request = Self::post(message.to_string()).with("mcp-protocol-version", MODERN);
        if let Some(method) = message["method"].as_str() {
            request = request.with("mcp-method", method);
        }
        let params = &message["params"];
        if let Some(name) = params["name"].as_str().or_else(|| params["uri"].as_str()) {
            request = request.with("mcp-name", name);
        }
        request
    }

    /// Sets a header.
    pub(in crate::driver) fn with(self, name: &str, value: &str) -> Self {
        self.without(name).and(name, value)
    }

    /// Adds a header beside one of the same name.
    pub(in crate::driver) fn and(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(in crate::driver) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self
    }

    /// Asks for another target.
    pub(in crate::driver) fn at(mut self, target: &str) -> Self {
        target.clone_into(&mut self.target);
        self
    }

    pub(in crate::driver) fn body(&self) -> &[u8] {
        &self.body
    }

    /// The head as it stands, with the empty line that ends it.
    pub(in crate::driver) fn head(&self) -> Vec<u8> {
        self.head_of("HTTP/1.1")
    }

    pub(in crate::driver) fn head_of(&self, version: &str) -> Vec<u8> {
        let mut head = format!("{} {} {version}\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        (head + "\r\n").into_bytes()
    }

    /// The whole request, with its length.
    pub(in crate::driver) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.sized().head();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// With a header for the length of its body, if it has one.
    pub(in crate::driver) fn sized(&self) -> Self {
        if self.body.is_empty() && self.method != "POST" {
            return self.clone();
        }
        let length = self.body.len().to_string();
        self.clone().with("content-length", &length)
    }

    /// The whole request, its body in chunks of `size` bytes.
    pub(in crate::driver) fn chunked(&self, size: usize) -> Vec<u8> {
        let mut bytes = self.clone().with("transfer-encoding", "chunked").head();
        for chunk in self.body.chunks(size) {
            bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        bytes
    }
}
