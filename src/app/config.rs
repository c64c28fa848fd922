//! Every wing's settings, composed. Only `app` and the command line look in here.

mod checks;

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use url::Url;

use crate::base::clock::Clock;
use crate::claims::pseudonym::{self, Namespaces, Pseudonyms};
use crate::config::env::{Env, Mistakes, Reading, Var};
use crate::config::var::{infix_of, scoped};
use crate::connector;
use crate::http;
use crate::http::admin::{ADMIN_HOSTS, AdminNames};
use crate::http::bearer::BearerSecrets;
use crate::http::head::HeadLimits;
use crate::http::listen::tls::{self, Tls};
use crate::http::listen::{Address, ConnectionLimits};
use crate::http::origin::OriginRules;
use crate::http::routes::Routes;
use crate::http::rules::TokenRules;
use crate::issuance::{self, Issuer};
use crate::jose::keyring;
use crate::login::{self, accounts, oidc, sessions};
use crate::net::origin::Origin;
use crate::net::outbound::{self, Outbound};

use crate::base::rate::Rate;
use crate::net::peer::{TRUSTED_PROXIES, Transport, TrustedProxies};
use crate::observe::audit::settings::AuditSettings;
use crate::observe::{audit, logs};
use crate::sources::bearer;
use crate::sources::plan::Context;
use crate::sources::{self, Chain, KINDS, SESSION_CROSS_CHECK, SESSION_ON_OUTAGE, SESSION_SOURCES};
use crate::store::limits;
use crate::store::place;
use crate::widget::policy;
use crate::widget::vars::WIDGETS;
use crate::widget::{self, Shared};

crate::settings! {
    pub vars {
        LISTEN("127.0.0.1:8080", "unix:/run/countersign/http.sock"; at_start()),
            "Where pages' requests come in, from the proxy: address:port, or unix:/path.";
        ADMIN_LISTEN("127.0.0.1:9090", "off"; at_start()),
            "Where health, metrics and the console are served: address:port, unix:/path, or off. Never expose it.";
        SHUTDOWN_DELAY("0s", "10s"; at_start()),
            "How long the service goes on answering after it was told to stop, at most 5m: /ready says 503 at once, and proxies and orchestrators need a moment to see it.";
    }
}

/// A section of the settings table.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// Heading.
    pub title: &'static str,
    /// Its variables.
    pub vars: &'static [&'static Var],
}

/// Every setting there is, in the order of the settings table.
pub static SECTIONS: LazyLock<Vec<Section>> = LazyLock::new(|| {
    let sources = KINDS.map(|kind| Section { title: kind.title, vars: kind.vars });
    BEFORE_SOURCES.iter().chain(&sources).chain(AFTER_SOURCES).copied().collect()
});

const BEFORE_SOURCES: &[Section] = &[
    Section {
        title: "Where it listens and what it is called",
        vars: &[&LISTEN, &ADMIN_LISTEN, &ADMIN_HOSTS, &SHUTDOWN_DELAY],
    },
    Section { title: "TLS, for proxies on another host", vars: tls::VARS },
    Section { title: "Which pages may ask", vars: http::origin::VARS },
    Section { title: "How they ask", vars: http::rules::VARS },
    Section { title: "Whom widgets' servers ask (`POST /introspect`)", vars: http::introspect::VARS },
    Section { title: "Who may revoke", vars: http::admin::revoke::VARS },
    Section { title: "How much a request may carry", vars: HeadLimits::VARS },
    Section { title: "How many connections there may be, and how long they may wait", vars: ConnectionLimits::VARS },
    Section {
        title: "Who the visitor is",
        vars: &[&SESSION_SOURCES, &SESSION_ON_OUTAGE, &SESSION_CROSS_CHECK, &TRUSTED_PROXIES],
    },
];

const AFTER_SOURCES: &[Section] = &[
    Section { title: "How the login's pages look", vars: login::brand::Settings::VARS },
    Section { title: "`LOGIN=oidc`: at the organisation's identity provider", vars: oidc::settings::VARS },
    Section { title: "`LOGIN=accounts`: with local accounts", vars: accounts::VARS },
    Section { title: "Sessions of our own login", vars: sessions::VARS },
    Section { title: "Where they are kept", vars: place::VARS },
    Section { title: "Widgets", vars: widget::vars::VARS },
    Section { title: "A widget's keys", vars: keyring::VARS },
    Section { title: "A widget's rules", vars: policy::VARS },
    Section { title: "Direct Line (`healthcare-agent`, `copilot-studio`)", vars: connector::VARS },
    Section { title: "Pseudonyms", vars: pseudonym::VARS },
    Section { title: "Time and limits", vars: issuance::VARS },
    Section { title: "Allowances", vars: limits::VARS },
    Section { title: "Records and logs", vars: audit::settings::VARS },
    Section { title: "Log", vars: logs::VARS },
    Section { title: "Outbound calls", vars: outbound::client::VARS },
];

/// Beginnings of names that are ours, beside the names of the session sources: a name that begins so and is no setting is a
/// mistake, not silence.
const PREFIXES: &[&str] = &[
    "WIDGET",
    "SESSION_",
    "LOGIN",
    "LOGOUT_",
    "OIDC_",
    "ACCOUNTS",
    "TOKEN_",
    "AUDIT_",
    "REPLICA_ID",
    "INTROSPECTION",
    "REVOCATION",
    "DIRECTLINE_",
    "WEBCHAT_",
    "APP_SECRET",
    "AUTH_JWT_",
    "END_USER_AUTH_",
    "PSEUDONYM_",
    "SUBJECT_NAMESPACE",
    "RATE_LIMIT_",
    "CONNECTION",
    "TLS_",
    "REQUEST_HEAD",
    "REQUEST_COOKIES",
    "PUBLIC_URL",
    "ALLOWED_ORIGIN",
    "ALLOW_CROSS",
    "TRUSTED_PROX",
    "CLOCK_SKEW",
    "EXTRA_CA",
    "ADMIN_",
    "LOG_FORMAT",
    "LOG_LEVEL",
    "SHUTDOWN_",
    "COUNTERSIGN_",
];

/// Every wing's settings, parsed and checked: plain values. Nothing is opened, called or written to make them; only the files
/// that settings name are read.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where visitors' requests come in.
    pub listen: Address,
    /// Where operations look in; `None` when off.
    pub admin_listen: Option<Address>,
    /// How long visitors are still served after they should be sent elsewhere.
    pub shutdown_delay: Duration,
    /// Names of the admin listener.
    pub admin_names: AdminNames,
    /// Which pages may ask.
    pub origins: OriginRules,
    /// How they must ask.
    pub token: TokenRules,
    /// Who may ask about tokens, when anybody may.
    pub introspection: Option<http::introspect::Settings>,
    /// Who may end everything of a subject, when anybody may.
    pub revokers: Option<BearerSecrets>,
    /// Where state is kept that replicas share, where there is any.
    pub place: Option<place::Settings>,
    /// How many connections there may be, and how long they may wait.
    pub connections: ConnectionLimits,
    /// What the listener shows and asks for; `None` for plain HTTP.
    pub tls: Option<Arc<Tls>>,
    /// How much a request may carry.
    pub heads: HeadLimits,
    /// Whose word about addresses counts.
    pub proxies: TrustedProxies,
    /// Where a session is looked for.
    pub sources: sources::Settings,
    /// Our own login, when there is one.
    pub login: Option<login::Settings>,
    /// The widgets.
    pub widgets: Vec<widget::Settings>,
    /// Where every path leads.
    pub routes: Routes,
    /// What the widgets share.
    pub shared: Shared,
    /// How far tokens are back-dated.
    pub skew: Duration,
    /// How many tokens one visitor may fetch; `None` is any number.
    pub rate: Option<Rate>,
    /// Where audit records go.
    pub audit: AuditSettings,
    /// What took effect, what to know, and which files to watch.
    pub reading: Reading,
}

/// What everything that calls others is made of ([`Env::part`]).
pub(super) const NETWORK: &str = "network";
/// What our own login is made of, besides.
pub(super) const LOGIN: &str = "login";

impl Settings {
    /// Reads everything, and names everything that is wrong.
    ///
    /// # Errors
    /// [`Mistakes`], all of them.
    pub fn read(mut env: Env) -> Result<Self, Mistakes> {
        let env = &mut env;
        let admin_listen = read_admin(env);
        let admin_names = AdminNames::read(env);
        let delay = env.duration_within(&SHUTDOWN_DELAY, Duration::ZERO, Duration::from_mins(5));
        logs::check(env);
        let (listen, proxies, outbound) =
            env.part(NETWORK, |env| (env.parse::<Address>(&LISTEN), TrustedProxies::read(env), Outbound::read(env)));
        let token = TokenRules::read(env);
        let connections = ConnectionLimits::parse(env).unwrap_or(ConnectionLimits::DEFAULT);
        let heads = HeadLimits::parse(env).unwrap_or(HeadLimits::DEFAULT);
        let unix = matches!(listen, Some(Address::Unix(_)));
        let tls = Tls::read(env, unix);
        let transport = transport(unix, tls.as_deref());
        let ((public_url, other_origins, mut origins), login) = env.part(LOGIN, |env| {
            let address = OriginRules::read(env);
            let login = login::Settings::read(env, address.0.as_ref(), &outbound);
            (address, login)
        });
        let context = Context { outbound: &outbound, proxies: &proxies, transport, login: login.as_ref() };
        let sources = sources::Settings::read(env, &context);
        origins.access_tokens = sources.names.contains(&bearer::NAME);
        checks::check_login(env, &sources.names);
        let shared = read_shared(env, public_url, other_origins, outbound);
        checks::check_namespaces(env, &shared.namespaces, &sources);
        let widgets = widget::Settings::read_all(env, &shared);
        checks::warn_of_attributes(env, &widgets, &sources.attributes().collect());
        token.check_aliases(env, &widgets);
        let (introspection, revokers) = (http::introspect::Settings::read(env), http::admin::revoke::read(env));
        let place = read_place(env, login.as_ref(), introspection.as_ref(), revokers.is_some());
        checks::check_revocations(env, &widgets, login.as_ref(), (place.as_ref(), revokers.is_some()));
        let routes = read_routes(env, &shared, &token, &widgets, (login.is_some(), introspection.is_some()));
        if proxies.is_empty() && transport == Transport::Open {
            checks::warn_of_shared_address(env, login.as_ref(), &sources.names);
        }
        checks::warn_of_addresses(env, &shared, admin_listen.as_ref());
        let skew = Issuer::read_skew(env);
        let rate = limits::read(env);
        let audit = AuditSettings::read(env);
        let names: Vec<String> = env.list(&WIDGETS);
        let of_sources = KINDS.map(|kind| format!("{}_", kind.name.to_ascii_uppercase()));
        let prefixes: Vec<&str> = PREFIXES.iter().copied().chain(of_sources.iter().map(String::as_str)).collect();
        let reading = env.finish(&known_names(&names), &prefixes)?;
        let listen = listen.ok_or_else(|| Mistakes(Vec::new()))?;
        Ok(Self {
            listen,
            admin_listen,
            shutdown_delay: delay.unwrap_or_default(),
            admin_names,
            origins,
            token,
            introspection,
            revokers,
            place,
            connections,
            tls,
            heads,
            proxies,
            sources,
            login,
            widgets,
            routes,
            shared,
            skew,
            rate,
            audit,
            reading,
        })
    }

    /// An issuer for commands, which are told who the visitor is: it asks no source.
    #[must_use]
    pub fn issuer(&self, clock: &Clock) -> Issuer {
        Issuer::new(Chain::default(), clock.clone(), self.skew)
    }

    /// The path under which the organisation's site routes to us, without a trailing slash; empty at the root.
    #[must_use]
    pub fn mount(&self) -> String {
        self.shared.public_url.as_ref().map(mount).unwrap_or_default()
    }
}

fn transport(unix: bool, tls: Option<&Tls>) -> Transport {
    match tls {
        _ if unix => Transport::UnixSocket,
        Some(tls) if tls.asks => Transport::Certificate,
        _ => Transport::Open,
    }
}

fn read_routes(
    env: &mut Env,
    shared: &Shared,
    token: &TokenRules,
    widgets: &[widget::Settings],
    (login, introspection): (bool, bool),
) -> Routes {
    let mount = shared.public_url.as_ref().map(mount).unwrap_or_default();
    let (routes, conflicts) = Routes::new(&mount, token, widgets, login, introspection);
    for conflict in conflicts {
        env.mistake_in(conflict.setting, &conflict.problem);
    }
    routes
}

/// The store of our own login, or one for what else replicas must know of each other.
fn read_place(
    env: &mut Env,
    login: Option<&login::Settings>,
    introspection: Option<&http::introspect::Settings>,
    revokers: bool,
) -> Option<place::Settings> {
    let place = match login {
        Some(login) => login.place.clone(),
        None if introspection.is_some() || revokers => place::Settings::read(env)?,
        None => return None,
    };
    if introspection.is_some_and(|introspection| introspection.one_time) && !place.is_shared() {
        let problem = "is remembered in this process alone, as SESSION_STORE=memory is: every replica accepts a token once, and so does this one after a restart";
        env.warn(http::introspect::INTROSPECTION_ONE_TIME.name, problem);
    }
    Some(place)
}

fn mount(url: &Url) -> String {
    url.path().trim_end_matches('/').to_owned()
}

fn read_shared(env: &mut Env, public_url: Option<Url>, origins: Vec<Origin>, outbound: Outbound) -> Shared {
    let pseudonyms = Pseudonyms::read(env).map(Arc::new);
    let namespaces = Arc::new(Namespaces::read(env));
    Shared { public_url, origins, outbound, pseudonyms, namespaces }
}

fn read_admin(env: &mut Env) -> Option<Address> {
    let off = env.text(&ADMIN_LISTEN).is_some_and(|text| text.eq_ignore_ascii_case("off"));
    if off { None } else { env.parse(&ADMIN_LISTEN) }
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
