//! Copilot Studio without secured access: a token endpoint that needs no secret, in a region that has to be asked for.
//!
//! Such a token is bound to nobody: Direct Line gives the visitor an id of its own (R19). What this connector adds is the
//! login in front of it, the right region, and renewal for the visitor who began the conversation and for no other.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use secrecy::SecretString;
use url::Url;

use super::direct_line::{SECRET, begin, refresh};
use super::place::{Place, TOKEN_ENDPOINT, read_token_endpoint};
use super::renewal::Renewals;
use super::wire::{Wire, get, read_limits};
use super::{Connector, ConnectorFault, RefreshFault, TicketAsk};
use crate::base::clock::{Clock, random_bytes};
use crate::config::env::{Env, Var};
use crate::connector::ticket::Ticket;
use crate::net::outbound::Outbound;

/// A key for renewal.
pub const RENEWAL_SECRET: Var = Var::secret(
    "WIDGET_RENEWAL_SECRET",
    "Copilot Studio without a channel secret: any strong secret, the same on every replica, that proves which visitor began a conversation.",
);

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

impl CopilotStudio {
    /// Reads the token endpoint; `None` after naming what is wrong.
    pub fn read(env: &mut Env, outbound: &Outbound, clock: &Clock) -> Option<Self> {
        let secret = read_renewal_secret(env);
        let renewals = Renewals::read(env, &[secret], clock.clone());
        let limits = read_limits(env)?;
        if !env.is_set(&TOKEN_ENDPOINT) {
            let other = env.name_of(&SECRET);
            let needed = format!("is required: the agent's token endpoint (or {other}, with secured access)");
            env.mistake_in(&TOKEN_ENDPOINT, &needed);
        }
        let token_endpoint = read_token_endpoint(env)?;
        let place = Place::read(env, outbound, limits, clock)?;
        let mut wire = |url: &Url| {
            let wire = Wire::new(outbound, url, limits, clock);
            wire.map_err(|problem| env.mistake_in(&TOKEN_ENDPOINT, &problem)).ok()
        };
        let direct_line = wire(place.like())?;
        let environment = match &place {
            Place::Regional(regional) => regional.wire(),
            Place::Fixed(_) => Arc::new(wire(&token_endpoint)?),
        };
        Some(Self { environment, direct_line, token_endpoint, place, renewals: renewals? })
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
    let secret = env.secret(&RENEWAL_SECRET);
    if secret.is_none() && !env.is_set(&RENEWAL_SECRET) {
        let name = env.name_of(&RENEWAL_SECRET);
        env.warn(&name, "is not set: conversations are renewed only by the process that began them");
    }
    secret.unwrap_or_else(own_secret)
}

/// The same for as long as the process runs: a configuration that is read again must not end everybody's conversation.
fn own_secret() -> SecretString {
    static OWN: OnceLock<SecretString> = OnceLock::new();
    OWN.get_or_init(|| hex::encode(random_bytes::<32>()).into()).clone()
}
