//! Asking the user: by a form from a Rust struct, by a form as given, or by sending them to a URL.
//!
//! Owns what may be asked of which client, and the typed answer. Must never use a form for secrets: that is
//! what URLs are for (2026-07-28, client/elicitation).

use mcp_proto::context::ClientFeatures;
use mcp_proto::error::{self, WireError};
use mcp_types::{
    ElicitAction, ElicitRequestFormParams, ElicitRequestUrlParams, Json, Object, RequestedSchema,
    Revision, UrlElicitationRequiredData, Wire, describe, to_json,
};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::ask::{Ask, AskError, Question};
use crate::context::Context;
use crate::journal::{self, Kind};
use crate::once::idempotency_key;
use crate::{HandlerError, UrlInteraction, form, formats};

/// What the user did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elicited<T> {
    /// Filled in the form, or agreed to open the URL.
    Accepted(T),
    /// Said no.
    Declined,
    /// Went away without saying anything.
    Cancelled,
}

impl<T> Elicited<T> {
    /// What was filled in, if it was.
    pub fn accepted(self) -> Option<T> {
        match self {
            Self::Accepted(value) => Some(value),
            Self::Declined | Self::Cancelled => None,
        }
    }
}

impl Context {
    /// Asks the user to fill in a form, one field for each field of `T`.
    ///
    /// A form is flat: texts (with the formats email, uri, date, date-time), numbers, `bool`, enums without
    /// data, and lists of such enums. Doc comments become descriptions, those of an enum's variants the
    /// titles of the options. `Option` makes a field optional; so does `#[serde(default)]`, whose value is
    /// filled in at first. The answer is checked against all of that before it becomes a `T`.
    ///
    /// `key` names the question within the call and must be the same in every run of the handler. Never ask
    /// for passwords, keys or other secrets: that is what [`elicit_url`](Self::elicit_url) is for.
    ///
    /// # Errors
    /// [`AskError`]: among others when the client cannot show forms, or when `T` is no form; the latter names
    /// the field.
    pub async fn elicit<T>(
        &self,
        key: &str,
        message: impl Into<String>,
    ) -> Result<Elicited<T>, AskError>
    where
        T: JsonSchema + DeserializeOwned,
    {
        let form = form::derive::<T>().map_err(AskError::Question)?;
        let answer = self
            .ask_form(key, ElicitRequestFormParams::new(message.into(), form))
            .await?;
        match answer {
            Elicited::Accepted(content) => match Json::from(content).decode() {
                Ok(value) => Ok(Elicited::Accepted(value)),
                Err(problem) => Err(AskError::Answer {
                    key: key.to_owned(),
                    problem: describe(&problem),
                }),
            },
            Elicited::Declined => Ok(Elicited::Declined),
            Elicited::Cancelled => Ok(Elicited::Cancelled),
        }
    }

    /// Asks the user to fill in a form that is given as it goes out.
    ///
    /// # Errors
    /// [`AskError`], as for [`elicit`](Self::elicit).
    pub async fn elicit_schema(
        &self,
        key: &str,
        params: ElicitRequestFormParams,
    ) -> Result<Elicited<Object>, AskError> {
        form::check_form(&params.requested_schema).map_err(AskError::Question)?;
        self.ask_form(key, params).await
    }

    async fn ask_form(
        &self,
        key: &str,
        params: ElicitRequestFormParams,
    ) -> Result<Elicited<Object>, AskError> {
        self.require(
            ClientFeatures::ELICITATION_FORM,
            "a form",
            Revision::V2025_06_18,
        )?;
        let revision = self.revision();
        let form = &params.requested_schema;
        for name in form.required.iter().flatten() {
            if form
                .properties
                .get(name)
                .is_some_and(|field| !field.present_at(revision))
            {
                return Err(AskError::TooOld {
                    what: "a choice of several",
                    since: Revision::V2025_11_25,
                });
            }
        }
        let schema = to_json(form, revision);
        let question = Question {
            key,
            kind: Kind::Form,
            digest: journal::digest(&[schema.as_str()]),
            method: "elicitation/create",
            params: to_json(&params, revision),
            check: check_form(form.clone()),
        };
        let raw = Ask::new(self, question).await?;
        let raw = core::str::from_utf8(&raw).unwrap_or_default();
        elicited(key, form::read(form, raw))
    }

    /// Asks the user to open a URL, for what must not pass through the client: credentials, payments,
    /// third-party authorization. `Accepted` means that the user agreed, not that anything is done there.
    ///
    /// The URL must not be pre-authenticated and must hold nothing personal. On 2025-11-25 the interaction has
    /// an id and an end that the client can be told of: [`url_interaction`](Self::url_interaction).
    ///
    /// # Errors
    /// [`AskError`]: among others when the client cannot open URLs, or `url` is none.
    pub async fn elicit_url(
        &self,
        key: &str,
        message: impl Into<String>,
        url: impl Into<String>,
    ) -> Result<Elicited<()>, AskError> {
        self.require(
            ClientFeatures::ELICITATION_URL,
            "a URL to open",
            Revision::V2025_11_25,
        )?;
        let params = self.url_params(key, message.into(), url.into())?;
        let question = Question {
            key,
            kind: Kind::Url,
            // The URL may hold a fresh token in every run.
            digest: 0,
            method: "elicitation/create",
            params: to_json(&params, self.revision()),
            check: Box::new(|raw| form::read_action(raw).map(drop)),
        };
        let raw = Ask::new(self, question).await?;
        let answer = form::read_action(core::str::from_utf8(&raw).unwrap_or_default());
        elicited(key, answer.map(|answer| (answer.action, ())))
    }

    /// Makes sure that the user was sent to a URL before the call goes on; for servers that keep the outcome
    /// of the interaction themselves and look there first.
    ///
    /// On 2026-07-28 this asks and returns when the user has agreed. On 2025-11-25 it returns the error -32042,
    /// to be returned by the handler: the client repeats the call when the interaction is done, and may be
    /// told so by [`UrlInteraction::complete`].
    ///
    /// # Errors
    /// -32042 as above; [`AskError`] as for [`elicit_url`](Self::elicit_url); a message when the user refused.
    pub async fn require_url(
        &self,
        key: &str,
        message: impl Into<String>,
        url: impl Into<String>,
    ) -> Result<(), HandlerError> {
        if self.revision() == Revision::V2025_11_25 {
            self.require(
                ClientFeatures::ELICITATION_URL,
                "a URL to open",
                Revision::V2025_11_25,
            )?;
            let params = self.url_params(key, message.into(), url.into())?;
            return Err(HandlerError::protocol(url_elicitation_required(vec![
                params,
            ])));
        }
        match self.elicit_url(key, message, url).await? {
            Elicited::Accepted(()) => Ok(()),
            Elicited::Declined => Err(HandlerError::new("the user declined to open the URL")),
            Elicited::Cancelled => Err(HandlerError::new("the user did not open the URL")),
        }
    }

    fn url_params(
        &self,
        key: &str,
        message: String,
        url: String,
    ) -> Result<ElicitRequestUrlParams, AskError> {
        if !formats::is_uri(&url) {
            return Err(AskError::Question(format!(
                "`{url}` is not an absolute URL"
            )));
        }
        Ok(ElicitRequestUrlParams::new(message, url).with_elicitation_id(self.elicitation_id(key)))
    }

    /// The interaction that [`elicit_url`](Self::elicit_url) or [`require_url`](Self::require_url) with this key sends the user
    /// to: its id, to be part of the URL, and the way to tell the client when it is done, even after the call.
    #[must_use]
    pub fn url_interaction(&self, key: &str) -> UrlInteraction {
        UrlInteraction::new(self.elicitation_id(key), &self.inner)
    }

    fn elicitation_id(&self, key: &str) -> String {
        idempotency_key(self.current_chain(), key)
    }

    /// Whether the client can be asked for this at all.
    pub(crate) fn require(
        &self,
        feature: ClientFeatures,
        what: &'static str,
        since: Revision,
    ) -> Result<(), AskError> {
        if self.revision() < since {
            return Err(AskError::TooOld { what, since });
        }
        let declared = self.client_features().contains(feature);
        if declared {
            Ok(())
        } else {
            Err(AskError::Undeclared(feature))
        }
    }
}

fn check_form<'a>(form: RequestedSchema) -> crate::ask::Check<'a> {
    Box::new(move |raw| form::read(&form, raw).map(drop))
}

/// The error -32042 of 2025-11-25: the call can be repeated when the user has been to these URLs. Each needs an
/// `elicitation_id`.
///
/// Later revisions have no such error; [`Context::require_url`] does the right thing in each.
#[must_use]
pub fn url_elicitation_required(elicitations: Vec<ElicitRequestUrlParams>) -> WireError {
    let data = to_json(
        &UrlElicitationRequiredData::new(elicitations),
        Revision::V2025_11_25,
    );
    WireError::new(
        error::URL_ELICITATION_REQUIRED,
        "the user has to open a URL first",
    )
    .with_data(data)
}

/// What the user did, out of what the client answered.
fn elicited<T>(
    key: &str,
    answer: Result<(ElicitAction, T), String>,
) -> Result<Elicited<T>, AskError> {
    let (action, content) = answer.map_err(|problem| AskError::Answer {
        key: key.to_owned(),
        problem,
    })?;
    Ok(match action {
        ElicitAction::Accept => Elicited::Accepted(content),
        ElicitAction::Decline => Elicited::Declined,
        _ => Elicited::Cancelled,
    })
}
