//! Proof that a conversation belongs to a visitor, kept by the page and by nobody else.
//!
//! Whoever holds a conversation token can read the conversation, so a token is renewed only for the visitor it was fetched
//! for (R8). The proof seals conversation and beginning under a key of ours, bound to widget and visitor: who presents
//! another visitor's proof has presented nothing. Every replica can check it and none has to remember it.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use secrecy::{ExposeSecret, SecretString};

use super::{RefreshFault, TicketAsk};
use crate::base::clock::{Clock, UnixTime};
use crate::base::siv::Key;
use crate::config::env::Env;

crate::settings! {
    pub vars {
        WIDGET_CONVERSATION_MAX("24h", "8h"),
            "How long after its beginning a conversation's token is still renewed, between 5m and 30d. After that the page begins a new one.";
    }
}

/// What the key derived from a connector's secret is for, and what is sealed with it.
const PURPOSE: &str = "countersign conversation renewal 1";
/// Longest proof that is looked at, in characters.
const TEXT_MAX: usize = 1024;

/// Makes and checks the proofs of one widget.
#[derive(Debug)]
pub struct Renewals {
    /// The first makes, all check.
    keys: Vec<Key>,
    max_age: Duration,
    clock: Clock,
}

/// A conversation that is proven to be the visitor's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    conversation: String,
    begun_at: UnixTime,
}

impl Owned {
    /// The conversation's id.
    #[must_use]
    pub fn conversation(&self) -> &str {
        &self.conversation
    }
}

/// Reads how long conversations are renewed.
pub fn read_conversation_max(env: &mut Env) -> Option<Duration> {
    env.duration_within(&WIDGET_CONVERSATION_MAX, Duration::from_mins(5), Duration::from_hours(30 * 24))
}

impl Renewals {
    /// Proofs that hold for `max_age`. The keys are derived from `secrets`, the first of which makes proofs.
    #[must_use]
    pub fn new(secrets: &[SecretString], max_age: Duration, clock: Clock) -> Self {
        let derive = |secret: &SecretString| Key::derive(secret.expose_secret().as_bytes(), PURPOSE);
        Self { keys: secrets.iter().map(derive).collect(), max_age, clock }
    }

    /// Proof that a conversation which begins now is this visitor's; `None` without a secret.
    #[must_use]
    pub fn begin(&self, ask: &TicketAsk<'_>, conversation: &str) -> Option<String> {
        let mut text = self.clock.now().0.to_be_bytes().to_vec();
        text.extend_from_slice(conversation.as_bytes());
        let proof = BASE64URL_NOPAD.encode(self.keys.first()?.seal(context(ask), &text).as_ref());
        (proof.len() <= TEXT_MAX).then_some(proof)
    }

    /// The conversation that `proof` gives this visitor.
    ///
    /// # Errors
    /// [`RefreshFault::Foreign`] when it gives them none, [`RefreshFault::Ended`] when it did and is too old.
    pub fn check(&self, ask: &TicketAsk<'_>, proof: &str) -> Result<Owned, RefreshFault> {
        let owned = self.open(ask, proof).ok_or(RefreshFault::Foreign)?;
        let age = self.clock.now().since(owned.begun_at);
        if age < self.max_age { Ok(owned) } else { Err(RefreshFault::Ended) }
    }

    fn open(&self, ask: &TicketAsk<'_>, proof: &str) -> Option<Owned> {
        let sealed = (proof.len() <= TEXT_MAX).then(|| BASE64URL_NOPAD.decode(proof.as_ref()).ok())??;
        let text = self.keys.iter().find_map(|key| key.open(context(ask), &sealed))?;
        let (begun_at, conversation) = text.split_first_chunk::<8>()?;
        let conversation = String::from_utf8(conversation.to_vec()).ok()?;
        Some(Owned { conversation, begun_at: UnixTime(u64::from_be_bytes(*begun_at)) })
    }
}

fn context<'a>(ask: &TicketAsk<'a>) -> [&'a [u8]; 3] {
    [PURPOSE.as_bytes(), ask.widget.as_bytes(), ask.user_id.as_bytes()]
}
