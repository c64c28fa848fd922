//! Which Direct Line endpoint a bot is reached at: a configured one, or the one its environment names.
//!
//! Copilot Studio puts each environment into a region and tells which at run time; its samples warn never to assume the
//! global host. The answer is kept for a while, and an old answer is better than none.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::ConnectorFault;
use super::endpoint::{Endpoint, WIDGET_DIRECTLINE_CUSTOM_HOST, WIDGET_DIRECTLINE_ENDPOINT};
use super::ticket::Ticket;
use super::wire::{Wire, get};
use crate::base::clock::Clock;
use crate::config::env::Env;
use crate::net::outbound::{Limits, Outbound, is_loopback};

crate::settings! {
    pub vars {
        WIDGET_TOKEN_ENDPOINT("", "https://0123.environment.api.powerplatform.com/powervirtualagents/botsbyschema/cr1_clinic/directline/token?api-version=2022-03-01-preview"),
            "Copilot Studio: the agent's token endpoint, from its mobile app channel. Its region is looked up there too, unless WIDGET_DIRECTLINE_ENDPOINT is set.";
    }
}

/// How long a looked-up region is used before it is looked up again.
const FRESH: Duration = Duration::from_hours(1);
/// How long an old answer serves after a look-up that failed.
const SERVES: Duration = Duration::from_mins(1);

/// Where a bot is reached, as it is configured.
#[derive(Debug, Clone)]
pub enum Settings {
    /// There.
    Fixed(Endpoint),
    /// Where the environment of this token endpoint says.
    Regional {
        /// The agent's token endpoint.
        token_endpoint: Url,
        /// Whether hosts that are not Microsoft's are accepted.
        custom: bool,
    },
}

impl Settings {
    /// Reads the endpoint, or where to look it up.
    pub fn read(env: &mut Env, outbound: &Outbound) -> Option<Self> {
        if env.is_set(&WIDGET_DIRECTLINE_ENDPOINT) || !env.is_set(&WIDGET_TOKEN_ENDPOINT) {
            let endpoint = Endpoint::read(env)?;
            outbound
                .check(endpoint.url())
                .map_err(|problem| env.mistake_in(&WIDGET_DIRECTLINE_ENDPOINT, &problem))
                .ok()?;
            return Some(Self::Fixed(endpoint));
        }
        let custom = env.flag(&WIDGET_DIRECTLINE_CUSTOM_HOST);
        let token_endpoint = read_token_endpoint(env, outbound)?;
        Some(Self::Regional { token_endpoint, custom })
    }

    /// A ticket for previews. Where the address is looked up at run time, only the environment knows it.
    #[must_use]
    pub fn sample(&self) -> Ticket {
        match self {
            Self::Fixed(endpoint) => Ticket::sample_at(endpoint.domain(), &endpoint.host()),
            Self::Regional { .. } => Ticket::sample_at("(the region's address)", "(the region's host)"),
        }
    }
}

/// Where a bot is reached.
#[derive(Debug)]
pub enum Place {
    /// Where the configuration says.
    Fixed(Endpoint),
    /// Where the bot's environment says.
    Regional(Box<Regional>),
}

impl Place {
    /// That place.
    ///
    /// # Errors
    /// A sentence for the operator when no client can be made.
    pub fn new(settings: Settings, outbound: &Outbound, limits: Limits, clock: &Clock) -> Result<Self, String> {
        let (token_endpoint, custom) = match settings {
            Settings::Fixed(endpoint) => return Ok(Self::Fixed(endpoint)),
            Settings::Regional { token_endpoint, custom } => (token_endpoint, custom),
        };
        let wire = Wire::new(outbound, &token_endpoint, limits, clock)?;
        Ok(Self::Regional(Box::new(Regional::new(wire, &token_endpoint, custom, clock.clone()))))
    }

    /// The endpoint, known by `by`.
    ///
    /// # Errors
    /// [`ConnectorFault`] when it has to be looked up, cannot be, and never was.
    pub async fn endpoint(&self, by: Instant) -> Result<Endpoint, ConnectorFault> {
        match self {
            Self::Fixed(endpoint) => Ok(endpoint.clone()),
            Self::Regional(regional) => regional.endpoint(by).await,
        }
    }

    /// An address like those that the endpoint has.
    #[must_use]
    pub fn like(&self) -> &Url {
        match self {
            Self::Fixed(endpoint) => endpoint.url(),
            Self::Regional(regional) => &regional.url,
        }
    }

    /// The host that is called, or asked first.
    #[must_use]
    pub fn host(&self) -> &str {
        self.like().host_str().unwrap_or_default()
    }
}

/// Reads `WIDGET_TOKEN_ENDPOINT`.
pub fn read_token_endpoint(env: &mut Env, outbound: &Outbound) -> Option<Url> {
    let url: Url = env.parse(&WIDGET_TOKEN_ENDPOINT)?;
    let safe = url.scheme() == "https" || url.scheme() == "http" && is_loopback(&url);
    let bare = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    if !(safe && bare) {
        env.mistake_in(&WIDGET_TOKEN_ENDPOINT, "is not an https address without credentials");
        return None;
    }
    outbound.check(&url).map_err(|problem| env.mistake_in(&WIDGET_TOKEN_ENDPOINT, &problem)).ok()?;
    Some(url)
}

/// The look-up of a region.
#[derive(Debug)]
pub struct Regional {
    wire: Arc<Wire>,
    url: Url,
    custom: bool,
    clock: Clock,
    known: Mutex<Option<Known>>,
    /// One look-up at a time.
    turn: Semaphore,
}

#[derive(Debug, Clone)]
struct Known {
    endpoint: Endpoint,
    fresh_until: Duration,
}

impl Regional {
    fn new(wire: Wire, token_endpoint: &Url, custom: bool, clock: Clock) -> Self {
        let url = settings_url(token_endpoint);
        let wire = Arc::new(wire);
        Self { wire, url, custom, clock, known: Mutex::default(), turn: Semaphore::new(1) }
    }

    /// The wire to the environment, which also hands out tokens.
    #[must_use]
    pub fn wire(&self) -> Arc<Wire> {
        self.wire.clone()
    }

    async fn endpoint(&self, by: Instant) -> Result<Endpoint, ConnectorFault> {
        match self.known() {
            Some(known) if self.clock.monotonic() < known.fresh_until => Ok(known.endpoint),
            Some(old) => Ok(self.look_again(old, by).await),
            None => {
                let _turn = timeout_at(by, self.turn.acquire()).await.map_err(|_| ConnectorFault::Deadline)?;
                match self.known() {
                    Some(known) => Ok(known.endpoint),
                    None => self.look_up(by).await,
                }
            }
        }
    }

    /// While somebody else looks, and when nobody can be asked, the old answer serves; and looking takes at most half of
    /// the time there is, because the token has yet to be fetched.
    async fn look_again(&self, old: Known, by: Instant) -> Endpoint {
        let Ok(_turn) = self.turn.try_acquire() else { return old.endpoint };
        let now = Instant::now();
        let found = self.look_up(now + by.saturating_duration_since(now) / 2).await;
        found.unwrap_or_else(|_| {
            self.remember(&old.endpoint, SERVES);
            old.endpoint
        })
    }

    async fn look_up(&self, by: Instant) -> Result<Endpoint, ConnectorFault> {
        let answer = self.wire.fetch("regional settings", get(self.url.clone()), by).await?;
        let urls = answer.get("channelUrlsById");
        let text = urls.and_then(|urls| urls.get("directline")).and_then(Value::as_str).unwrap_or_default();
        let endpoint = Endpoint::parse(text, self.custom).ok();
        // Only a local environment, which is a test's, may point at this machine.
        let endpoint = endpoint.filter(|found| is_loopback(&self.url) || !is_loopback(found.url()));
        let Some(endpoint) = endpoint else {
            tracing::warn!("the regional settings name no Direct Line endpoint that is known");
            return Err(ConnectorFault::Malformed);
        };
        self.remember(&endpoint, FRESH);
        Ok(endpoint)
    }

    fn remember(&self, endpoint: &Endpoint, span: Duration) {
        *self.lock() = Some(Known { endpoint: endpoint.clone(), fresh_until: self.clock.monotonic() + span });
    }

    fn known(&self) -> Option<Known> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The environment's settings: the same origin and API version as its token endpoint.
fn settings_url(token_endpoint: &Url) -> Url {
    let version = token_endpoint.query_pairs().find(|(name, _)| name == "api-version").map(|(_, v)| v.into_owned());
    let mut url = token_endpoint.clone();
    url.set_path("/powervirtualagents/regionalchannelsettings");
    url.set_query(None);
    if let Some(version) = version {
        url.query_pairs_mut().append_pair("api-version", &version);
    }
    url
}
