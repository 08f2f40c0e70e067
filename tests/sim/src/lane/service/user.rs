//! The client's side of the lane: what is called, who answers questions, and what an answer must say.

use serde_json::{Value, json};

use super::super::World;
use super::super::client::{Pending, Question};
use super::ServiceLane;
use crate::failure::{Checked, require};
use crate::model::client::Outcome;
use crate::mutation::Mutation;
use crate::stage::is_said_for;
/// A call of a tool.
#[derive(Clone, Debug)]
pub(super) struct Errand {
    pub(super) n: u64,
    pub(super) plan: String,
    pub(super) tool: &'static str,
}

impl Errand {
    pub(super) fn params(&self) -> Value {
        json!({"name":self.tool,"arguments":{"n":self.n,"plan":self.plan}})
    }
}

impl ServiceLane {
    pub(super) fn request(&mut self, world: &mut World, a: u32, b: u32) -> Checked {
        world.nonce += 1;
        let nonce = world.nonce;
        let modern = self.client.revision.is_modern();
        // Only an honest client that shook hands can expect anything.
        let (method, params) = match a % 24 {
            0..=15 => {
                let errand = Errand {
                    n: nonce,
                    plan: plan(b >> 9, a >> 8),
                    tool: if a & 256 == 0 { "act" } else { "other" },
                };
                let params = errand.params();
                self.errands.insert(nonce, errand);
                ("tools/call", params)
            }
            16 => ("tools/list", json!({})),
            17 => ("resources/read", json!({"uri":"a://1"})),
            18 => ("tools/call", json!({"name":"none","arguments":{}})),
            19..=21 if modern => {
                let mut filter = json!({"toolsListChanged":a & 256 != 0});
                if a & 512 != 0 {
                    filter["resourceSubscriptions"] = json!(["a://1"]);
                }
                ("subscriptions/listen", json!({"notifications":filter}))
            }
            19 | 20 => (
                "initialize",
                json!({"protocolVersion":self.client.revision.as_str(),
                    "capabilities":{"elicitation":{},"roots":{}},
                    "clientInfo":{"name":"sim-client","version":"2"}}),
            ),
            21 => ("resources/subscribe", json!({"uri":"a://1"})),
            22 => ("nope", json!({})),
            _ => ("tools/list", json!({"cursor":"x"})),
        };
        self.client.request(world, method, &params, nonce, b)
    }

    /// Answers a question of a legacy server, or repeats a modern call with the answers.
    pub(super) fn reply(&mut self, world: &mut World, a: u32, b: u32) -> Checked {
        if let Some((errand, more)) = self.retries.pop_front() {
            if b & 15 == 0 {
                // The user went away.
                return Ok(());
            }
            world.nonce += 1;
            let nonce = world.nonce;
            let mut params = errand.params();
            params["requestState"] = more["requestState"].clone();
            params["inputResponses"] = more["inputResponses"].clone();
            self.errands.insert(nonce, errand);
            return self.client.request(world, "tools/call", &params, nonce, b);
        }
        self.client.reply(world, a, b, answer)
    }

    pub(super) fn ended(
        &mut self,
        world: &World,
        token: u64,
        pending: &Pending,
        outcome: Outcome,
    ) -> Checked {
        let honest = self.between.is_honest();
        let errand = self.errands.remove(&token);
        require!(
            !honest || outcome != Outcome::Invalid,
            HonestPeersAgree,
            "an honest answer to {} is invalid",
            pending.method
        );
        let Some(errand) = errand.filter(|_| self.between.clean) else {
            return Ok(());
        };
        match outcome {
            Outcome::Complete(mut result) => {
                if world.mutates(Mutation::CrossTalk) {
                    result["content"][0]["text"] = json!(format!("{}:", errand.n + 1));
                }
                let text = result["content"][0]["text"].as_str().unwrap_or_default();
                let said = if result["isError"] == true {
                    // The client refused, the handler failed, or the revision has no questions.
                    errand.plan.contains(['f', 'e', '2', 'x'])
                } else {
                    is_said_for(text, errand.n)
                };
                require!(said, NoCrossTalk, "{errand:?} was answered with {result}");
            }
            Outcome::InputRequired(result) => {
                require!(
                    errand.plan.contains(['e', '2']),
                    NoCrossTalk,
                    "{errand:?} asks nothing: {result}"
                );
                let mut responses = json!({});
                for (key, request) in result["inputRequests"].as_object().into_iter().flatten() {
                    responses[key] = said(&request["params"]);
                }
                let more = json!({"requestState":result["requestState"],
                    "inputResponses":responses});
                self.retries.push_back((errand, more));
            }
            _ => {}
        }
        Ok(())
    }
}

/// What a handler does.
#[must_use]
pub fn plan(mut chance: u32, seed: u32) -> String {
    const STEPS: &[u8] = b"ppplwweee2cuxfbk";
    chance ^= seed.rotate_left(16);
    let mut plan = String::new();
    while plan.len() < 6 && !chance.is_multiple_of(8) {
        plan.push(char::from(STEPS[(chance >> 3) as usize % STEPS.len()]));
        chance = chance.rotate_right(7);
        chance = chance.wrapping_mul(0x9e37_79b1);
    }
    plan
}

/// What the user says to a form: what it asks to repeat.
#[must_use]
pub fn said(params: &Value) -> Value {
    json!({"action":"accept","content":{"answer":params["message"]}})
}

fn answer(question: &Question) -> Value {
    let params: Value = serde_json::from_str(&question.params).unwrap_or_default();
    match question.method.as_str() {
        "elicitation/create" => said(&params),
        _ => json!({"roots":[]}),
    }
}
