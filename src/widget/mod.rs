//! A widget: a vendor's profile bound to this organisation's keys, claims and rules. Bound once, at start.

pub mod exchange;
mod format;
pub mod guide;
pub mod mechanism;
pub mod needs;
pub mod page_value;
pub mod policy;
pub mod presets;
mod subject;
pub mod vars;

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use url::Url;

use self::exchange::Plan;
use self::mechanism::{Chosen, Mechanism};
use self::page_value::PageValue;
use self::policy::Policy;
use self::presets::Profile;
use self::subject::SubjectWriter;
use self::vars::{
    WIDGET_AGENT_GROUP, WIDGET_ALLOWED_ORIGINS, WIDGET_ANSWER_CLAIMS, WIDGET_MAX_TOKEN_BYTES, WIDGET_PAGE_LOCALE,
    WIDGET_PAGE_LOCATION, WIDGET_TOKEN_FIELD, WIDGETS,
};
use crate::base::clock::Clock;
use crate::claims::pseudonym::{Namespaces, Pseudonyms, WIDGET_PAIRWISE_ID};
use crate::claims::{ClaimTemplate, Surroundings};
use crate::config::env::Env;
use crate::connector::exchange::Exchange;
use crate::connector::{self, Connector};
use crate::jose::jwe::{self, Encryption};
use crate::jose::keyring::{KeyPolicy, Keyring};
use crate::net::origin::Origin;
use crate::net::outbound::Outbound;
use crate::session::Session;

/// What a page may say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PageMay {
    /// Its language.
    pub locale: bool,
    /// Where the visitor is.
    pub location: bool,
}

/// An origin whose pages may ask, ready to be echoed.
pub type Listed = (Origin, HeaderValue);

/// One chat widget on the organisation's pages, and whom it has to ask. What is configured of it is read as if it were
/// the widget's own.
#[derive(Debug)]
pub struct Widget {
    settings: Settings,
    /// How its vendor's conversation token is fetched, where it needs one.
    pub connector: Option<Arc<dyn Connector>>,
    /// The vendor's server, where that gives the tokens.
    pub exchange: Option<Arc<Exchange>>,
}

impl Deref for Widget {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.settings
    }
}

/// Under which name a reading keeps what a widget was given ([`Env::part`]).
fn part_of(name: &str, profile: &Profile) -> String {
    format!("widget {name} ({})", profile.name)
}

impl Widget {
    /// The widget of these settings. What `living` has still, because nothing about it has changed, is used on.
    ///
    /// # Errors
    /// A sentence for the operator when no client can be made.
    pub fn new(settings: Settings, outbound: &Outbound, clock: &Clock, living: Option<&Self>) -> Result<Self, String> {
        if let Some(Self { connector, exchange, .. }) = living {
            return Ok(Self { settings, connector: connector.clone(), exchange: exchange.clone() });
        }
        let connector = settings.connection.as_ref().map(|connection| connection.build(outbound, clock)).transpose()?;
        let exchange = match &settings.mechanism {
            Mechanism::Exchange(plan) => Some(Arc::new(plan.exchange(outbound, clock)?)),
            Mechanism::Token(_) | Mechanism::Digest(_) => None,
        };
        Ok(Self { settings, connector, exchange })
    }
}

/// What is configured of a widget: plain values and parsed keys.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its name in the route and in the log.
    pub name: String,
    /// Its vendor's profile.
    pub profile: &'static Profile,
    /// What makes its answers.
    pub mechanism: Mechanism,
    /// For whom its tokens are encrypted, where they are.
    pub encryption: Option<Arc<Encryption>>,
    /// Its claims.
    pub template: Arc<ClaimTemplate>,
    /// What its vendor's conversation token is fetched with, where it needs one.
    pub connection: Option<connector::Settings>,
    /// What a page may say.
    pub page_may: PageMay,
    /// Values that the vendor's code in the page may send.
    pub page_values: Vec<PageValue>,
    /// The group whose members are agents.
    pub agent_group: Option<String>,
    /// What its pseudonyms are bound to.
    pub pairwise_id: String,
    writer: SubjectWriter,
    /// How long a token is good at most.
    pub lifetime: Duration,
    /// Largest token in bytes.
    pub token_max: usize,
    /// Member of the JSON answer that holds the token.
    pub token_field: String,
    /// Claims answered in clear.
    pub beside: Vec<String>,
    /// Who may have a token.
    pub policy: Policy,
    /// Other origins that may ask.
    pub origins: Vec<Listed>,
}

/// What all widgets share.
#[derive(Debug, Clone)]
pub struct Shared {
    /// Our own public address.
    pub public_url: Option<Url>,
    /// Origins for widgets that name none.
    pub origins: Vec<Origin>,
    /// How vendors are called.
    pub outbound: Outbound,
    /// Keys of pseudonyms, where there are any.
    pub pseudonyms: Option<Arc<Pseudonyms>>,
    /// Which login system each source's subjects belong to.
    pub namespaces: Arc<Namespaces>,
}

impl Settings {
    /// Reads every configured widget.
    pub fn read_all(env: &mut Env, shared: &Shared) -> Vec<Self> {
        let names: Vec<String> = env.list(&WIDGETS);
        for (i, name) in names.iter().enumerate() {
            if !is_route_segment(name) {
                env.mistake_in(
                    &WIDGETS,
                    &format!("`{name}` is not a name: lower-case letters, digits and inner hyphens"),
                );
            }
            if names[..i].contains(name) {
                env.mistake_in(&WIDGETS, &format!("names `{name}` twice"));
            }
        }
        if names.is_empty() {
            return Self::read(env, None, shared).into_iter().collect();
        }
        let read = |name: &String| env.within(Some(name), |env| Self::read(env, Some(name), shared));
        names.iter().filter_map(read).collect()
    }

    fn read(env: &mut Env, name: Option<&str>, shared: &Shared) -> Option<Self> {
        let profile = format::read_profile(env)?;
        env.part(&part_of(name.unwrap_or(profile.name), profile), |env| Self::read_of(env, profile, name, shared))
    }

    fn read_of(env: &mut Env, profile: &'static Profile, name: Option<&str>, shared: &Shared) -> Option<Self> {
        let chosen = mechanism::read_format(env, profile)?;
        let (surroundings, page_values) = mechanism::read_surroundings(env, profile);
        let registered = format::read_registered(env, profile, &chosen, shared.public_url.as_ref());
        let template = format::read_template(env, profile, &chosen, registered, surroundings.clone());
        let mechanism = read_mechanism(env, profile, &chosen, template.as_ref(), &surroundings, shared);
        let encryption = (profile.adjustable && chosen.is_token()).then(|| jwe::read(env)).flatten().map(Arc::new);
        let own_name = name.unwrap_or(profile.name);
        let pairwise_id = env.text(&WIDGET_PAIRWISE_ID).unwrap_or_else(|| own_name.to_owned());
        let (keys, namespaces) = (shared.pseudonyms.as_ref(), &shared.namespaces);
        let writer = SubjectWriter::read(env, profile.subject_form, keys, namespaces, &pairwise_id);
        let lifetime = format::read_lifetime(env, profile);
        let token_max = env.parse(&WIDGET_MAX_TOKEN_BYTES).unwrap_or(profile.token_max);
        let token_field = env.text(&WIDGET_TOKEN_FIELD).unwrap_or_else(|| usual_field(profile, mechanism.as_ref()));
        let own_beside: Vec<String> = env.list(&WIDGET_ANSWER_CLAIMS);
        let beside =
            if own_beside.is_empty() { profile.beside.iter().map(|&b| b.to_owned()).collect() } else { own_beside };
        let origins = if env.is_set(&WIDGET_ALLOWED_ORIGINS) {
            env.list(&WIDGET_ALLOWED_ORIGINS)
        } else {
            shared.origins.clone()
        };
        let policy = Policy::read(env);
        let connection = match profile.connector {
            Some(kind) => Some(connector::read(env, kind, &shared.outbound)?),
            None => None,
        };
        Some(Self {
            name: own_name.to_owned(),
            profile,
            mechanism: mechanism?,
            encryption,
            template: Arc::new(template?),
            connection,
            page_may: PageMay { locale: env.flag(&WIDGET_PAGE_LOCALE), location: env.flag(&WIDGET_PAGE_LOCATION) },
            page_values,
            agent_group: env.text(&WIDGET_AGENT_GROUP),
            pairwise_id,
            writer: writer?,
            lifetime: lifetime?,
            token_max,
            token_field,
            beside,
            policy,
            origins: origins.into_iter().filter_map(echoable).collect(),
        })
    }

    /// Under which name a reading keeps what it was given ([`Env::part`]).
    #[must_use]
    pub fn part(&self) -> String {
        part_of(&self.name, self.profile)
    }

    /// The keys of its tokens, where it signs any.
    #[must_use]
    pub fn keyring(&self) -> Option<&Keyring> {
        match &self.mechanism {
            Mechanism::Token(keyring) => Some(keyring),
            Mechanism::Digest(_) | Mechanism::Exchange(_) => None,
        }
    }

    /// Whether its vendor can be told to end a visitor's tokens.
    #[must_use]
    pub fn revokes(&self) -> bool {
        matches!(&self.mechanism, Mechanism::Exchange(plan) if plan.revokes())
    }

    /// The page's call as the vendor documents it, with this organisation's own address in it. The first widget answers at
    /// the bare route.
    #[must_use]
    pub fn page_call(&self, mount: &str, first: bool) -> String {
        let name = if first { String::new() } else { format!("/{}", self.name) };
        self.profile.page_login.replace("{token_url}", &format!("{mount}/token{name}"))
    }

    /// The visitor's id as this widget's vendor is to know it, in the ticket and in the claims alike.
    #[must_use]
    pub fn subject<'a>(&self, session: &'a Session) -> Cow<'a, str> {
        let written = self.writer.write(session.source, &session.identity.subject);
        match &self.connection {
            Some(connection) => Cow::Owned(connection.user_id(&written)),
            None => written,
        }
    }

    /// Whether this visitor is one of the organisation's agents.
    #[must_use]
    pub fn is_agent(&self, session: &Session) -> bool {
        self.agent_group.as_ref().is_some_and(|group| session.identity.groups.contains(group))
    }
}

fn read_mechanism(
    env: &mut Env,
    profile: &'static Profile,
    chosen: &Chosen,
    template: Option<&ClaimTemplate>,
    surroundings: &Surroundings,
    shared: &Shared,
) -> Option<Mechanism> {
    let policy = KeyPolicy {
        algorithms: profile.algorithms,
        encoding: profile.encoding,
        secret: profile.secret,
        least: profile.secret_least,
    };
    match chosen {
        Chosen::Token => {
            let options = format::read_header(env, profile);
            Keyring::read(env, policy, &options).map(Arc::new).map(Mechanism::Token)
        }
        Chosen::Digest(text) => {
            mechanism::read_digest(env, text, policy, template).map(Arc::new).map(Mechanism::Digest)
        }
        Chosen::Exchange(text) => {
            Plan::read(env, text, surroundings, &shared.outbound).map(Arc::new).map(Mechanism::Exchange)
        }
    }
}

fn usual_field(profile: &Profile, mechanism: Option<&Mechanism>) -> String {
    match mechanism {
        Some(Mechanism::Digest(key)) => key.signer.format().field.clone(),
        _ => profile.token_field.to_owned(),
    }
}

fn is_route_segment(name: &str) -> bool {
    let inner = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    inner && !name.is_empty() && name.len() <= 40 && !name.starts_with('-') && !name.ends_with('-')
}

fn echoable(origin: Origin) -> Option<Listed> {
    let value = HeaderValue::from_str(origin.as_str()).ok()?;
    Some((origin, value))
}
