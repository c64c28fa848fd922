//! Every room's settings, composed into one configuration. Only `app.rs` and the command line look in here.

use std::collections::BTreeSet;
use std::sync::Arc;

use url::Url;

use crate::base::clock::Clock;
use crate::claims::pseudonym::{self, Namespaces, Pseudonyms};
use crate::config::env::{Env, Mistakes, Reading, Var};
use crate::config::var::{infix_of, scoped};
use crate::connector;
use crate::http::admin::{ADMIN_HOSTS, AdminNames};
use crate::http::listen::Address;
use crate::http::origin::{ALLOWED_ORIGINS, OriginRules, PUBLIC_URL};
use crate::http::routes::Routes;
use crate::http::rules::TokenRules;
use crate::issuance::Issuer;
use crate::jose::keyring::Keyring;
use crate::login::accounts::Accounts;
use crate::login::sessions::{self, LoginSessions};
use crate::login::{self, oidc};
use crate::net::origin::Origin;
use crate::net::outbound::{Outbound, is_loopback};

use crate::net::peer::{TRUSTED_PROXIES, TrustedProxies};
use crate::observe::audit::settings::AuditSettings;
use crate::observe::logs;
use crate::session::Authenticator;
use crate::sources::assertion::{self, Assertion};
use crate::sources::bearer::{self, Bearer};
use crate::sources::forwarded::{self, Forwarded};
use crate::sources::login::{self as login_source, LoginSource};
use crate::sources::store::{self, HostStore};
use crate::sources::upstream::{self, Upstream};
use crate::sources::{Chain, SESSION_CROSS_CHECK, SESSION_ON_OUTAGE, SESSION_SOURCES, read_order};
use crate::store::limits::Limiter;
use crate::store::{Kept, place};
use crate::widget::policy::Policy;
use crate::widget::vars::WIDGETS;
use crate::widget::{self, Shared, Widget};

/// Where visitors' requests come in.
pub const LISTEN: Var = Var::new(
    "LISTEN",
    "127.0.0.1:8080",
    "unix:/run/countersign/http.sock",
    "Where pages' requests come in, from the proxy: address:port, or unix:/path.",
);
/// Where operations look in.
pub const ADMIN_LISTEN: Var = Var::new(
    "ADMIN_LISTEN",
    "127.0.0.1:9090",
    "off",
    "Where health, metrics and the console are served: address:port, unix:/path, or off. Never expose it.",
);

/// A section of the settings table.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// Heading.
    pub title: &'static str,
    /// Its variables.
    pub vars: &'static [&'static Var],
}

/// Every setting there is, in the order of the settings table.
pub const SECTIONS: &[Section] = &[
    Section { title: "Where it listens and what it is called", vars: &[&LISTEN, &ADMIN_LISTEN, &ADMIN_HOSTS] },
    Section { title: "Which pages may ask", vars: OriginRules::VARS },
    Section { title: "How they ask", vars: TokenRules::VARS },
    Section {
        title: "Who the visitor is",
        vars: &[&SESSION_SOURCES, &SESSION_ON_OUTAGE, &SESSION_CROSS_CHECK, &TRUSTED_PROXIES],
    },
    Section { title: "Source `forwarded`: headers of an auth proxy", vars: Forwarded::VARS },
    Section { title: "Source `assertion`: a signed identity header", vars: Assertion::VARS },
    Section { title: "Source `bearer`: access tokens", vars: Bearer::VARS },
    Section { title: "Source `upstream`: the host's session endpoint", vars: Upstream::VARS },
    Section { title: "Source `store`: the host's tower-sessions record", vars: HostStore::VARS },
    Section { title: "Source `login`: our own login", vars: login::Settings::VARS },
    Section { title: "`LOGIN=oidc`: at the organisation's identity provider", vars: oidc::settings::Settings::VARS },
    Section { title: "`LOGIN=accounts`: with local accounts", vars: Accounts::VARS },
    Section { title: "Sessions of our own login", vars: sessions::Settings::VARS },
    Section { title: "Where they are kept", vars: place::Settings::VARS },
    Section { title: "Widgets", vars: widget::vars::VARS },
    Section { title: "A widget's keys", vars: Keyring::VARS },
    Section { title: "A widget's rules", vars: Policy::VARS },
    Section { title: "Direct Line (`healthcare-agent`, `copilot-studio`)", vars: connector::VARS },
    Section { title: "Pseudonyms", vars: Pseudonyms::VARS },
    Section { title: "Time and limits", vars: Issuer::VARS },
    Section { title: "Allowances", vars: Limiter::VARS },
    Section { title: "Records and logs", vars: AuditSettings::VARS },
    Section { title: "Log", vars: logs::VARS },
    Section { title: "Outbound calls", vars: Outbound::VARS },
];

/// Beginnings of names that are ours: a name that begins so and is no setting is a mistake, not silence.
const PREFIXES: &[&str] = &[
    "WIDGET",
    "SESSION_",
    "ASSERTION_",
    "BEARER_",
    "FORWARDED_",
    "UPSTREAM_",
    "STORE_",
    "LOGIN",
    "LOGOUT_",
    "OIDC_",
    "ACCOUNTS",
    "TOKEN_",
    "AUDIT_",
    "DIRECTLINE_",
    "WEBCHAT_",
    "APP_SECRET",
    "AUTH_JWT_",
    "END_USER_AUTH_",
    "PSEUDONYM_",
    "SUBJECT_NAMESPACE",
    "RATE_LIMIT_",
    "PUBLIC_URL",
    "ALLOWED_ORIGIN",
    "ALLOW_CROSS",
    "TRUSTED_PROX",
    "CLOCK_SKEW",
    "EXTRA_CA",
    "ADMIN_",
    "LOG_FORMAT",
    "LOG_LEVEL",
    "COUNTERSIGN_",
];

/// The whole configuration, parsed, bound and checked.
#[derive(Debug)]
pub struct Config {
    /// Where visitors' requests come in.
    pub listen: Address,
    /// Where operations look in; `None` when off.
    pub admin_listen: Option<Address>,
    /// Names of the admin listener.
    pub admin_names: AdminNames,
    /// Our own public address.
    pub public_url: Option<Url>,
    /// Which pages may ask.
    pub origins: OriginRules,
    /// How they must ask.
    pub token: TokenRules,
    /// Whose word about addresses counts.
    pub proxies: TrustedProxies,
    /// The widgets.
    pub widgets: Vec<Widget>,
    /// Where every path leads.
    pub routes: Routes,
    /// What the widgets share.
    pub shared: Shared,
    /// The sources and the issuer over them.
    pub issuer: Issuer,
    /// Our own login, when there is one.
    pub login: Option<LoginConfig>,
    /// What stays open when the configuration is read again.
    pub kept: Kept,
    /// Allowances.
    pub limiter: Limiter,
    /// Where audit records go.
    pub audit: AuditSettings,
    /// What took effect, what to know, and which files to watch.
    pub reading: Reading,
}

/// Our own login and its sessions.
#[derive(Debug, Clone)]
pub struct LoginConfig {
    /// How it works.
    pub settings: login::Settings,
    /// Its sessions.
    pub sessions: LoginSessions,
}

impl Config {
    /// Reads everything, and names everything that is wrong.
    ///
    /// # Errors
    /// [`Mistakes`], all of them.
    pub fn read(env: Env, clock: &Clock) -> Result<Self, Mistakes> {
        Self::read_again(env, clock, &Kept::default())
    }

    /// The same after something has changed: what can stay open stays open.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn read_again(mut env: Env, clock: &Clock, kept: &Kept) -> Result<Self, Mistakes> {
        let listen: Option<Address> = env.parse(&LISTEN);
        let admin_listen = read_admin(&mut env);
        let admin_names = AdminNames::read(&mut env);
        logs::check(&mut env);
        let (public_url, other_origins, mut origins) = OriginRules::read(&mut env);
        let token = TokenRules::read(&mut env);
        let proxies = TrustedProxies::read(&mut env);
        let outbound = Outbound::read(&mut env);
        let unix = matches!(listen, Some(Address::Unix(_)));
        let login = login::Settings::read(&mut env, public_url.as_ref(), &outbound, clock);
        let login = login.and_then(|settings| read_visits(&mut env, settings, clock, kept));
        let chain = read_chain(&mut env, &outbound, &proxies, unix, clock, login.as_ref());
        origins.page_headers = chain.sent_by_pages().chain(token.required_header().cloned()).collect();
        let shared = read_shared(&mut env, public_url.clone(), other_origins, outbound, clock);
        check_namespaces(&mut env, &shared.namespaces, &chain);
        let widgets = Widget::read_all(&mut env, &shared);
        token.check_aliases(&mut env, &widgets);
        let mount = public_url.as_ref().map(mount).unwrap_or_default();
        let (routes, conflicts) = Routes::new(&mount, &token, &widgets, login.is_some());
        for conflict in conflicts {
            env.mistake_in(conflict.setting, &conflict.problem);
        }
        if let Some(login) = &login {
            warn_of_shared_address(&mut env, login, &proxies, unix);
        }
        warn_of_addresses(&mut env, public_url.as_ref(), &shared.origins, admin_listen.as_ref());
        let skew = Issuer::read_skew(&mut env);
        let limiter = Limiter::read(&mut env, clock);
        let audit = AuditSettings::read(&mut env);
        let names: Vec<String> = env.list(&WIDGETS);
        let reading = env.finish(&known_names(&names), PREFIXES)?;
        let missing = || Mistakes(Vec::new());
        Ok(Self {
            listen: listen.ok_or_else(missing)?,
            admin_listen,
            admin_names,
            public_url,
            origins,
            token,
            proxies,
            widgets,
            routes,
            shared,
            issuer: Issuer::new(chain, clock.clone(), skew),
            login,
            kept: kept.clone(),
            limiter,
            audit,
            reading,
        })
    }

    /// The path under which the organisation's site routes to us, without a trailing slash; empty at the root.
    #[must_use]
    pub fn mount(&self) -> String {
        self.public_url.as_ref().map(mount).unwrap_or_default()
    }
}

fn mount(url: &Url) -> String {
    url.path().trim_end_matches('/').to_owned()
}

fn read_shared(
    env: &mut Env,
    public_url: Option<Url>,
    origins: Vec<Origin>,
    outbound: Outbound,
    clock: &Clock,
) -> Shared {
    let pseudonyms = Pseudonyms::read(env).map(Arc::new);
    let namespaces = Arc::new(Namespaces::read(env));
    Shared { public_url, origins, outbound, clock: clock.clone(), pseudonyms, namespaces }
}

/// Names login systems of sources that are not asked, and warns where two systems could be taken for one.
fn check_namespaces(env: &mut Env, namespaces: &Namespaces, chain: &Chain) {
    if chain.names().nth(1).is_some() && !chain.must_agree() && !env.is_set(&pseudonym::NAMESPACE) {
        let problem = "is not set, and SESSION_SOURCES names several sources: whoever has the same id in two of them is one person to the widget, and can be read as the other. If they are different login systems, name each, as in forwarded=sso,login=local, with WIDGET_SUBJECT=pseudonym; if they are one, say so: SUBJECT_NAMESPACE=default";
        env.warn(pseudonym::NAMESPACE.name, problem);
    }
    for unknown in namespaces.sources().filter(|source| !chain.names().any(|name| name == *source)) {
        let why = format!("names the source `{unknown}`, which is not in SESSION_SOURCES");
        env.mistake_in(&pseudonym::NAMESPACE, &why);
    }
}

fn read_admin(env: &mut Env) -> Option<Address> {
    let off = env.text(&ADMIN_LISTEN).is_some_and(|text| text.eq_ignore_ascii_case("off"));
    if off { None } else { env.parse(&ADMIN_LISTEN) }
}

fn read_visits(env: &mut Env, settings: login::Settings, clock: &Clock, kept: &Kept) -> Option<LoginConfig> {
    let store = kept.store(&place::Settings::read(env)?, clock);
    let sessions = settings.sessions(store, clock.clone());
    Some(LoginConfig { settings, sessions })
}

/// Addresses that work, and are hardly meant.
fn warn_of_addresses(env: &mut Env, public_url: Option<&Url>, listed: &[Origin], admin: Option<&Address>) {
    const PLAIN: &str = "is plain http: whoever is on the way can read tokens and cookies, and browsers withhold what needs a secure page. Fine on one machine, not for visitors";
    match public_url {
        None if !env.is_set(&PUBLIC_URL) => {
            let problem = "is not set: browsers without Fetch Metadata are refused, and formats that name an issuer need it. It is the address under which pages reach this service, path included";
            env.warn(PUBLIC_URL.name, problem);
        }
        Some(url) if url.scheme() == "http" && !is_loopback(url) => env.warn(PUBLIC_URL.name, PLAIN),
        _ => {}
    }
    let plain = |origin: &&Origin| {
        let url = Url::parse(origin.as_str()).ok();
        url.is_some_and(|url| url.scheme() == "http" && !is_loopback(&url))
    };
    if let Some(origin) = listed.iter().find(plain) {
        env.warn(ALLOWED_ORIGINS.name, &format!("{origin} {PLAIN}"));
    }
    if admin.is_some_and(|address| matches!(address, Address::Tcp(at) if at.ip().is_unspecified())) {
        let problem = "is every address of this machine: metrics and the console are for operators alone";
        env.warn(ADMIN_LISTEN.name, problem);
    }
}

/// Behind a proxy that is not named, every visitor comes from one address.
fn warn_of_shared_address(env: &mut Env, login: &LoginConfig, proxies: &TrustedProxies, unix: bool) {
    if proxies.is_empty() && !unix {
        let guesses = "is not set: behind a proxy all visitors come from one address, and one who guesses passwords can keep the others waiting";
        let logins = "is not set: behind a proxy all visitors come from one address, and their logins at the identity provider are counted as one visitor's";
        env.warn(TRUSTED_PROXIES.name, if login.settings.takes_passwords() { guesses } else { logins });
    }
}

/// A login that nobody asks about, and a question about a login that does not exist, are both somebody's oversight.
fn check_login(env: &mut Env, order: &[&'static str]) {
    match (login::Settings::is_wanted(env), order.contains(&login_source::NAME)) {
        (true, false) => env.mistake_in(&SESSION_SOURCES, "must hold `login`, or nobody who logs in here is known"),
        (false, true) => env.mistake_in(&login::LOGIN, "is required for the source login: oidc or accounts"),
        _ => {}
    }
}

fn read_chain(
    env: &mut Env,
    outbound: &Outbound,
    proxies: &TrustedProxies,
    unix: bool,
    clock: &Clock,
    login: Option<&LoginConfig>,
) -> Chain {
    let known = [forwarded::NAME, assertion::NAME, bearer::NAME, upstream::NAME, store::NAME, login_source::NAME];
    let (order, rule) = read_order(env, &known);
    check_login(env, &order);
    let mut sources: Vec<Box<dyn Authenticator>> = Vec::new();
    for name in order {
        let source: Option<Box<dyn Authenticator>> = match name {
            forwarded::NAME => Forwarded::read(env, proxies, unix).map(|s| Box::new(s) as _),
            assertion::NAME => Assertion::read(env, outbound, clock).map(|s| Box::new(s.behind(proxies)) as _),
            bearer::NAME => Bearer::read(env, outbound, proxies, clock).map(|s| Box::new(s) as _),
            store::NAME => HostStore::read(env, clock).map(|s| Box::new(s) as _),
            login_source::NAME => login.map(|login| Box::new(LoginSource::new(login.sessions.clone())) as _),
            _ => Upstream::read(env, outbound, proxies, clock).map(|s| Box::new(s) as _),
        };
        sources.extend(source);
    }
    Chain::new(sources, rule)
}

/// Every name that is a setting when these widgets are configured.
fn known_names(widgets: &[String]) -> BTreeSet<String> {
    let vars = SECTIONS.iter().flat_map(|section| section.vars.iter());
    let mut known = BTreeSet::new();
    for var in vars {
        let of_widget = var.name.starts_with("WIDGET_");
        if of_widget && !widgets.is_empty() {
            known.extend(widgets.iter().map(|widget| scoped(var.name, Some(&infix_of(widget)))));
        } else {
            known.insert(var.name.to_owned());
            known.extend(var.aliases.iter().map(|&alias| alias.to_owned()));
        }
    }
    known
}
