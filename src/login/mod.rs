//! Our own login, for organisations whose page is anonymous until somebody logs in: at their identity provider, or with a
//! local account.
//!
//! It ends with one thing: a session cookie (see [`sessions`]), which the session source `login` reads. Everything on the way
//! is bound to one browser by a [`transaction`] and leads to a [`return_to`] of our own origin. Its pages and routes are in
//! `http/login`.

pub mod accounts;
pub mod brand;
pub mod oidc;
pub mod return_to;
pub mod seal;
pub mod sessions;
pub mod standing;
pub mod texts;
pub mod transaction;

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use url::Url;

use crate::base::clock::Clock;
use crate::base::rate::Rate;
use crate::config::env::{Env, Var};
use crate::login::accounts::store::AccountStore;
use crate::login::accounts::throttle::LoginThrottle;
use crate::login::accounts::{Accounts, Gate};
use crate::login::brand::Brand;
use crate::login::oidc::Oidc;
use crate::login::return_to::ReturnTo;
use crate::login::seal::Seals;
use crate::login::sessions::LoginSessions;
use crate::login::standing::Standing;
use crate::net::origin::Origin;
use crate::net::outbound::{self, Outbound};
pub use crate::observe::audit::Event;
use crate::store::Store;
use crate::store::limits::Limiter;
use crate::store::place;

/// The stylesheet of the login's pages, without the organisation's colour.
const STYLE: &str = include_str!("../browser/login.css");

crate::settings! {
    pub vars {
        LOGIN("none", "oidc"),
            "Our own login, for pages on which nobody is logged in yet: none, oidc (the organisation's identity provider), accounts (a local file). Needs PUBLIC_URL, and `login` in SESSION_SOURCES.";
        LOGIN_TITLE("Log in", "Log in to Example Hospital"),
            "Heading of the login pages.";
        LOGIN_RETURN_TO("/", "/help"),
            "Path on our own origin where a visitor goes after the login when the page named none.";
        LOGOUT_RETURN_TO("", "/goodbye"),
            "Path on our own origin where a visitor goes after logging out; a page of ours when not set. The identity provider must know it as a post-logout redirect address.";
    }
}

/// Which login, with what it needs.
#[derive(Debug, Clone)]
enum Choice {
    Oidc(Box<oidc::settings::Settings>),
    Accounts(Arc<AccountStore>),
}

impl Choice {
    /// Keys that every replica has without being given one.
    fn seals(&self) -> Seals {
        match self {
            Self::Oidc(oidc) => Seals::derived(&oidc.client_secret),
            Self::Accounts(accounts) => Seals::of_accounts(accounts),
        }
    }
}

/// The settings of our own login.
#[derive(Debug, Clone)]
pub struct Settings {
    choice: Choice,
    site: Site,
    brand: Brand,
    outbound: Outbound,
    /// How long sessions last and what their cookie is.
    pub sessions: sessions::Settings,
    seals: Arc<Seals>,
    /// Where they are kept.
    pub place: place::Settings,
}

/// Where we are on the organisation's site.
#[derive(Debug, Clone)]
pub struct Site {
    /// Our own address.
    pub url: Url,
    /// Its origin.
    pub own: Origin,
    /// Heading of the pages.
    pub title: String,
    /// Where a login leads when the page named nothing.
    pub after_login: ReturnTo,
    /// Where a logout leads; a page of ours when `None`.
    pub after_logout: Option<ReturnTo>,
}

impl Site {
    /// Our own address without a trailing slash.
    #[must_use]
    pub fn base(&self) -> String {
        self.url.as_str().trim_end_matches('/').to_owned()
    }

    /// An absolute address on our own origin.
    #[must_use]
    pub fn absolute(&self, path: &ReturnTo) -> String {
        format!("{}{}", self.own, path.as_str())
    }
}

impl Settings {
    /// Every setting, in the order of the sample file.
    pub const VARS: &[&Var] = &[
        &LOGIN,
        &LOGIN_TITLE,
        &LOGIN_RETURN_TO,
        &LOGOUT_RETURN_TO,
        &seal::SESSION_STORE_KEY,
        &seal::SESSION_STORE_KEY_NEXT,
        &seal::SESSION_STORE_KEY_PREVIOUS,
    ];

    /// Whether a login of our own is wanted, however well it is configured.
    pub fn is_wanted(env: &mut Env) -> bool {
        read_kind(env) != Kind::None
    }

    /// Reads everything; `None` when there is to be no login of our own, or after naming what is wrong.
    pub fn read(env: &mut Env, public_url: Option<&Url>, outbound: &Outbound) -> Option<Self> {
        let kind = read_kind(env);
        if kind == Kind::None {
            return None;
        }
        let sessions = sessions::Settings::read(env);
        let choice = match kind {
            Kind::Oidc => oidc::settings::Settings::read(env, outbound).map(|s| Choice::Oidc(Box::new(s))),
            _ => Accounts::read(env).map(Choice::Accounts),
        };
        let site = read_site(env, public_url);
        let brand = Brand::read(env);
        let own = Seals::read(env);
        let choice = choice?;
        let seals = Arc::new(own.unwrap_or_else(|| choice.seals()));
        // Where they are kept is read last, and only where something is to be kept.
        let place = place::Settings::read(env);
        Some(Self {
            choice,
            site: site?,
            brand: brand?,
            outbound: outbound.clone(),
            sessions: sessions?,
            seals,
            place: place?,
        })
    }
}

impl Settings {
    /// The sessions of this login in a store.
    #[must_use]
    pub fn sessions(&self, store: Store, clock: Clock) -> LoginSessions {
        let standing = match &self.choice {
            Choice::Oidc(oidc) => {
                Standing::provider(oidc::METHOD, &oidc.issuer, &oidc.client_id, oidc.mapping.subject())
            }
            Choice::Accounts(accounts) => Standing::accounts(accounts::METHOD, accounts.clone()),
        };
        LoginSessions::new(self.sessions.clone(), standing, self.seals.clone(), store, clock)
    }

    /// The accounts, where this login has its own.
    #[must_use]
    pub fn accounts(&self) -> Option<&AccountStore> {
        match &self.choice {
            Choice::Oidc(_) => None,
            Choice::Accounts(accounts) => Some(accounts),
        }
    }

    /// Names of the attributes that its sessions may carry.
    #[must_use]
    pub fn attributes(&self) -> Vec<String> {
        match &self.choice {
            Choice::Oidc(settings) => {
                let always = oidc::ALWAYS.map(str::to_owned);
                settings.mapping.attributes().into_iter().chain(always).collect()
            }
            Choice::Accounts(accounts) => {
                accounts.accounts().iter().flat_map(|account| account.attributes.keys().cloned()).collect()
            }
        }
    }

    /// Whether its subjects are others than the identity provider's own (`sub`), so that a logout token does not name them.
    #[must_use]
    pub fn names_others_than_its_provider(&self) -> bool {
        matches!(&self.choice, Choice::Oidc(settings) if settings.mapping.subject() != oidc::logout::PROVIDERS_OWN)
    }

    /// Whether passwords are typed here.
    #[must_use]
    pub fn takes_passwords(&self) -> bool {
        matches!(self.choice, Choice::Accounts(_))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    None,
    Oidc,
    Accounts,
}

fn read_kind(env: &mut Env) -> Kind {
    let kinds = [("none", Kind::None), ("oidc", Kind::Oidc), ("accounts", Kind::Accounts)];
    env.choice(&LOGIN, &kinds).unwrap_or(Kind::None)
}

fn read_site(env: &mut Env, public_url: Option<&Url>) -> Option<Site> {
    let Some((url, own)) = public_url.and_then(|url| Some((url.clone(), Origin::of(url)?))) else {
        env.mistake_in(&LOGIN, "needs PUBLIC_URL: the login must know its own address");
        return None;
    };
    if url.scheme() != "https" && !outbound::is_loopback(&url) {
        env.mistake_in(
            &LOGIN,
            "needs an https PUBLIC_URL: over plain http passwords can be read, and browsers drop the session's cookie",
        );
    }
    let path = |env: &mut Env, var: &Var| {
        let text = env.text(var)?;
        let path = ReturnTo::new(&text, &url);
        if path.is_none() {
            env.mistake_in(var, "is not a plain path on our own origin, such as /help");
        }
        path
    };
    Some(Site {
        own,
        title: env.text(&LOGIN_TITLE)?,
        after_login: path(env, &LOGIN_RETURN_TO)?,
        after_logout: path(env, &LOGOUT_RETURN_TO),
        url,
    })
}

/// How somebody proves who they are.
#[derive(Debug)]
pub enum Method {
    /// At the organisation's identity provider.
    Oidc(Box<Oidc>),
    /// With a local account.
    Accounts(Accounts),
}

impl Method {
    /// How records call it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Oidc(_) => oidc::METHOD,
            Self::Accounts(_) => accounts::METHOD,
        }
    }
}

/// What lives on while the configuration changes: attempts stay counted.
pub struct LoginLimits {
    gate: Gate,
    /// How often visitors of one address come back from the provider.
    pub returns: Limiter,
}

/// A whole building may log in within a minute from one address.
const RETURNS: Rate = Rate { count: NonZeroU32::new(300).unwrap(), per: Duration::from_mins(1) };

impl fmt::Debug for LoginLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginLimits").finish_non_exhaustive()
    }
}

impl LoginLimits {
    /// Nobody has tried anything yet.
    #[must_use]
    pub fn new(clock: &Clock) -> Self {
        Self { gate: Gate::new(LoginThrottle::new(clock.clone())), returns: Limiter::new(Some(RETURNS), clock) }
    }

    /// Forgets what nobody needs to remember. To be called now and then.
    pub fn forget_idle(&self) {
        self.gate.throttle.forget_idle();
        self.returns.forget_idle();
    }
}

/// The login as it is configured at present.
pub struct LoginService {
    /// How somebody proves who they are.
    pub method: Method,
    /// Where we are.
    pub site: Site,
    /// How its pages look, and what they say.
    pub brand: Brand,
    /// The stylesheet of its pages.
    pub style: Bytes,
    /// The sessions it begins and ends.
    pub sessions: LoginSessions,
    /// How often somebody may try.
    pub limits: Arc<LoginLimits>,
    /// Time.
    pub clock: Clock,
}

impl fmt::Debug for LoginService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginService").field("method", &self.method.name()).finish_non_exhaustive()
    }
}

impl LoginService {
    /// A login of these settings over these sessions.
    ///
    /// # Errors
    /// A sentence for the operator when the identity provider may not be called.
    pub fn new(
        settings: Settings,
        sessions: LoginSessions,
        limits: &Arc<LoginLimits>,
        clock: &Clock,
    ) -> Result<Self, String> {
        let Settings { choice, site, brand, outbound, .. } = settings;
        let method = match choice {
            Choice::Oidc(settings) => Method::Oidc(Box::new(Oidc::new(*settings, &site.base(), &outbound, clock)?)),
            Choice::Accounts(store) => Method::Accounts(Accounts::new(store, limits.gate.clone())),
        };
        let style = Bytes::from(format!("{STYLE}{}", brand.style()));
        Ok(Self { method, site, brand, style, sessions, limits: limits.clone(), clock: clock.clone() })
    }

    /// Where a visitor logs in: the whole address, because pages of other origins may be shown it.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}/login", self.site.base())
    }

    /// Whether logins can work at present: the identity provider's documents are there.
    ///
    /// # Errors
    /// The word for what is missing.
    pub async fn warm(&self) -> Result<(), &'static str> {
        match &self.method {
            Method::Oidc(oidc) => oidc.warm().await.map_err(oidc::Failed::reason),
            Method::Accounts(_) => Ok(()),
        }
    }
}
