//! What honest clients of an endpoint send, and how they go on with what came back.

use http::Request;
use serde_json::{Value, json};

use super::super::World;
use super::super::service::{plan, said};
use super::super::wire::nth;
use super::HttpLane;
use super::facts::{
    Errand, Expect, LEGACY, Minted, PRINCIPALS, Phase, Session, Validity, message, meta, modern,
    post,
};
use crate::failure::Checked;
use crate::mutation::Mutation;

impl HttpLane {
    pub(super) fn request(&mut self, world: &mut World, a: u32, b: u32) -> Checked {
        world.nonce += 1;
        let n = world.nonce;
        let principal = (b & 7) as usize % PRINCIPALS.len();
        let replica = ((b >> 3) & 1) as usize;
        let errand = Errand {
            id: n,
            n,
            plan: plan(b >> 9, a >> 8),
            tool: if a & 256 == 0 { "act" } else { "other" },
        };
        let legacy = self.sessions.len();
        match a % 32 {
            0..=9 => self.call(
                world,
                replica,
                principal,
                errand,
                &json!({}),
                Validity::Unknown,
            ),
            10 => self.simple(world, replica, principal, n, "tools/list"),
            11 => self.simple(world, replica, principal, n, "server/discover"),
            12..=14 => {
                let mut filter = json!({"toolsListChanged":a & 256 != 0});
                if a & 512 != 0 {
                    filter["resourceSubscriptions"] = json!(["a://1"]);
                }
                let params = json!({"notifications":filter,"_meta":meta(None)});
                let body = message(n, "subscriptions/listen", &params);
                let parts = modern("subscriptions/listen", None);
                self.begin(
                    world,
                    replica,
                    principal,
                    parts,
                    &body,
                    Expect::Listen { id: n },
                )
            }
            15..=17 => {
                let revision = LEGACY[(a >> 8) as usize % LEGACY.len()];
                let params = json!({"protocolVersion":revision,
                    "capabilities":{"elicitation":{},"roots":{}},
                    "clientInfo":{"name":"sim-client","version":"2"}});
                let expect = Expect::Session {
                    principal,
                    revision,
                };
                let body = message(n, "initialize", &params);
                self.begin(world, replica, principal, post(), &body, expect)
            }
            _ if legacy == 0 => Ok(()),
            18..=27 => {
                let session = (b >> 4) as usize % legacy;
                self.legacy_call(world, session, errand, b)
            }
            28..=30 => {
                let session = (b >> 4) as usize % legacy;
                self.listen(world, session, a & 256 == 0, b)
            }
            _ => {
                let session = (b >> 4) as usize % legacy;
                self.delete(world, session)
            }
        }
    }

    /// A modern call; `more` is what a retry brings.
    pub(super) fn call(
        &mut self,
        world: &mut World,
        replica: usize,
        principal: usize,
        errand: Errand,
        more: &Value,
        valid: Validity,
    ) -> Checked {
        let mut params = errand.params();
        params["_meta"] = meta(Some(errand.id));
        for (key, value) in more.as_object().into_iter().flatten() {
            params[key] = value.clone();
        }
        let parts = modern("tools/call", Some(errand.tool));
        let body = message(errand.id, "tools/call", &params);
        let expect = Expect::Call {
            errand,
            session: None,
            valid,
        };
        self.begin(world, replica, principal, parts, &body, expect)
    }

    pub(super) fn simple(
        &mut self,
        world: &mut World,
        replica: usize,
        principal: usize,
        id: u64,
        method: &str,
    ) -> Checked {
        let body = message(id, method, &json!({"_meta":meta(None)}));
        self.begin(
            world,
            replica,
            principal,
            modern(method, None),
            &body,
            Expect::Answer(id),
        )
    }

    pub(super) fn legacy_call(
        &mut self,
        world: &mut World,
        session: usize,
        errand: Errand,
        b: u32,
    ) -> Checked {
        let known = self.sessions[session].clone();
        let mut params = errand.params();
        params["_meta"] = json!({"progressToken":errand.id});
        let body = message(errand.id, "tools/call", &params);
        let expect = if self.is_forgotten(&known) {
            Expect::Foreign
        } else {
            self.needs = Some(session);
            Expect::Call {
                errand,
                session: Some(session),
                valid: Validity::Unknown,
            }
        };
        let replica = self.balanced(&known, b);
        self.begin(world, replica, known.principal, known.post(), &body, expect)
    }

    /// Where the balancer sends a request of that session.
    fn balanced(&self, session: &Session, b: u32) -> usize {
        if self.plant.is_shared() {
            ((b >> 3) & 1) as usize
        } else {
            session.replica
        }
    }

    /// Opens the stream of a session, or goes on where one broke off.
    pub(super) fn listen(
        &mut self,
        world: &mut World,
        session: usize,
        resume: bool,
        b: u32,
    ) -> Checked {
        let good = self.is_good(world, &self.sessions[session]);
        let forgotten = self.is_forgotten(&self.sessions[session]);
        let mut replica = self.balanced(&self.sessions[session], b);
        let known = &mut self.sessions[session];
        let lost = if resume { known.lost.pop() } else { None };
        let mut head = Request::get("http://localhost/mcp")
            .header("host", "localhost")
            .header("accept", "text/event-stream")
            .header("mcp-session-id", &known.id)
            .header("mcp-protocol-version", known.revision);
        if let Some(lost) = &lost {
            head = head.header("last-event-id", &lost.last);
            if b & 0x30 != 0 {
                replica = lost.replica;
            }
        }
        let rest = lost.map(|lost| lost.errand);
        let expect = if forgotten {
            Expect::Foreign
        } else if good {
            Expect::Stream { rest, session }
        } else {
            Expect::Anything
        };
        let principal = known.principal;
        self.begin(world, replica, principal, head, b"", expect)
    }

    pub(super) fn delete(&mut self, world: &mut World, session: usize) -> Checked {
        let known = self.sessions[session].clone();
        let head = Request::delete("http://localhost/mcp")
            .header("host", "localhost")
            .header("mcp-session-id", &known.id)
            .header("mcp-protocol-version", known.revision);
        if !self.plant.is_shared() {
            self.sessions[session].over = true;
        }
        let expect = Expect::Status(&[204, 404, 405, 503]);
        self.begin(world, known.replica, known.principal, head, b"", expect)
    }

    /// Whether a session must be accepted.
    pub(super) fn is_good(&self, world: &World, session: &Session) -> bool {
        let age = world.unix_ms.saturating_sub(session.minted);
        let known = !session.over && !self.is_forgotten(session);
        known && age + 1000 < self.session_ttl && world.unix_ms >= session.minted
    }

    /// A notification of a legacy client: a cancellation, mostly.
    pub(super) fn notify(&mut self, world: &mut World, a: u32, b: u32) -> Checked {
        let calls: Vec<usize> = (0..self.exchanges.len())
            .filter(|at| {
                matches!(
                    self.exchanges[*at].expect,
                    Expect::Call {
                        session: Some(_),
                        ..
                    }
                ) && self.exchanges[*at].phase != Phase::Body
            })
            .collect();
        let Some(at) = calls.get(a as usize % calls.len().max(1)).copied() else {
            return Ok(());
        };
        let Expect::Call {
            errand,
            session: Some(session),
            ..
        } = &self.exchanges[at].expect
        else {
            return Ok(());
        };
        let number = *session;
        let (errand, session) = (errand.clone(), self.sessions[number].clone());
        let body = json!({"jsonrpc":"2.0","method":"notifications/cancelled",
            "params":{"requestId":errand.id}});
        let finished = self.stage.has_finished(errand.n);
        let good = self.is_good(world, &session);
        self.needs = Some(number);
        let expect = Expect::Status(&[202, 503]);
        let right = self.exchanges[at].replica;
        let replica = if b & 0x70 == 0 {
            self.balanced(&session, b)
        } else {
            right
        };
        let body = body.to_string();
        self.begin(
            world,
            replica,
            session.principal,
            session.post(),
            body.as_bytes(),
            expect,
        )?;
        // Sent in one piece, so that it has been heard when this returns.
        if let Some(last) = self.exchanges.len().checked_sub(1) {
            while self.exchanges[last].phase == Phase::Body {
                self.feed_one(world, last, b)?;
            }
        }
        // Only a call that waits can be cancelled: others have nothing to be found by.
        // Nor has one beyond the bound of its session.
        let known = self.stage.peak() <= self.max_session_calls;
        if good
            && known
            && replica == right
            && !finished
            && self.stage.waiting().contains(&errand.n)
        {
            self.exchanges[at].cancelled = true;
        }
        Ok(())
    }

    /// Answers a question on a legacy stream, or repeats a modern call with the answers.
    pub(super) fn reply(&mut self, world: &mut World, a: u32, b: u32) -> Checked {
        if a & 1 == 0 {
            let Some(question) = self.questions.pop_front() else {
                return Ok(());
            };
            let session = self.sessions[question.session].clone();
            let body = if b & 15 == 0 {
                json!({"jsonrpc":"2.0","id":question.id,"error":{"code":-1,"message":"no"}})
            } else {
                json!({"jsonrpc":"2.0","id":question.id,"result":said(&question.params)})
            };
            self.needs = Some(question.session);
            let expect = Expect::Status(&[202, 503]);
            let replica = if b & 0xf0 == 0 {
                // Another replica takes it and knows no such question.
                self.balanced(&session, b)
            } else {
                question.replica
            };
            let body = body.to_string();
            return self.begin(
                world,
                replica,
                session.principal,
                session.post(),
                body.as_bytes(),
                expect,
            );
        }
        let Some(minted) = self.minted.pop_front() else {
            return Ok(());
        };
        let replica = if self.plant.is_shared() {
            (b & 1) as usize
        } else {
            minted.replica
        };
        self.retry(
            world,
            replica,
            minted.principal,
            &minted.errand.clone(),
            &minted,
        )?;
        if b & 6 == 0 {
            // A client may repeat itself.
            self.minted.push_back(minted);
        }
        Ok(())
    }

    pub(super) fn retry(
        &mut self,
        world: &mut World,
        replica: usize,
        principal: usize,
        errand: &Errand,
        minted: &Minted,
    ) -> Checked {
        world.nonce += 1;
        let more = json!({"requestState":minted.state,"inputResponses":minted.responses});
        let fits = principal == minted.principal
            && errand.tool == minted.errand.tool
            && (errand.n, &errand.plan) == (minted.errand.n, &minted.errand.plan)
            && (self.plant.is_shared() || self.replicas[replica].life == minted.life);
        let errand = Errand {
            id: world.nonce,
            ..errand.clone()
        };
        self.brings = Some((fits, minted.at));
        self.call(world, replica, principal, errand, &more, Validity::Unknown)
    }

    /// Whether a state has to be accepted now.
    pub(super) fn validity(&self, world: &World, fits: bool, minted: u64) -> Validity {
        let expires = minted.saturating_add(self.state_ttl);
        let lives = expires > world.unix_ms
            // From the future: somebody's clock is off.
            && expires <= world.unix_ms.saturating_add(self.state_ttl * 2);
        if fits && lives {
            Validity::Good
        } else {
            Validity::Bad
        }
    }

    /// Uses a session that is somebody else's, or another replica's.
    fn steal(&mut self, world: &mut World, a: u32, b: u32) -> Checked {
        let Some(known) = nth(self.sessions.iter(), a >> 1) else {
            return Ok(());
        };
        let (mut replica, mut principal) = (known.replica, known.principal);
        if self.plant.is_shared() || b & 1 == 0 {
            principal = (principal + 1 + (b >> 8) as usize % 2) % PRINCIPALS.len();
        } else {
            replica = 1 - replica;
        }
        if world.mutates(Mutation::MistakeIdentity) {
            (replica, principal) = (known.replica, known.principal);
        }
        let head = known.post();
        let body = message(u64::from(a), "tools/list", &json!({}));
        self.begin(world, replica, principal, head, &body, Expect::Foreign)
    }

    /// Uses a state, or a session, where it was not minted for.
    pub(super) fn misuse(&mut self, world: &mut World, a: u32, b: u32) -> Checked {
        if a & 1 == 0 {
            return self.steal(world, a, b);
        }
        let Some(minted) = self
            .minted
            .get(a as usize % self.minted.len().max(1))
            .cloned()
        else {
            return Ok(());
        };
        let (mut errand, mut stolen) = (minted.errand.clone(), minted.clone());
        let (mut replica, mut principal) = (minted.replica, minted.principal);
        match b % 6 {
            0 | 1 => principal = (principal + 1 + (b >> 8) as usize % 2) % PRINCIPALS.len(),
            2 => errand.tool = if errand.tool == "act" { "other" } else { "act" },
            3 => errand.n += 1,
            4 if !self.plant.is_shared() => replica = 1 - replica,
            _ => {
                let mut text = minted
                    .state
                    .as_str()
                    .unwrap_or_default()
                    .as_bytes()
                    .to_vec();
                let len = text.len().max(1);
                if let Some(byte) = text.get_mut((b >> 8) as usize % len) {
                    *byte = if *byte == b'A' { b'B' } else { b'A' };
                }
                stolen.state = json!(String::from_utf8_lossy(&text));
                // No errand fits a state that was changed.
                stolen.errand.plan.push('!');
            }
        }
        self.retry(world, replica, principal, &errand, &stolen)
    }
}
