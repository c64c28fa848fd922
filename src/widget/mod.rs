//! A widget: a vendor's profile bound to this organisation's keys, claims and rules. Bound once, at start.

pub mod policy;
pub mod presets;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use url::Url;

use crate::base::clock::Clock;
use crate::claims::pseudonym::{Namespaces, PAIRWISE_ID, Pseudonyms, Realm};
use crate::claims::{ClaimTemplate, Registered, Stamped, SubjectRule};
use crate::config::env::{Env, Var, show_duration};
use crate::connector::{self, Connector};
use crate::jose::keyring::{KeyPolicy, Keyring};
use crate::jose::signer::HeaderOptions;
use crate::net::origin::Origin;
use crate::net::outbound::Outbound;
use crate::session::Session;
use crate::session::identity::{SUBJECT_MAX, Subject};
use crate::widget::policy::Policy;
use crate::widget::presets::{Profile, SubjectForm};

/// Names of the widgets, when there are several.
pub const WIDGETS: Var = Var::new(
    "WIDGETS",
    "",
    "support,clinic",
    "Names of the widgets when there are several; each then reads WIDGET_<NAME>_... The first answers at /token.",
);
/// Which vendor.
pub const PRESET: Var =
    Var::new("WIDGET_PRESET", "", "medchat", "Which vendor's format: `countersign presets` lists them.");
/// The claims.
pub const CLAIMS: Var = Var::new(
    "WIDGET_CLAIMS",
    "",
    r#"{"name": "{{ name or email }}", "plan": "{{ attributes.plan }}"}"#,
    "The claim template as JSON, instead of the preset's. Best given as WIDGET_CLAIMS_FILE.",
);
/// How the visitor's id is written.
pub const SUBJECT: Var = Var::new(
    "WIDGET_SUBJECT",
    "",
    "hex",
    "How the visitor's id is written for this vendor: plain; hex (of its UTF-8 bytes); or pseudonym (the same for one visitor, different for every widget, readable only with PSEUDONYM_KEY). Most presets default to plain.",
);
/// Which claim holds the id.
pub const SUBJECT_CLAIM: Var = Var::new(
    "WIDGET_SUBJECT_CLAIM",
    "",
    "user_id",
    "`userinfo` and `custom`: the claim that holds the visitor's id (default sub); `none` leaves it to the template.",
);
/// Which claims come from the stamp.
pub const STAMPED: Var = Var::new(
    "WIDGET_STAMPED",
    "",
    "iat,exp",
    "`userinfo` and `custom`: which of iat, nbf, exp, jti are written (default all).",
);
/// `typ`.
pub const TYP: Var = Var::new(
    "WIDGET_TYP",
    "",
    "chat-session+jwt",
    "`userinfo` and `custom`: `typ` of the token's header; `none` leaves it out.",
);
/// `iss`.
pub const ISSUER: Var = Var::new(
    "WIDGET_ISSUER",
    "",
    "https://www.example.org",
    "`iss` where the format has it; PUBLIC_URL when not set, `none` to leave it out.",
);
/// `aud`.
pub const AUDIENCE: Var = Var::new(
    "WIDGET_AUDIENCE",
    "",
    "https://chat.example.com",
    "`aud` where the format has it, comma-separated when several; `none` to leave it out.",
);
/// Lifetime.
pub const LIFETIME: Var = Var::new(
    "WIDGET_LIFETIME",
    "",
    "10m",
    "How long a token is good, at most until the visitor's session ends. Each preset has its own default. `none` (healthcare-agent only) writes no exp.",
);
/// Attributes for scenarios.
pub const OPTIONAL_ATTRIBUTES: Var = Var::new(
    "WIDGET_OPTIONAL_ATTRIBUTES",
    "",
    "plan,clinic_id",
    "`healthcare-agent`: names of session attributes that its scenarios may read, as optionalAttributes. No other attribute leaves.",
);
/// Largest token.
pub const TOKEN_MAX: Var = Var::new(
    "WIDGET_MAX_TOKEN_BYTES",
    "",
    "4096",
    "Largest token in bytes (default 8192); a larger one is an error, never cut.",
);
/// Name of the token in the answer.
pub const TOKEN_FIELD: Var = Var::new(
    "WIDGET_TOKEN_FIELD",
    "",
    "jwt",
    "Member of the JSON answer that holds the token (default token), for pages that read another one.",
);
/// Claims in clear.
pub const BESIDE: Var = Var::new(
    "WIDGET_ANSWER_CLAIMS",
    "",
    "email",
    "Claims that the JSON answer also carries in clear, because the vendor's page call needs them.",
);
/// The page's language.
pub const PAGE_LOCALE: Var = Var::new(
    "WIDGET_PAGE_LOCALE",
    "false",
    "true",
    "Let the page say its language (`?locale=`): `page.locale` in the claim template. Unverified, and never identity.",
);
/// The page's place.
pub const PAGE_LOCATION: Var = Var::new(
    "WIDGET_PAGE_LOCATION",
    "false",
    "true",
    "Let the page say where the visitor is (`?lat=&long=`): `page.location` in the claim template. Unverified, and never identity.",
);
/// The group of agents.
pub const AGENT_GROUP: Var = Var::new(
    "WIDGET_AGENT_GROUP",
    "",
    "chat-agents",
    "The group whose members are agents: `agent` in the claim template is true for them and absent for everybody else.",
);
/// Origins.
pub const ALLOWED_ORIGINS: Var = Var::new(
    "WIDGET_ALLOWED_ORIGINS",
    "",
    "https://app.example.org",
    "Other origins whose pages may fetch this widget's token (exact, comma-separated); ALLOWED_ORIGINS when not set.",
);

const SUBJECT_FORMS: [(&str, SubjectForm); 3] =
    [("plain", SubjectForm::Plain), ("hex", SubjectForm::Hex), ("pseudonym", SubjectForm::Pseudonym)];

/// What a page may say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PageMay {
    /// Its language.
    pub locale: bool,
    /// Where the visitor is.
    pub location: bool,
}

/// Writes visitors' ids for one widget.
#[derive(Debug, Clone)]
enum Writer {
    Plain,
    Hex,
    Pseudonym { keys: Arc<Pseudonyms>, namespaces: Arc<Namespaces>, audience: String },
}

impl Writer {
    fn write<'a>(&self, source: &str, subject: &'a Subject) -> Cow<'a, str> {
        match self {
            Self::Plain => Cow::Borrowed(subject.as_str()),
            Self::Hex => Cow::Owned(hex::encode(subject.as_str())),
            Self::Pseudonym { keys, namespaces, audience } => {
                let realm = Realm { namespace: namespaces.of(source), audience };
                Cow::Owned(keys.mask(realm, subject).into())
            }
        }
    }
}

/// An origin whose pages may ask, ready to be echoed.
pub type Listed = (Origin, HeaderValue);

/// One chat widget on the organisation's pages.
#[derive(Debug)]
pub struct Widget {
    /// Its name in the route and in the log.
    pub name: String,
    /// Its vendor's profile.
    pub profile: &'static Profile,
    /// Its keys.
    pub keyring: Keyring,
    /// Its claims.
    pub template: ClaimTemplate,
    /// How its vendor's conversation token is fetched, where it needs one.
    pub connector: Option<Arc<dyn Connector>>,
    /// What a page may say.
    pub page_may: PageMay,
    /// The group whose members are agents.
    pub agent_group: Option<String>,
    /// What its pseudonyms are bound to.
    pub pairwise_id: String,
    writer: Writer,
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
    /// Time.
    pub clock: Clock,
    /// Keys of pseudonyms, where there are any.
    pub pseudonyms: Option<Arc<Pseudonyms>>,
    /// Which login system each source's subjects belong to.
    pub namespaces: Arc<Namespaces>,
}

impl Widget {
    /// The settings of this room.
    pub const VARS: &[&Var] = &[
        &WIDGETS,
        &PRESET,
        &CLAIMS,
        &SUBJECT,
        &SUBJECT_CLAIM,
        &STAMPED,
        &TYP,
        &ISSUER,
        &AUDIENCE,
        &LIFETIME,
        &OPTIONAL_ATTRIBUTES,
        &TOKEN_MAX,
        &TOKEN_FIELD,
        &BESIDE,
        &PAGE_LOCALE,
        &PAGE_LOCATION,
        &AGENT_GROUP,
        &ALLOWED_ORIGINS,
    ];

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
        names.iter().filter_map(|name| env.within(Some(name), |env| Self::read(env, Some(name), shared))).collect()
    }

    fn read(env: &mut Env, name: Option<&str>, shared: &Shared) -> Option<Self> {
        let profile = read_profile(env)?;
        let free = profile.addressed;
        let options = HeaderOptions {
            typ: if free { optional(env, &TYP, profile.typ) } else { profile.typ.map(str::to_owned) },
            kid: None,
            ascii_payload: profile.ascii_payload,
        };
        let policy = KeyPolicy { algorithms: profile.algorithms, encoding: profile.encoding, secret: profile.secret };
        let keyring = Keyring::read(env, policy, &options);
        let registered = read_registered(env, profile, shared);
        let template = read_template(env, profile, registered);
        let own_name = name.unwrap_or(profile.name);
        let pairwise_id = env.text(&PAIRWISE_ID).unwrap_or_else(|| own_name.to_owned());
        let writer = read_writer(env, profile, shared, &pairwise_id);
        let lifetime = read_lifetime(env, profile);
        let token_max = env.parse(&TOKEN_MAX).unwrap_or(profile.token_max);
        let token_field = env.text(&TOKEN_FIELD).unwrap_or_else(|| profile.token_field.to_owned());
        let own_beside: Vec<String> = env.list(&BESIDE);
        let beside =
            if own_beside.is_empty() { profile.beside.iter().map(|&b| b.to_owned()).collect() } else { own_beside };
        let origins = if env.is_set(&ALLOWED_ORIGINS) { env.list(&ALLOWED_ORIGINS) } else { shared.origins.clone() };
        let policy = Policy::read(env);
        let connector = profile.connector.map(|kind| connector::read(env, kind, &shared.outbound, &shared.clock));
        let connector = match connector {
            Some(None) => return None,
            other => other.flatten(),
        };
        Some(Self {
            name: own_name.to_owned(),
            profile,
            keyring: keyring?,
            template: template?,
            connector,
            page_may: PageMay { locale: env.flag(&PAGE_LOCALE), location: env.flag(&PAGE_LOCATION) },
            agent_group: env.text(&AGENT_GROUP),
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
        match &self.connector {
            Some(connector) => Cow::Owned(connector.user_id(&written)),
            None => written,
        }
    }

    /// Whether this visitor is one of the organisation's agents.
    #[must_use]
    pub fn is_agent(&self, session: &Session) -> bool {
        self.agent_group.as_ref().is_some_and(|group| session.identity.groups.contains(group))
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

fn read_profile(env: &mut Env) -> Option<&'static Profile> {
    if !env.is_set(&PRESET) {
        let names: Vec<&str> = presets::ALL.iter().map(|p| p.name).collect();
        env.mistake_in(&PRESET, &format!("is required: one of {}", names.join(", ")));
        return None;
    }
    let words: Vec<(&'static str, &'static Profile)> = presets::ALL.iter().map(|p| (p.name, *p)).collect();
    env.choice(&PRESET, &words)
}

/// A text that may be replaced, or left out with `none`.
fn optional(env: &mut Env, var: &Var, fallback: Option<&str>) -> Option<String> {
    match env.text(var) {
        Some(text) if text.eq_ignore_ascii_case("none") => None,
        Some(text) => Some(text),
        None => fallback.map(str::to_owned),
    }
}

fn read_registered(env: &mut Env, profile: &'static Profile, shared: &Shared) -> Registered {
    if !profile.addressed {
        return Registered {
            issuer: None,
            audience: Vec::new(),
            subject: profile.subject.clone(),
            stamped: read_fixed_stamped(env, profile),
        };
    }
    let public = shared.public_url.as_ref().map(|url| url.as_str().trim_end_matches('/'));
    let issuer = optional(env, &ISSUER, public);
    if issuer.is_none() && env.text(&ISSUER).is_none() {
        env.mistake_in(&ISSUER, "is required when PUBLIC_URL is not set: who signs (or `none`)");
    }
    let audience: Vec<String> = env.list(&AUDIENCE);
    if audience.is_empty() {
        env.mistake_in(&AUDIENCE, "is required: whom the token is for, as the vendor verifies it (or `none`)");
    }
    let audience =
        if matches!(audience.as_slice(), [one] if one.eq_ignore_ascii_case("none")) { Vec::new() } else { audience };
    Registered { issuer, audience, subject: read_subject_rule(env, profile), stamped: read_stamped(env, profile) }
}

/// The stamped claims of a fixed format, without `exp` where the vendor's own sample has none and the operator wants none.
fn read_fixed_stamped(env: &mut Env, profile: &Profile) -> Vec<Stamped> {
    let endless =
        profile.connector.is_some() && env.text(&LIFETIME).is_some_and(|text| text.eq_ignore_ascii_case("none"));
    if endless {
        env.warn(LIFETIME.name, "writes no exp: whoever gets hold of a token can open authenticated chats for ever");
    }
    profile.stamped.iter().copied().filter(|stamped| !endless || *stamped != Stamped::Expires).collect()
}

fn read_subject_rule(env: &mut Env, profile: &'static Profile) -> Option<SubjectRule> {
    match env.text(&SUBJECT_CLAIM) {
        None => profile.subject.clone(),
        Some(name) if name.eq_ignore_ascii_case("none") => None,
        Some(name) => Some(SubjectRule { claim: Cow::Owned(name), max: SUBJECT_MAX * 2, alphanumeric: false }),
    }
}

fn read_stamped(env: &mut Env, profile: &'static Profile) -> Vec<Stamped> {
    const WORDS: [(&str, Stamped); 4] =
        [("iat", Stamped::IssuedAt), ("nbf", Stamped::NotBefore), ("exp", Stamped::Expires), ("jti", Stamped::Id)];
    let words: Vec<String> = env.list(&STAMPED);
    if words.is_empty() {
        return profile.stamped.to_vec();
    }
    let known = |word: &String| WORDS.iter().find(|(name, _)| name == word).map(|(_, s)| *s);
    if let Some(word) = words.iter().find(|word| known(word).is_none()) {
        env.mistake_in(&STAMPED, &format!("`{word}` is none of iat, nbf, exp, jti"));
    }
    let stamped: Vec<Stamped> = words.iter().filter_map(known).collect();
    if !stamped.contains(&Stamped::Expires) {
        env.warn(STAMPED.name, "leaves out exp: a captured token is good for ever");
    }
    stamped
}

fn read_template(env: &mut Env, profile: &'static Profile, registered: Registered) -> Option<ClaimTemplate> {
    let own = env.text(&CLAIMS);
    if own.is_none() && profile.template.is_empty() {
        env.mistake_in(&CLAIMS, "is required for this preset: a JSON object of claims");
        return None;
    }
    let text = own.unwrap_or_else(|| with_optional_attributes(env, profile));
    match ClaimTemplate::compile(&text, registered) {
        Ok(template) => Some(template),
        Err(errors) => {
            for error in errors {
                env.mistake_in(&CLAIMS, &error.to_string());
            }
            None
        }
    }
}

/// The preset's template, with the session attributes that the operator lets scenarios read.
fn with_optional_attributes(env: &mut Env, profile: &Profile) -> String {
    let names: Vec<String> =
        if profile.connector.is_some() && !profile.addressed { env.list(&OPTIONAL_ATTRIBUTES) } else { Vec::new() };
    let template = serde_json::from_str::<serde_json::Value>(profile.template);
    let (false, Ok(mut template)) = (names.is_empty(), template) else { return profile.template.to_owned() };
    let fields = names.into_iter().map(|name| (name.clone(), format!("{{{{ attributes.{name} }}}}").into()));
    template["optionalAttributes"] = serde_json::Value::Object(fields.collect());
    template.to_string()
}

fn read_writer(env: &mut Env, profile: &Profile, shared: &Shared, audience: &str) -> Option<Writer> {
    let chosen = env.choice(&SUBJECT, &SUBJECT_FORMS);
    if chosen.is_none() && env.is_set(&SUBJECT) {
        return None;
    }
    match chosen.unwrap_or(profile.subject_form) {
        SubjectForm::Plain => Some(Writer::Plain),
        SubjectForm::Hex => Some(Writer::Hex),
        SubjectForm::Pseudonym => {
            let Some(keys) = shared.pseudonyms.clone() else {
                let name = env.name_of(&SUBJECT);
                let why =
                    format!("is required for pseudonyms ({name}): `countersign keygen --kind pseudonym` makes one");
                env.mistake_in(&crate::claims::pseudonym::KEY, &why);
                return None;
            };
            Some(Writer::Pseudonym { keys, namespaces: shared.namespaces.clone(), audience: audience.to_owned() })
        }
    }
}

fn read_lifetime(env: &mut Env, profile: &Profile) -> Option<Duration> {
    let endless = !profile.addressed
        && profile.connector.is_some()
        && env.text(&LIFETIME).is_some_and(|t| t.eq_ignore_ascii_case("none"));
    if endless || !env.is_set(&LIFETIME) {
        return Some(profile.lifetime);
    }
    let lifetime = env.duration_within(&LIFETIME, Duration::from_secs(10), profile.lifetime_max)?;
    if lifetime > profile.lifetime {
        let usual = show_duration(profile.lifetime);
        env.warn(LIFETIME.name, &format!("is longer than the preset's {usual}: a stolen token is good for as long"));
    }
    Some(lifetime)
}
