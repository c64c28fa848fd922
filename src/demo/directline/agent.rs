//! The agent behind the double: it believes nobody until a proof is shown, and then says whom it believes in.
//!
//! It checks the proof with another library than the one that signed it.

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use super::super::desk;
use super::super::events::{Actor, Events, Outcome};
use crate::base::clock::Clock;

/// What the agent remembers of a conversation.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// How it addresses the visitor, once it knows.
    knows: Option<String>,
}

impl Memory {
    pub(super) fn knows_somebody(&self) -> bool {
        self.knows.is_some()
    }
}

pub(super) struct Agent {
    key: DecodingKey,
    events: Events,
    clock: Clock,
}

/// One activity, and the conversation it was said in.
pub(super) struct Said<'a> {
    pub(super) conversation: &'a str,
    /// The id that the conversation's token is bound to.
    pub(super) bound: Option<&'a str>,
    pub(super) activity: &'a Map<String, Value>,
}

impl Agent {
    pub(super) fn new(app_secret: &SecretString, events: Events, clock: Clock) -> Self {
        Self { key: DecodingKey::from_secret(app_secret.expose_secret().as_bytes()), events, clock }
    }

    /// What the agent answers to an activity of the visitor, if anything.
    pub(super) fn hear(&self, memory: &mut Memory, said: &Said<'_>) -> Option<String> {
        let activity = said.activity;
        let kind = activity.get("type").and_then(Value::as_str)?;
        let name = activity.get("name").and_then(Value::as_str).unwrap_or_default();
        let value = activity.get("value");
        match (kind, name) {
            ("invoke", "InitConversation") => {
                Some(self.meet(memory, said, value.and_then(|value| value.get("jsonWebToken"))))
            }
            // The way before 2020, which pages may still have.
            ("event", "InitAuthenticatedConversation") => Some(self.meet(memory, said, value)),
            ("event", "startConversation") => Some("Hello! How can I help?".to_owned()),
            ("message", _) => {
                let text = activity.get("text").and_then(Value::as_str).unwrap_or_default();
                let known = desk::answer(text, memory.knows.as_deref());
                let to = memory.knows.as_deref().map(|name| format!(", {name}")).unwrap_or_default();
                Some(known.unwrap_or_else(|| format!("You said{to}: {text}")))
            }
            _ => None,
        }
    }

    fn meet(&self, memory: &mut Memory, said: &Said<'_>, proof: Option<&Value>) -> String {
        match self.check(said.bound, proof.and_then(Value::as_str)) {
            Ok(mut claims) => {
                let text = |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
                let id = text("userId").unwrap_or_default();
                let name = text("userName").unwrap_or(id).to_owned();
                let believes = format!("Believes that this is {name} ({id})");
                // What is told is looked at by anybody: the conversation's token is not.
                claims.remove("connectorToken");
                let detail = json!({ "conversation": said.conversation, "name": name, "claims": claims });
                self.events.tell(Actor::Agent, Outcome::Granted, believes, detail);
                let greeting = format!("Hello, {name}! Your identity is verified.");
                memory.knows = Some(name);
                greeting
            }
            Err(problem) => {
                memory.knows = None;
                let detail = json!({ "conversation": said.conversation });
                self.events.tell(Actor::Agent, Outcome::Refused, format!("Believes nobody: {problem}"), detail);
                format!("I cannot tell who you are: {problem}.")
            }
        }
    }

    /// The claims of a proof that holds, and is about the visitor whom the conversation is bound to.
    fn check(&self, bound: Option<&str>, proof: Option<&str>) -> Result<Map<String, Value>, &'static str> {
        // The library's own clock is the system's; the end of the token is checked with ours.
        let mut rules = Validation::new(Algorithm::HS256);
        rules.required_spec_claims.clear();
        rules.validate_exp = false;
        rules.validate_aud = false;
        let token = decode::<Map<String, Value>>(proof.ok_or("there is no proof")?, &self.key, &rules);
        let claims = token.map_err(|_| "the proof is not genuine")?.claims;
        if claims.get("exp").is_some_and(|end| end.as_u64().is_none_or(|end| end <= self.clock.now().0)) {
            return Err("the proof has ended");
        }
        let id = claims.get("userId").and_then(Value::as_str).filter(|id| !id.is_empty());
        let id = id.ok_or("the proof names nobody")?;
        if bound.is_some_and(|bound| bound != id) {
            return Err("the proof is another visitor's");
        }
        Ok(claims)
    }
}
