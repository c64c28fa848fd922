//! Copilot Studio without secured access: a token endpoint that needs no secret, in a region that has to be asked for.
//!
//! Such a token is bound to nobody: Direct Line gives the visitor an id of its own (R19). What this connector adds is the
//! login in front of it, the right region, and renewal for the visitor who began the conversation and for no other.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use data_encoding::HEXLOWER;
use secrecy::SecretString;
use url::Url;

use super::direct_line::{WIDGET_WEBCHAT_SECRET, begin, refresh};
use super::place::{self, Place, WIDGET_TOKEN_ENDPOINT, read_token_endpoint};
use super::renewal::{Renewals, read_conversation_max};
use super::wire::{Wire, get, read_limits};
use super::{Connector, ConnectorFault, RefreshFault, TicketAsk};
use crate::base::clock::{Clock, random_bytes};
use crate::config::env::Env;
use crate::connector::ticket::Ticket;
use crate::net::outbound::{Limits, Outbound};

crate::settings! {
    pub vars {
        WIDGET_RENEWAL_SECRET(secret),
            "Copilot Studio without a channel secret: any strong secret, the same on every replica, that proves which visitor began a conversation.";
    }
}

/// Where tokens are handed out, and what proves whose conversation it is.
#[derive(Debug, Clone)]
pub struct Settings {
    secret: SecretString,
    limits: Limits,
    pub(super) place: place::Settings,
    conversation_max: Duration,
    token_endpoint: Url,
}

/// The connector.
#[derive(Debug)]
pub struct CopilotStudio {
    /// To the environment that hands out tokens.
    environment: Arc<Wire>,
    /// To Direct Line, which renews them.
    direct_line: Wire,
    token_endpoint: Url,
    place: Place,
    renewals: Renewals,
}

impl Settings {
    /// Reads the token endpoint; `None` after naming what is wrong.
    pub fn read(env: &mut Env, outbound: &Outbound) -> Option<Self> {
        let secret = read_renewal_secret(env);
        let conversation_max = read_conversation_max(env);
        let limits = read_limits(env)?;
        if !env.is_set(&WIDGET_TOKEN_ENDPOINT) {
            let other = env.name_of(&WIDGET_WEBCHAT_SECRET);
            let needed = format!("is required: the agent's token endpoint (or {other}, with secured access)");
            env.mistake_in(&WIDGET_TOKEN_ENDPOINT, &needed);
        }
        let token_endpoint = read_token_endpoint(env, outbound)?;
        let place = place::Settings::read(env, outbound)?;
        Some(Self { secret, limits, place, conversation_max: conversation_max?, token_endpoint })
    }
}

impl CopilotStudio {
    /// A connector of these settings.
    ///
    /// # Errors
    /// A sentence for the operator when no client can be made.
    pub fn new(settings: Settings, outbound: &Outbound, clock: &Clock) -> Result<Self, String> {
        let Settings { secret, limits, place, conversation_max, token_endpoint } = settings;
        let place = Place::new(place, outbound, limits, clock)?;
        let environment = match &place {
            Place::Regional(regional) => regional.wire(),
            Place::Fixed(_) => Arc::new(Wire::new(outbound, &token_endpoint, limits, clock)?),
        };
        let direct_line = Wire::new(outbound, place.like(), limits, clock)?;
        let renewals = Renewals::new(&[secret], conversation_max, clock.clone());
        Ok(Self { environment, direct_line, token_endpoint, place, renewals })
    }
}

#[async_trait]
impl Connector for CopilotStudio {
    fn name(&self) -> &'static str {
        "copilot_studio"
    }

    fn egress(&self) -> Vec<String> {
        let mut hosts =
            vec![self.token_endpoint.host_str().unwrap_or_default().to_owned(), self.place.host().to_owned()];
        hosts.dedup();
        hosts
    }

    async fn ticket(&self, ask: &TicketAsk<'_>) -> Result<Ticket, ConnectorFault> {
        let by = self.environment.deadline();
        let endpoint = self.place.endpoint(by).await?;
        let grant = self.environment.grant("token endpoint", get(self.token_endpoint.clone()), by).await?;
        Ok(begin(&self.renewals, ask, &endpoint, grant))
    }

    async fn refresh(&self, ask: &TicketAsk<'_>, renewal: &str, token: &SecretString) -> Result<Ticket, RefreshFault> {
        let owned = self.renewals.check(ask, renewal)?;
        let by = self.direct_line.deadline();
        let endpoint = self.place.endpoint(by).await?;
        refresh(&self.direct_line, &endpoint, &owned, renewal, token, by).await
    }

    fn is_resting(&self) -> bool {
        self.environment.is_resting()
    }
}

fn read_renewal_secret(env: &mut Env) -> SecretString {
    let secret = env.secret(&WIDGET_RENEWAL_SECRET);
    if secret.is_none() && !env.is_set(&WIDGET_RENEWAL_SECRET) {
        let name = env.name_of(&WIDGET_RENEWAL_SECRET);
        env.warn(&name, "is not set: conversations are renewed only by the process that began them");
    }
    secret.unwrap_or_else(own_secret)
}

/// The same for as long as the process runs: a configuration that is read again must not end everybody's conversation.
fn own_secret() -> SecretString {
    static OWN: OnceLock<SecretString> = OnceLock::new();
    OWN.get_or_init(|| HEXLOWER.encode(random_bytes::<32>().as_ref()).into()).clone()
}
