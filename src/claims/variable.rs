//! What a template can name.

use std::collections::BTreeMap;

use secrecy::ExposeSecret;
use serde_json::{Number, Value};

use super::Sight;
use crate::base::clock::UnixTime;
use crate::connector::ticket::Ticket;

/// A variable of the template language, looked up without the expression engine when it stands alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Variable {
    Subject,
    Name,
    Email,
    EmailVerified,
    Groups,
    Locale,
    Attributes,
    Attribute(String),
    Source,
    Widget,
    Agent,
    SessionExpiresAt,
    SessionAuthenticatedAt,
    TicketToken,
    TicketConversationId,
    TicketDomain,
    TicketHost,
    PageLocale,
    PageLocation,
    PageLatitude,
    PageLongitude,
    Constants,
    Constant(String),
    Untrusted,
    UntrustedValue(String),
    Time,
    TimeMillis,
    ExpiresAt,
    ExpiresAtMillis,
    ExpiresIn,
    ExpiresInMillis,
    TokenId,
    TokenUuid,
}

pub(super) const VARIABLES: [(&str, Variable); 30] = [
    ("subject", Variable::Subject),
    ("name", Variable::Name),
    ("email", Variable::Email),
    ("email_verified", Variable::EmailVerified),
    ("groups", Variable::Groups),
    ("locale", Variable::Locale),
    ("attributes", Variable::Attributes),
    ("source", Variable::Source),
    ("widget", Variable::Widget),
    ("agent", Variable::Agent),
    ("session.expires_at", Variable::SessionExpiresAt),
    ("session.authenticated_at", Variable::SessionAuthenticatedAt),
    ("ticket.token", Variable::TicketToken),
    ("ticket.conversation_id", Variable::TicketConversationId),
    ("ticket.domain", Variable::TicketDomain),
    ("ticket.host", Variable::TicketHost),
    ("page.locale", Variable::PageLocale),
    ("page.location", Variable::PageLocation),
    ("page.location.lat", Variable::PageLatitude),
    ("page.location.long", Variable::PageLongitude),
    ("config", Variable::Constants),
    ("untrusted", Variable::Untrusted),
    ("time", Variable::Time),
    ("time_ms", Variable::TimeMillis),
    ("expires_at", Variable::ExpiresAt),
    ("expires_at_ms", Variable::ExpiresAtMillis),
    ("expires_in", Variable::ExpiresIn),
    ("expires_in_ms", Variable::ExpiresInMillis),
    ("token_id", Variable::TokenId),
    ("token_uuid", Variable::TokenUuid),
];

impl Variable {
    pub(super) fn named(name: &str) -> Option<Self> {
        let fixed = VARIABLES.iter().find(|(known, _)| *known == name).map(|(_, v)| v.clone());
        let below = |root: &str| name.strip_prefix(root).filter(|n| is_identifier(n)).map(str::to_owned);
        fixed
            .or_else(|| below("attributes.").map(Self::Attribute))
            .or_else(|| below("config.").map(Self::Constant))
            .or_else(|| below("untrusted.").map(Self::UntrustedValue))
    }

    /// The name of what does not come from the visitor's session.
    pub(super) fn outside(&self) -> Option<String> {
        match self {
            Self::Constant(name) => Some(format!("config.{name}")),
            Self::UntrustedValue(name) => Some(format!("untrusted.{name}")),
            _ => None,
        }
    }

    pub(super) fn is_of(&self, root: &str) -> bool {
        match self {
            Self::Attribute(_) => root == "attributes",
            Self::Constant(_) => root == "config",
            Self::UntrustedValue(_) => root == "untrusted",
            other => VARIABLES.iter().any(|(name, variable)| variable == other && first_part(name) == root),
        }
    }

    pub(super) fn of(&self, sight: Sight<'_>) -> Option<Value> {
        let Sight { scope, stamp, surroundings } = sight;
        let map = |of: &BTreeMap<String, String>| {
            Value::Object(of.iter().map(|(n, v)| (n.clone(), Value::from(v.as_str()))).collect())
        };
        let millis = |seconds: u64| Value::from(seconds.saturating_mul(1000));
        let session = scope.session;
        let identity = &session.identity;
        let text = |value: &Option<String>| value.clone().map(Value::String);
        let time = |value: Option<UnixTime>| value.map(|t| Value::from(t.0));
        let ticket = |read: fn(&Ticket) -> Option<String>| scope.ticket.and_then(read).map(Value::String);
        match self {
            Self::Subject => Some(Value::from(scope.subject)),
            Self::Name => text(&identity.name),
            Self::Email => text(&identity.email),
            Self::EmailVerified => identity.email_verified.map(Value::Bool),
            Self::Groups => (!identity.groups.is_empty()).then(|| Value::from(identity.groups.clone())),
            Self::Locale => text(&identity.locale),
            Self::Attributes => Some(Value::Object(identity.attributes.clone().into_iter().collect())),
            Self::Attribute(name) => identity.attributes.get(name).cloned(),
            Self::Source => Some(Value::from(session.source)),
            Self::Widget => Some(Value::from(scope.widget)),
            Self::Agent => scope.agent.then_some(Value::Bool(true)),
            Self::SessionExpiresAt => time(session.expires_at),
            Self::SessionAuthenticatedAt => time(session.authenticated_at),
            Self::TicketToken => ticket(|t| Some(t.token.expose_secret().to_owned())),
            Self::TicketConversationId => ticket(|t| t.conversation_id.clone()),
            Self::TicketDomain => ticket(|t| Some(t.domain.clone())),
            Self::TicketHost => ticket(|t| Some(t.host.clone())),
            Self::PageLocale => text(&scope.page.locale),
            Self::PageLocation => {
                scope.page.location.map(|(lat, long)| serde_json::json!({ "lat": lat, "long": long }))
            }
            Self::PageLatitude => scope.page.location.and_then(|l| Number::from_f64(l.0)).map(Value::Number),
            Self::PageLongitude => scope.page.location.and_then(|l| Number::from_f64(l.1)).map(Value::Number),
            Self::Constants => Some(map(&surroundings.constants)),
            Self::Constant(name) => surroundings.constants.get(name).map(|value| Value::from(value.as_str())),
            Self::Untrusted => Some(map(&scope.page.untrusted)),
            Self::UntrustedValue(name) => scope.page.untrusted.get(name).map(|value| Value::from(value.as_str())),
            Self::Time => Some(Value::from(stamp.now.0)),
            Self::TimeMillis => Some(millis(stamp.now.0)),
            Self::ExpiresAt => Some(Value::from(stamp.expires_at.0)),
            Self::ExpiresAtMillis => Some(millis(stamp.expires_at.0)),
            Self::ExpiresIn => Some(Value::from(stamp.expires_in.as_secs())),
            Self::ExpiresInMillis => Some(millis(stamp.expires_in.as_secs())),
            Self::TokenId => Some(Value::from(stamp.id())),
            Self::TokenUuid => Some(Value::from(stamp.uuid())),
        }
    }
}

pub(super) fn is_identifier(name: &str) -> bool {
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts_well && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

pub(super) fn first_part(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}
