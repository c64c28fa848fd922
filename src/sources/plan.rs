//! What a session source is to whoever puts the service together: its name, its settings, and how it is made of them.

use std::fmt;
use std::sync::Arc;

use crate::base::clock::Clock;
use crate::config::env::{Env, Var};
use crate::login;
use crate::login::sessions::LoginSessions;
use crate::net::outbound::Outbound;
use crate::net::peer::{Transport, TrustedProxies};
use crate::session::Authenticator;

/// One kind of source.
pub struct Kind {
    /// As it stands in `SESSION_SOURCES`.
    pub name: &'static str,
    /// Heading of its settings.
    pub title: &'static str,
    /// Its settings, in the order of the sample file.
    pub vars: &'static [&'static Var],
    /// Reads them; `None` after naming what is wrong.
    pub parse: fn(&mut Env, &Context<'_>) -> Option<Arc<dyn SourceSettings>>,
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// What a source's settings are checked against.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// How others are called.
    pub outbound: &'a Outbound,
    /// Whose word about addresses counts.
    pub proxies: &'a TrustedProxies,
    /// What the listener proves: a Unix socket and a client certificate are the proxy's alone.
    pub transport: Transport,
    /// Our own login, when there is one.
    pub login: Option<&'a login::Settings>,
}

/// What a source works with.
#[derive(Debug, Clone, Copy)]
pub struct Collaborators<'a> {
    /// How others are called.
    pub outbound: &'a Outbound,
    /// Whose word about addresses counts.
    pub proxies: &'a TrustedProxies,
    /// Time.
    pub clock: &'a Clock,
    /// The sessions of our own login, when there is one.
    pub login: Option<&'a LoginSessions>,
}

/// One source's settings: plain values, of which a source can be made.
pub trait SourceSettings: fmt::Debug + Send + Sync {
    /// Names of the attributes that its sessions may carry, beside what every session has.
    fn attributes(&self) -> Vec<String>;

    /// Makes the source. Nothing is fetched or opened yet.
    ///
    /// # Errors
    /// A sentence for the operator.
    fn build(&self, with: &Collaborators<'_>) -> Result<Arc<dyn Authenticator>, String>;
}

/// For [`Kind::parse`].
pub fn shared(settings: Option<impl SourceSettings + 'static>) -> Option<Arc<dyn SourceSettings>> {
    settings.map(|settings| Arc::new(settings) as Arc<dyn SourceSettings>)
}
