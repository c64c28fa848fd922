//! What is written down.

use std::net::IpAddr;
use std::time::Duration;

use crate::session::identity::Subject;

/// What happened to one request for a token.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Our id of the request.
    pub request_id: &'a str,
    /// `issued` or `renewed`, or the stable code of the refusal.
    pub outcome: &'static str,
    /// Why, in our own words; empty when granted.
    pub reason: &'static str,
    /// Which widget, when one was named that exists.
    pub widget: &'a str,
    /// Which source vouched, when one did.
    pub source: &'static str,
    /// Who, when somebody was found.
    pub subject: Option<&'a Subject>,
    /// `jti` of the token, when it has one.
    pub token_id: &'a str,
    /// The keyed hash of a token that has none.
    pub token_hash: &'a str,
    /// Which key signed it.
    pub key_id: &'a str,
    /// When the token ends, seconds since 1970; zero when none was issued.
    pub expires_at: u64,
    /// Whence the request came.
    pub client: Option<IpAddr>,
    /// How long the decision took.
    pub took: Duration,
}

/// What happened to one login or logout of our own.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// Our id of the request.
    pub request_id: &'a str,
    /// `login`, `logout`, `back_channel_logout`, `revocation` or `vendor_revocation`.
    pub what: &'static str,
    /// `granted`, `refused` or `unavailable`.
    pub outcome: &'static str,
    /// Why, in our own words; empty when granted.
    pub reason: &'static str,
    /// `oidc` or `accounts`.
    pub method: &'static str,
    /// Who, when somebody was found.
    pub subject: Option<&'a Subject>,
    /// Which widget, when it is about one.
    pub widget: &'a str,
    /// Whence the request came.
    pub client: Option<IpAddr>,
}

/// What an operator did on the command line.
#[derive(Debug, Clone, Copy)]
pub struct Deed<'a> {
    /// The command, such as `unmask`.
    pub what: &'static str,
    /// `asked` before it is done; `failed` when it was not.
    pub outcome: &'static str,
    /// Who, on this machine.
    pub operator: &'a str,
    /// Why, in the operator's own words.
    pub reason: &'a str,
    /// Which widget, when the command is about one.
    pub widget: &'a str,
    /// The pseudonym, when the command is about one.
    pub id: &'a str,
    /// Whose id or account it was about.
    pub subject: Option<&'a str>,
}

/// What happened to the service itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Change<'a> {
    /// `start`, `reload` or `stop`.
    pub what: &'static str,
    /// `done`, `applied` or `refused`.
    pub outcome: &'static str,
    /// Settings that are in force from now on.
    pub changed: &'a [&'a str],
    /// Settings that wait for a restart.
    pub needs_restart: &'a [&'a str],
    /// Why it was refused.
    pub problem: &'a str,
}
