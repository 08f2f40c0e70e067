//! Heads and bodies that are no requests.

use http::{Method, Request, request};
use serde_json::json;

use super::super::World;
use super::HttpLane;
use super::facts::{Expect, PRINCIPALS, message, meta, modern};
use crate::failure::Checked;

impl HttpLane {
    /// Heads and bodies that are no requests.
    pub(super) fn lie(&mut self, world: &mut World, a: u32, b: u32) -> Checked {
        if !self.hostile {
            return Ok(());
        }
        let replica = (b & 1) as usize;
        let principal = (b >> 1) as usize % PRINCIPALS.len();
        let good = message(u64::from(a % 7), "tools/list", &json!({"_meta":meta(None)}));
        let session = self
            .sessions
            .get((b >> 4) as usize % self.sessions.len().max(1));
        let session = session.map_or_else(|| "x".repeat(20), |session| session.id.clone());
        let bare = || {
            Request::post("http://localhost/mcp")
                .header("host", "localhost")
                .header("accept", "application/json, text/event-stream")
        };
        let json = || bare().header("content-type", "application/json");
        let (head, body, expect): (request::Builder, Vec<u8>, Expect) = match a % 18 {
            0 => (bare(), good, Expect::Status(&[415])),
            1 => (bare().header("content-type", "text/plain"), good, Expect::Status(&[415])),
            2 => (json().header("host", "evil.example"), good, Expect::Status(&[403])),
            3 => (json().header("origin", "http://evil.example"), good, Expect::Status(&[403])),
            4 => (json().method(Method::PUT), good, Expect::Status(&[405])),
            5 => (json().header("content-length", "99999999999"), good, Expect::Status(&[413])),
            6 => (json().header("content-length", "x"), good, Expect::Status(&[400])),
            7 => (json(), b"{".to_vec(), Expect::Status(&[400])),
            8 => (modern("tools/call", None), good, Expect::Status(&[400, 503])),
            9 => (
                json().header("mcp-protocol-version", "2099-01-01").header("mcp-method", "tools/list"),
                good,
                Expect::Status(&[400, 503]),
            ),
            10 => (
                json().header("mcp-session-id", session.replace('A', "B")),
                message(1, "tools/list", &json!({})),
                Expect::Anything,
            ),
            11 => (
                json().header("mcp-session-id", "é"),
                message(1, "tools/list", &json!({})),
                Expect::Status(&[400, 404, 503]),
            ),
            12 => (json(), message(1, "tools/list", &json!({})), Expect::Status(&[400, 503])),
            13 => (json(), b"[]".to_vec(), Expect::Anything),
            14 => (
                modern("nope", None),
                message(1, "nope", &json!({"_meta":meta(None)})),
                Expect::Status(&[404, 503]),
            ),
            15 => (
                json().header("mcp-session-id", session),
                b"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"},7,{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/list\"}]".to_vec(),
                Expect::Anything,
            ),
            16 => (
                json().header("mcp-session-id", session),
                message(u64::from(b % 5), "resources/subscribe", &json!({"uri":"a://1"})),
                Expect::Anything,
            ),
            _ => (
                Request::get("http://localhost/mcp")
                    .header("host", "localhost")
                    .header("accept", "text/event-stream")
                    .header("last-event-id", "0-0-0"),
                Vec::new(),
                Expect::Status(&[400, 405, 503]),
            ),
        };
        self.begin(world, replica, principal, head, &body, expect)
    }
}
