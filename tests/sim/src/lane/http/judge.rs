//! Judges every message of a response against what its request asked for.

use serde_json::{Value, json};

use super::super::World;
use super::super::service::said;
use super::super::watch::{allows, shown};
use super::HttpLane;
use super::facts::{Errand, Expect, Minted, Question, Validity};
use crate::failure::{Checked, require};
use crate::mutation::Mutation;
use crate::stage::is_said_for;

impl HttpLane {
    /// One message of a response, on a stream or alone.
    pub(super) fn message(&mut self, world: &World, index: usize, message: &Value) -> Checked {
        let answer = message.get("method").is_none();
        match world.mutation {
            None => self.judge(world, index, message),
            Some(Mutation::SwallowEnding) if answer => Ok(()),
            Some(Mutation::DuplicateEnding) if answer => {
                self.judge(world, index, message)?;
                self.judge(world, index, message)
            }
            Some(Mutation::CrossTalk) if answer => {
                let mut other = message.clone();
                other["id"] = json!(0);
                self.judge(world, index, &other)
            }
            Some(_) => {
                let shown = shown(world, message);
                shown.iter().try_for_each(|m| self.judge(world, index, m))
            }
        }
    }

    fn judge(&mut self, world: &World, index: usize, message: &Value) -> Checked {
        let exchange = &mut self.exchanges[index];
        let method = message["method"].as_str().unwrap_or_default().to_owned();
        require!(
            !exchange.answered,
            EndsExactlyOnce,
            "something follows the answer: {message}"
        );
        match exchange.expect.clone() {
            Expect::Call {
                errand,
                session,
                valid,
            } => {
                if method.is_empty() {
                    return self.call_answered(world, index, &errand, session, valid, message);
                }
                self.call_said(index, &errand, session, &method, message)
            }
            Expect::Stream { .. } if exchange.status != 200 => {
                require!(
                    message["error"].is_object(),
                    WellFormed,
                    "a stream was refused with {message}"
                );
                Ok(())
            }
            Expect::Stream { rest, session } => {
                let general = method.ends_with("/list_changed") || method.ends_with("/updated");
                // What cannot be resumed any more is the session's own stream, and nothing but that.
                let known = *exchange.general.get_or_insert(general);
                require!(
                    known == general || rest.is_none(),
                    NoCrossTalk,
                    "a stream has events of another: {message}"
                );
                if let Some(errand) = rest.as_ref().filter(|_| !general) {
                    if method.is_empty() {
                        let valid = Validity::Unknown;
                        return self.call_answered(world, index, errand, None, valid, message);
                    }
                    return self.call_said(index, errand, Some(session), &method, message);
                }
                require!(
                    method.starts_with("notifications/"),
                    NoCrossTalk,
                    "the stream of a session has {message}"
                );
                Ok(())
            }
            Expect::Listen { id } => self.listen_said(index, id, &method, message),
            Expect::Answer(id) => {
                exchange.answered = true;
                require!(
                    message["id"] == json!(id),
                    NoCrossTalk,
                    "request {id} was answered with {message}"
                );
                Ok(())
            }
            Expect::Session { .. } | Expect::Status(_) | Expect::Foreign | Expect::Anything => {
                exchange.answered = method.is_empty() && !exchange.stream;
                Ok(())
            }
        }
    }

    pub(super) fn listen_said(
        &mut self,
        index: usize,
        id: u64,
        method: &str,
        message: &Value,
    ) -> Checked {
        let exchange = &mut self.exchanges[index];
        if method.is_empty() {
            exchange.answered = true;
            require!(
                message["id"] == json!(id),
                NoCrossTalk,
                "subscription {id} ended with {message}"
            );
            return Ok(());
        }
        let tag = &message["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"];
        require!(
            *tag == json!(id),
            NoCrossTalk,
            "subscription {id} was told {message}"
        );
        if method == "notifications/subscriptions/acknowledged" {
            let granted = message["params"]["notifications"].clone();
            let twice = exchange.acknowledged.replace(granted).is_some();
            require!(!twice, AckFirst, "acknowledged twice: {message}");
            return Ok(());
        }
        let Some(granted) = &exchange.acknowledged else {
            require!(false, AckFirst, "no acknowledgment before {message}");
            return Ok(());
        };
        require!(
            allows(granted, message),
            OnlyGranted,
            "granted {granted}, sent {message}"
        );
        Ok(())
    }

    /// What a call says before its answer.
    pub(super) fn call_said(
        &mut self,
        index: usize,
        errand: &Errand,
        session: Option<usize>,
        method: &str,
        message: &Value,
    ) -> Checked {
        let exchange = &mut self.exchanges[index];
        match method {
            "notifications/progress" => {
                require!(
                    message["params"]["progressToken"] == json!(errand.id),
                    NoCrossTalk,
                    "call {} is told {message}",
                    errand.id
                );
                let value = message["params"]["progress"].as_f64().unwrap_or(f64::NAN);
                let last = exchange.progress.replace(value);
                require!(
                    !value.is_nan() && last.is_none_or(|last| value > last),
                    ProgressIncreases,
                    "{last:?} is followed by {message}"
                );
            }
            "notifications/message" => {
                let n = &message["params"]["data"]["n"];
                require!(
                    *n == json!(errand.n),
                    NoCrossTalk,
                    "call {} is told {message}",
                    errand.n
                );
            }
            "notifications/cancelled" => {
                require!(
                    session.is_some(),
                    NoCrossTalk,
                    "a modern stream has {message}"
                );
            }
            "elicitation/create" => {
                let Some(session) = session else {
                    require!(
                        false,
                        NoCrossTalk,
                        "a modern stream has the request {message}"
                    );
                    return Ok(());
                };
                let text = message["params"]["message"].as_str().unwrap_or_default();
                require!(
                    text.starts_with(&format!("{}/", errand.n)),
                    NoCrossTalk,
                    "call {} is asked {message}",
                    errand.n
                );
                let question = Question {
                    session,
                    replica: exchange.replica,
                    id: message["id"].clone(),
                    params: message["params"].clone(),
                };
                self.questions.push_back(question);
                if self.questions.len() > 32 {
                    self.questions.pop_front();
                }
            }
            _ => require!(false, NoCrossTalk, "the stream of a call has {message}"),
        }
        Ok(())
    }

    pub(super) fn call_answered(
        &mut self,
        world: &World,
        index: usize,
        errand: &Errand,
        session: Option<usize>,
        valid: Validity,
        message: &Value,
    ) -> Checked {
        let exchange = &mut self.exchanges[index];
        exchange.answered = true;
        require!(
            !exchange.cancelled,
            SilentAfterCancel,
            "the cancelled call {} was answered: {message}",
            errand.id
        );
        require!(
            message["id"] == json!(errand.id),
            NoCrossTalk,
            "call {} was answered with {message}",
            errand.id
        );
        let overloaded = exchange.status == 503 || message["error"]["code"] == json!(-32603);
        if let Some(error) = message.get("error") {
            let refused = error["code"] == json!(-32602);
            require!(
                valid != Validity::Good || !refused,
                JournalBound,
                "a good state was refused: {message}"
            );
            require!(
                valid != Validity::Bad || refused || overloaded,
                JournalBound,
                "a state that is none was answered with {message}"
            );
            require!(
                refused || overloaded || session.is_some() || error["code"] == json!(-32021),
                WellFormed,
                "{errand:?} failed with {message}"
            );
            return Ok(());
        }
        let result = &message["result"];
        require!(
            valid != Validity::Bad,
            JournalBound,
            "a state was accepted where it was not minted for: {message}"
        );
        if result["resultType"] == "input_required" {
            require!(
                errand.plan.contains(['e', '2']),
                NoCrossTalk,
                "{errand:?} asks nothing: {message}"
            );
            let mut responses = json!({});
            for (key, request) in result["inputRequests"].as_object().into_iter().flatten() {
                responses[key] = said(&request["params"]);
            }
            let minted = Minted {
                state: result["requestState"].clone(),
                responses,
                replica: exchange.replica,
                principal: exchange.principal,
                errand: errand.clone(),
                at: world.unix_ms,
                life: self.replicas[exchange.replica].life,
            };
            self.minted.push_back(minted);
            if self.minted.len() > 16 {
                self.minted.pop_front();
            }
            return Ok(());
        }
        let text = result["content"][0]["text"].as_str().unwrap_or_default();
        let fine = if result["isError"] == true {
            errand.plan.contains(['f', 'e', '2', 'x'])
        } else {
            is_said_for(text, errand.n)
        };
        require!(fine, NoCrossTalk, "{errand:?} was answered with {message}");
        Ok(())
    }
}
