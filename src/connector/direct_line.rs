//! Direct Line 3.0: a secret exchanged for a token of one conversation, bound to the visitor.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::endpoint::Endpoint;
use super::place::{self, Place};
use super::renewal::{Owned, Renewals, read_conversation_max};
use super::wire::{Grant, Reading, Wire, post, read_limits};
use super::{Connector, ConnectorFault, RefreshFault, Rejection, TicketAsk};
use crate::base::clock::Clock;
use crate::config::env::Env;
use crate::connector::ticket::Ticket;
use crate::net::origin::Origin;
use crate::net::outbound::{Breaker, Limits, Outbound, Outcome};

crate::settings! {
    pub vars {
        WIDGET_WEBCHAT_SECRET(secret; or(&["WEBCHAT_SECRET"])),
            "Secret of the bot's Web Chat or Direct Line channel (the healthcare agent's webchat_secret). It never reaches the page.";
        WIDGET_WEBCHAT_SECRET_NEXT(secret; or(&["WEBCHAT_SECRET_NEXT"]), after("WIDGET_WEBCHAT_SECRET")),
            "The other secret of the same channel while secrets are rotated: used as soon as the first is refused.";
        WIDGET_TRUSTED_ORIGINS("", "https://www.example.org"),
            "Origins named to Direct Line with every token, comma-separated. They matter for its sign-in cards; they do not stop a token from working elsewhere.";
        WIDGET_BIND_USER("true", "false"),
            "Whether the token is bound to the visitor's id, so that the page cannot speak as somebody else.";
        WIDGET_USER_ID_PREFIX("dl_", "none"),
            "What the visitor's id begins with, for Direct Line and in the claims alike. Direct Line binds only ids that begin with dl_; `none` leaves it out.";
        WIDGET_SEND_USER_NAME("false", "true"),
            "Whether Direct Line is told the visitor's display name with the token request.";
    }
}

/// Shortest secret that can be one.
const SECRET_MIN: usize = 16;
/// What Direct Line documents bound ids to begin with.
const DOCUMENTED_PREFIX: &str = "dl_";

/// The secrets, the endpoint, and what is sent.
#[derive(Debug, Clone)]
pub struct Settings {
    /// One or two; never empty.
    secrets: Vec<SecretString>,
    limits: Limits,
    pub(super) place: place::Settings,
    conversation_max: Duration,
    prefix: String,
    bind: bool,
    send_name: bool,
    trusted_origins: Vec<Origin>,
}

/// The connector.
#[derive(Debug)]
pub struct DirectLine {
    wire: Wire,
    place: Place,
    settings: Settings,
    /// Index of the secret that was accepted last.
    accepted: AtomicUsize,
    refusals: Refusals,
    renewals: Renewals,
    unbound_noted: AtomicBool,
}

/// Refused secrets stay refused until somebody acts: after a few refusals in a row the vendor is asked only now and then
/// (R6). Other failures say nothing about the secrets.
#[derive(Debug)]
struct Refusals {
    breaker: Breaker,
    last: Mutex<Rejection>,
}

impl Settings {
    /// Reads the secrets, the endpoint and what is sent; `None` after naming what is wrong.
    pub fn read(env: &mut Env, outbound: &Outbound) -> Option<Self> {
        let secrets = read_secrets(env);
        let limits = read_limits(env);
        let conversation_max = read_conversation_max(env);
        let prefix = read_prefix(env);
        let bind = env.flag(&WIDGET_BIND_USER);
        let send_name = env.flag(&WIDGET_SEND_USER_NAME);
        let trusted_origins = env.list(&WIDGET_TRUSTED_ORIGINS);
        let limits = limits?;
        let place = place::Settings::read(env, outbound)?;
        if bind && !prefix.starts_with(DOCUMENTED_PREFIX) {
            let name = env.name_of(&WIDGET_USER_ID_PREFIX);
            env.warn(&name, "is not dl_: Direct Line documents that only ids which begin with dl_ are bound");
        }
        (!secrets.is_empty()).then_some(())?;
        let conversation_max = conversation_max?;
        Some(Self { secrets, limits, place, conversation_max, prefix, bind, send_name, trusted_origins })
    }

    /// The prefix is always added, never looked for: two subjects never share an id.
    pub(super) fn user_id(&self, subject: &str) -> String {
        format!("{}{subject}", self.prefix)
    }
}

impl DirectLine {
    /// A connector of these settings.
    ///
    /// # Errors
    /// A sentence for the operator when no client can be made.
    pub fn new(settings: Settings, outbound: &Outbound, clock: &Clock) -> Result<Self, String> {
        let place = Place::new(settings.place.clone(), outbound, settings.limits, clock)?;
        Ok(Self {
            wire: Wire::new(outbound, place.like(), settings.limits, clock)?,
            place,
            accepted: AtomicUsize::new(0),
            refusals: Refusals { breaker: Breaker::new(clock.clone()), last: Mutex::new(Rejection::BadSecret) },
            renewals: Renewals::new(&settings.secrets, settings.conversation_max, clock.clone()),
            settings,
            unbound_noted: AtomicBool::new(false),
        })
    }

    /// Asks with the secret that was accepted last, and with the other one when that is refused.
    async fn generate(&self, endpoint: &Endpoint, body: Bytes, by: Instant) -> Result<Grant, ConnectorFault> {
        let first = self.accepted.load(Ordering::Relaxed);
        let granted = self.generate_with(first, endpoint, body.clone(), by).await;
        let refused = matches!(granted, Err(ConnectorFault::Rejected(Rejection::BadSecret)));
        if !refused || self.settings.secrets.len() < 2 {
            return granted;
        }
        let other = 1 - first;
        let granted = self.generate_with(other, endpoint, body, by).await;
        if granted.is_ok() && self.accepted.swap(other, Ordering::Relaxed) != other {
            let used = if other == 0 { WIDGET_WEBCHAT_SECRET.name } else { WIDGET_WEBCHAT_SECRET_NEXT.name };
            tracing::warn!("the vendor refuses one of the two secrets and accepts {used}, which is used from now on");
        }
        granted
    }

    async fn generate_with(
        &self,
        index: usize,
        endpoint: &Endpoint,
        body: Bytes,
        by: Instant,
    ) -> Result<Grant, ConnectorFault> {
        let secret = self.settings.secrets.get(index).ok_or(ConnectorFault::Rejected(Rejection::BadSecret))?;
        let call = post(endpoint.at("tokens/generate"), secret, body);
        let call = call.ok_or(ConnectorFault::Rejected(Rejection::BadSecret))?;
        self.wire.grant("generate", call, by).await
    }

    /// The parts that are configured, and no body at all when none is (R4).
    fn body(&self, ask: &TicketAsk<'_>) -> Bytes {
        let mut body = Map::new();
        if self.settings.bind {
            let mut user = json!({ "id": ask.user_id });
            if let Some(name) = ask.user_name.filter(|_| self.settings.send_name) {
                user["name"] = Value::from(name);
            }
            body.insert("user".to_owned(), user);
        }
        if !self.settings.trusted_origins.is_empty() {
            let origins: Vec<&str> = self.settings.trusted_origins.iter().map(Origin::as_str).collect();
            body.insert("trustedOrigins".to_owned(), Value::from(origins));
        }
        if body.is_empty() { Bytes::new() } else { Value::Object(body).to_string().into() }
    }

    /// A token that is bound to somebody else is worse than none. One that cannot be read, or does not say, may still be
    /// bound: whether every kind of secret binds is not documented, so that is noted once and let pass.
    fn check_binding(&self, ask: &TicketAsk<'_>, token: &SecretString) -> Result<(), ConnectorFault> {
        let Some(reading) = Reading::of(token).filter(|_| self.settings.bind) else { return Ok(()) };
        match reading.user {
            Some(user) if user == ask.user_id => Ok(()),
            Some(_) => {
                tracing::error!("the vendor bound the token to another user than it was asked for");
                Err(ConnectorFault::Malformed)
            }
            None => {
                if !self.unbound_noted.swap(true, Ordering::Relaxed) {
                    tracing::warn!("the vendor's tokens do not say that they are bound to the visitor");
                }
                Ok(())
            }
        }
    }
}

impl Refusals {
    async fn guard<T>(&self, exchange: impl Future<Output = Result<T, ConnectorFault>>) -> Result<T, ConnectorFault> {
        let Ok(turn) = self.breaker.admit() else { return Err(ConnectorFault::Rejected(*self.last())) };
        let result = exchange.await;
        match &result {
            Ok(_) => turn.settle(Outcome::Well),
            Err(ConnectorFault::Rejected(rejection)) => {
                *self.last() = *rejection;
                turn.settle(Outcome::Failed);
            }
            Err(_) => drop(turn),
        }
        result
    }

    fn last(&self) -> MutexGuard<'_, Rejection> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Connector for DirectLine {
    fn name(&self) -> &'static str {
        "direct_line"
    }

    fn egress(&self) -> Vec<String> {
        vec![self.place.host().to_owned()]
    }

    fn user_id(&self, subject: &str) -> String {
        self.settings.user_id(subject)
    }

    async fn ticket(&self, ask: &TicketAsk<'_>) -> Result<Ticket, ConnectorFault> {
        let by = self.wire.deadline();
        let endpoint = self.place.endpoint(by).await?;
        let grant = self.refusals.guard(self.generate(&endpoint, self.body(ask), by)).await?;
        self.check_binding(ask, &grant.token)?;
        Ok(begin(&self.renewals, ask, &endpoint, grant))
    }

    async fn refresh(&self, ask: &TicketAsk<'_>, renewal: &str, token: &SecretString) -> Result<Ticket, RefreshFault> {
        let owned = self.renewals.check(ask, renewal)?;
        let by = self.wire.deadline();
        let endpoint = self.place.endpoint(by).await?;
        let ticket = refresh(&self.wire, &endpoint, &owned, renewal, token, by).await?;
        self.check_binding(ask, &ticket.token)?;
        Ok(ticket)
    }

    fn is_resting(&self) -> bool {
        self.wire.is_resting() || self.refusals.breaker.is_open()
    }
}

/// The ticket of a conversation that begins now.
pub(super) fn begin(renewals: &Renewals, ask: &TicketAsk<'_>, endpoint: &Endpoint, grant: Grant) -> Ticket {
    let conversation = grant.conversation();
    let renewal = conversation.as_deref().and_then(|conversation| renewals.begin(ask, conversation));
    ticket(endpoint, grant.token, grant.expires_in, conversation, renewal)
}

fn ticket(
    endpoint: &Endpoint,
    token: SecretString,
    expires_in: Duration,
    conversation_id: Option<String>,
    renewal: Option<String>,
) -> Ticket {
    Ticket { token, conversation_id, domain: endpoint.domain().to_owned(), host: endpoint.host(), expires_in, renewal }
}

/// Renews the token of a conversation that is proven to be the visitor's.
///
/// The proof names the conversation, and the presented token must not name another; the answer decides, because only the
/// vendor can read every token.
pub(super) async fn refresh(
    wire: &Wire,
    endpoint: &Endpoint,
    owned: &Owned,
    renewal: &str,
    token: &SecretString,
    by: Instant,
) -> Result<Ticket, RefreshFault> {
    let named = Reading::of(token).and_then(|reading| reading.conversation);
    if named.is_some_and(|conversation| conversation != owned.conversation()) {
        return Err(RefreshFault::Foreign);
    }
    let call = post(endpoint.at("tokens/refresh"), token, Bytes::new()).ok_or(RefreshFault::Ended)?;
    let grant = wire.grant("refresh", call, by).await.map_err(|fault| match fault {
        // What is refused here is the visitor's token, not our secret.
        ConnectorFault::Rejected(Rejection::BadSecret) => RefreshFault::Ended,
        other => RefreshFault::Connector(other),
    })?;
    match grant.conversation() {
        Some(conversation) if conversation == owned.conversation() => {
            Ok(ticket(endpoint, grant.token, grant.expires_in, Some(conversation), Some(renewal.to_owned())))
        }
        Some(_) => Err(RefreshFault::Foreign),
        None => Err(ConnectorFault::Malformed.into()),
    }
}

fn read_secrets(env: &mut Env) -> Vec<SecretString> {
    if !env.is_set(&WIDGET_WEBCHAT_SECRET) {
        env.mistake_in(&WIDGET_WEBCHAT_SECRET, "is required: the secret of the bot's Web Chat or Direct Line channel");
    }
    let mut secrets = Vec::new();
    for var in [&WIDGET_WEBCHAT_SECRET, &WIDGET_WEBCHAT_SECRET_NEXT] {
        let Some(secret) = env.secret(var) else { continue };
        let text = secret.expose_secret();
        if text.len() < SECRET_MIN || !text.bytes().all(|b| b.is_ascii_graphic()) {
            env.mistake_in(var, "cannot be a channel secret: it is too short, or holds blanks or other than ASCII");
        } else {
            secrets.push(secret);
        }
    }
    secrets
}

fn read_prefix(env: &mut Env) -> String {
    let prefix = env.text(&WIDGET_USER_ID_PREFIX).unwrap_or_default();
    if prefix.eq_ignore_ascii_case("none") {
        return String::new();
    }
    let plain = prefix.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if !plain || prefix.len() > 16 {
        env.mistake_in(&WIDGET_USER_ID_PREFIX, "takes up to 16 letters, digits, `_` and `-`, or none");
    }
    prefix
}
