//! How a vendor's conversation token is fetched for a visitor, and renewed.
//!
//! A connector exchanges what only the host holds for a [`Ticket`]. What goes wrong is said in a few words of our own
//! ([`ConnectorFault`]), never in the vendor's: which HTTP status it becomes is decided in `http`, and the details an
//! operator needs are logged where they are seen.

pub mod copilot_studio;
pub mod direct_line;
pub mod endpoint;
pub mod exchange;
pub mod place;
pub mod renewal;
pub mod ticket;
pub mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;

use self::copilot_studio::CopilotStudio;
use self::direct_line::{DirectLine, WIDGET_WEBCHAT_SECRET};
use self::endpoint::WIDGET_DIRECTLINE_ENDPOINT;
use self::place::WIDGET_TOKEN_ENDPOINT;
use crate::base::clock::Clock;
use crate::config::env::{Env, Var};
use crate::connector::ticket::Ticket;
use crate::net::outbound::Outbound;

/// Which connector a widget's vendor needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A secret for a token ([`DirectLine`]).
    DirectLine,
    /// A token endpoint, or a secret where the agent has secured access ([`CopilotStudio`], [`DirectLine`]).
    CopilotStudio,
}

/// The settings of every connector, in the order of the settings table.
pub const VARS: &[&Var] = &[
    &direct_line::WIDGET_WEBCHAT_SECRET,
    &direct_line::WIDGET_WEBCHAT_SECRET_NEXT,
    &endpoint::WIDGET_DIRECTLINE_ENDPOINT,
    &endpoint::WIDGET_DIRECTLINE_CUSTOM_HOST,
    &place::WIDGET_TOKEN_ENDPOINT,
    &copilot_studio::WIDGET_RENEWAL_SECRET,
    &direct_line::WIDGET_BIND_USER,
    &direct_line::WIDGET_USER_ID_PREFIX,
    &direct_line::WIDGET_SEND_USER_NAME,
    &direct_line::WIDGET_TRUSTED_ORIGINS,
    &renewal::WIDGET_CONVERSATION_MAX,
    &wire::WIDGET_CONNECTOR_DEADLINE,
    &wire::WIDGET_CONNECTOR_CONCURRENCY,
    &exchange::WIDGET_API_KEY,
    &exchange::WIDGET_API_KEY_NEXT,
    &exchange::WIDGET_API_URL,
];

/// Reads the connector of the widget being read; `None` after naming what is wrong.
pub fn read(env: &mut Env, kind: Kind, outbound: &Outbound) -> Option<Settings> {
    if kind == Kind::DirectLine || env.is_set(&WIDGET_WEBCHAT_SECRET) {
        if kind == Kind::CopilotStudio
            && !env.is_set(&WIDGET_DIRECTLINE_ENDPOINT)
            && !env.is_set(&WIDGET_TOKEN_ENDPOINT)
        {
            let other = env.name_of(&WIDGET_TOKEN_ENDPOINT);
            env.mistake_in(
                &WIDGET_DIRECTLINE_ENDPOINT,
                &format!("is required unless {other} is set: agents are regional"),
            );
        }
        return direct_line::Settings::read(env, outbound).map(Settings::DirectLine);
    }
    copilot_studio::Settings::read(env, outbound).map(Settings::CopilotStudio)
}

/// What a connector is made of.
#[derive(Debug, Clone)]
pub enum Settings {
    /// A secret for a token.
    DirectLine(direct_line::Settings),
    /// A token endpoint.
    CopilotStudio(copilot_studio::Settings),
}

impl Settings {
    /// Makes the connector. Nothing is called yet.
    ///
    /// # Errors
    /// A sentence for the operator when no client can be made.
    pub fn build(&self, outbound: &Outbound, clock: &Clock) -> Result<Arc<dyn Connector>, String> {
        Ok(match self.clone() {
            Self::DirectLine(settings) => Arc::new(DirectLine::new(settings, outbound, clock)?),
            Self::CopilotStudio(settings) => Arc::new(CopilotStudio::new(settings, outbound, clock)?),
        })
    }

    /// A ticket as it will be, for previews: good for nothing, and with the address that pages are given.
    #[must_use]
    pub fn sample(&self) -> Ticket {
        match self {
            Self::DirectLine(settings) => settings.place.sample(),
            Self::CopilotStudio(settings) => settings.place.sample(),
        }
    }

    /// The visitor's id as the vendor is to know it, to stand in the ticket and in the claims alike (R3). Different
    /// subjects have different ids.
    #[must_use]
    pub fn user_id(&self, subject: &str) -> String {
        match self {
            Self::DirectLine(settings) => settings.user_id(subject),
            Self::CopilotStudio(_) => subject.to_owned(),
        }
    }
}

/// For whom a ticket is asked.
#[derive(Clone, Copy)]
pub struct TicketAsk<'a> {
    /// The widget's name: a ticket of one widget is not renewed through another.
    pub widget: &'a str,
    /// The visitor's id as the vendor is to know it: what [`Connector::user_id`] made of the widget's subject.
    pub user_id: &'a str,
    /// Display name.
    pub user_name: Option<&'a str>,
}

/// Redacted: who asks is personal data.
impl fmt::Debug for TicketAsk<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketAsk").field("widget", &self.widget).finish_non_exhaustive()
    }
}

/// A way to get conversation tokens from a vendor.
#[async_trait]
pub trait Connector: fmt::Debug + Send + Sync {
    /// Name of this connector in logs.
    fn name(&self) -> &'static str;

    /// Hosts that are called, for the start-up message.
    fn egress(&self) -> Vec<String>;

    /// The visitor's id as the vendor is to know it, to stand in the ticket and in the claims alike (R3). Different
    /// subjects have different ids.
    fn user_id(&self, subject: &str) -> String {
        subject.to_owned()
    }

    /// A token for a new conversation.
    async fn ticket(&self, ask: &TicketAsk<'_>) -> Result<Ticket, ConnectorFault>;

    /// A new token for a conversation that this visitor has: `renewal` is what came with its first ticket, `token` the
    /// one that is about to end.
    async fn refresh(&self, ask: &TicketAsk<'_>, renewal: &str, token: &SecretString) -> Result<Ticket, RefreshFault>;

    /// Whether no calls are made at present because they kept failing.
    fn is_resting(&self) -> bool;
}

/// Why there is no ticket. Holds no word of the vendor's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConnectorFault {
    /// The vendor refuses what we are: an operator must act.
    #[error("the vendor refuses us: {0}")]
    Rejected(Rejection),
    /// The vendor is asked too often.
    #[error("the vendor is asked too often")]
    Throttled {
        /// When to try again, if the vendor said.
        retry_after: Option<Duration>,
    },
    /// We ask no more at present: too many calls are waiting, or too many have failed.
    #[error("no further call is made to the vendor at present")]
    Busy {
        /// When to try again.
        retry_after: Duration,
    },
    /// No connection, a connection that broke, or an error of the vendor's server.
    #[error("the vendor's server is not working")]
    Unavailable,
    /// An answer that is not what the vendor documents, or that holds no token.
    #[error("the vendor's answer holds no usable token")]
    Malformed,
    /// No complete answer in time.
    #[error("the vendor did not answer in time")]
    Deadline,
}

/// What a vendor refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The secret: wrong, regenerated, or of another bot.
    #[error("the secret is not accepted")]
    BadSecret,
    /// The endpoint: the bot lives in another region.
    #[error("the bot belongs to another region's endpoint")]
    RegionNotAllowed,
    /// The call itself.
    #[error("the call is not accepted")]
    Request,
}

impl ConnectorFault {
    /// A short stable word for logs and metrics.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Rejected(Rejection::BadSecret) => "connector_secret",
            Self::Rejected(Rejection::RegionNotAllowed) => "connector_region",
            Self::Rejected(Rejection::Request) => "connector_request",
            Self::Throttled { .. } => "connector_throttled",
            Self::Busy { .. } => "connector_busy",
            Self::Unavailable => "connector_unavailable",
            Self::Malformed => "connector_malformed",
            Self::Deadline => "connector_deadline",
        }
    }

    /// When to try again, where that is known.
    #[must_use]
    pub fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after } => retry_after,
            Self::Busy { retry_after } => Some(retry_after),
            _ => None,
        }
    }
}

/// Why a ticket is not renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RefreshFault {
    /// The token or the conversation is over: the page must begin a new one.
    #[error("the conversation is over; a new one must be begun")]
    Ended,
    /// The conversation is not this visitor's, or nothing proves that it is.
    #[error("nothing proves that the conversation is this visitor's")]
    Foreign,
    /// The vendor could not be asked.
    #[error(transparent)]
    Connector(#[from] ConnectorFault),
}

impl RefreshFault {
    /// A short stable word for logs and metrics.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Ended => "conversation_ended",
            Self::Foreign => "conversation_foreign",
            Self::Connector(fault) => fault.reason(),
        }
    }
}
