//! Identity headers from an authenticating proxy.
//!
//! Plain headers say nothing about who wrote them, so they count only together with a proof of origin: a secret header
//! that the proxy adds, or a Unix socket that only the proxy may open. Aliases, duplicates and
//! hop-by-hop tricks are refused for the whole request before it is read here (H-3 to H-7).

pub mod convention;
mod principal;
pub mod proof;
mod value;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use self::convention::{CONVENTIONS, Convention, EASY_AUTH};
use self::proof::{
    FORWARDED_PROOF_HEADER, FORWARDED_PROOF_SECRET, FORWARDED_PROOF_SECRET_NEXT, FORWARDED_UNSAFE_CIDR_ONLY, Proof,
    WEBSITE_AUTH_ENABLED, read_proof,
};
use self::value::{Charset, Encoding, decode, items};
use crate::base::clock::UnixTime;
use crate::base::moment;
use crate::config::env::{Env, Var};
use crate::net::peer::{Transport, TrustedProxies};
use crate::session::identity::{EMAIL_MAX, ITEM_MAX, Identity, NAME_MAX, Subject, Unfit, display, fit_groups, tidy};
use crate::session::nobody::Nobody;
use crate::session::{Authenticator, Found, Guarded, Misfit, Outage, Session, Unfound, answer};
use crate::sources::plan::{Collaborators, Kind, SourceSettings, shared};

/// Name of this source.
pub const NAME: &str = "forwarded";

/// This kind of source.
pub const KIND: Kind = Kind {
    name: NAME,
    title: "Source `forwarded`: headers of an auth proxy",
    vars: Settings::VARS,
    parse: |env, context| shared(Settings::read(env, context.proxies, context.transport)),
};

impl SourceSettings for Settings {
    fn attributes(&self) -> Vec<String> {
        self.fields.attributes.iter().map(|(name, _)| name.clone()).collect()
    }

    fn build(&self, with: &Collaborators<'_>) -> Result<Arc<dyn Authenticator>, String> {
        Ok(Arc::new(Forwarded::new(self.clone(), with.proxies.clone())))
    }
}

crate::settings! {
    pub vars {
        FORWARDED_CONVENTION("", "oauth2-proxy"),
            "Whose header names: oauth2-proxy, oauth2-proxy-auth-request, authelia, authentik, easy-auth, mod-auth-openidc, remote-user, custom.";
        FORWARDED_SUBJECT_HEADER("", "X-User-Id"),
            "Header with the visitor's stable id, instead of the convention's.";
        FORWARDED_NAME_HEADER("", "X-User-Name"),
            "Header with the display name, instead of the convention's; `none` reads none.";
        FORWARDED_EMAIL_HEADER("", "X-User-Email"),
            "Header with the e-mail address, instead of the convention's; `none` reads none.";
        FORWARDED_EMAIL_VERIFIED_HEADER("", "X-User-Email-Verified"),
            "Header that says true or false about the e-mail address.";
        FORWARDED_EMAIL_IS_VERIFIED("false", "true"),
            "The proxy's login lets nobody in whose e-mail address it has not verified.";
        FORWARDED_GROUPS_HEADER("", "X-User-Groups"),
            "Header with the groups, instead of the convention's; `none` reads none.";
        FORWARDED_GROUPS_SEPARATOR("", "|"),
            "What separates groups in their header, instead of the convention's: one character, or up to three. A JSON array of texts is read whatever stands here.";
        FORWARDED_LOCALE_HEADER("", "X-User-Locale"),
            "Header with the visitor's language tag.";
        FORWARDED_EXPIRES_HEADER("", "X-Session-Expires"),
            "Header that says when the session ends: seconds or milliseconds since 1970, RFC 3339 with its zone, or an HTTP date.";
        FORWARDED_AUTH_TIME_HEADER("", "X-Auth-Time"),
            "Header that says when the visitor logged in: seconds or milliseconds since 1970, RFC 3339 with its zone, or an HTTP date.";
        FORWARDED_ATTRIBUTES("", "plan=X-User-Plan,tenant=X-Tenant"),
            "Further headers to read, as name=header: `attributes.name` in claim templates.";
        FORWARDED_CHARSET("utf8", "latin1"),
            "What bytes that are not UTF-8 mean: utf8 refuses them, latin1 reads them as ISO 8859-1.";
        FORWARDED_ENCODING("none", "percent"),
            "How the proxy encodes values: none, percent, base64, base64url, rfc2047 (encoded words). Applies to every identity header; field=encoding after it to one of subject, name, email, email_verified, groups, locale, expires, auth_time or an attribute: percent,name=rfc2047.";
        FORWARDED_SUBJECT_MAY_HOLD_COMMA("false", "true"),
            "Accept a comma in the id and the e-mail address (distinguished names). Off, a comma means that two values were joined, and the request is refused.";
    }
}

/// Whether identity is spread over headers or packed into one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Headers,
    EasyAuth,
}

/// One header that is read.
#[derive(Debug, Clone)]
struct Field {
    header: HeaderName,
    encoding: Encoding,
}

/// The headers that are read.
#[derive(Debug, Clone)]
struct Fields {
    subject: Field,
    display: Option<Field>,
    email: Option<Field>,
    email_verified: Option<Field>,
    groups: Option<Field>,
    locale: Option<Field>,
    expires: Option<Field>,
    auth_time: Option<Field>,
    attributes: Vec<(String, Field)>,
}

/// Which headers are read, how, and why they can be believed.
#[derive(Debug, Clone)]
pub struct Settings {
    fields: Fields,
    separator: String,
    shape: Shape,
    email_is_verified: bool,
    charset: Charset,
    commas: bool,
    proof: Proof,
}

/// The source.
#[derive(Debug)]
pub struct Forwarded {
    settings: Settings,
    proxies: TrustedProxies,
}

impl Settings {
    /// Every setting, in the order of the sample file.
    pub const VARS: &[&Var] = &[
        &FORWARDED_CONVENTION,
        &FORWARDED_PROOF_SECRET,
        &FORWARDED_PROOF_SECRET_NEXT,
        &FORWARDED_PROOF_HEADER,
        &FORWARDED_UNSAFE_CIDR_ONLY,
        &FORWARDED_SUBJECT_HEADER,
        &FORWARDED_NAME_HEADER,
        &FORWARDED_EMAIL_HEADER,
        &FORWARDED_EMAIL_VERIFIED_HEADER,
        &FORWARDED_EMAIL_IS_VERIFIED,
        &FORWARDED_GROUPS_HEADER,
        &FORWARDED_GROUPS_SEPARATOR,
        &FORWARDED_LOCALE_HEADER,
        &FORWARDED_EXPIRES_HEADER,
        &FORWARDED_AUTH_TIME_HEADER,
        &FORWARDED_ATTRIBUTES,
        &FORWARDED_CHARSET,
        &FORWARDED_ENCODING,
        &FORWARDED_SUBJECT_MAY_HOLD_COMMA,
        &WEBSITE_AUTH_ENABLED,
    ];

    /// Reads the convention, the header names and the proof; `None` after naming what is wrong.
    pub fn read(env: &mut Env, proxies: &TrustedProxies, transport: Transport) -> Option<Self> {
        let words: Vec<(&'static str, usize)> = CONVENTIONS.iter().enumerate().map(|(i, c)| (c.name, i)).collect();
        if !env.is_set(&FORWARDED_CONVENTION) {
            let names: Vec<&str> = CONVENTIONS.iter().map(|c| c.name).collect();
            env.mistake_in(
                &FORWARDED_CONVENTION,
                &format!("is required for the source forwarded: one of {}", names.join(", ")),
            );
        }
        let convention = env.choice(&FORWARDED_CONVENTION, &words).map(|i| &CONVENTIONS[i]);
        let header = read_header(env, &FORWARDED_PROOF_HEADER, "");
        let proof = read_proof(env, header, convention, proxies, transport);
        let convention = convention?;
        let fields = read_fields(env, convention);
        let separator = read_separator(env, convention.separator);
        let charsets = [("utf8", Charset::Utf8), ("latin1", Charset::Latin1)];
        Some(Self {
            fields: fields?,
            separator,
            shape: if convention.name == EASY_AUTH { Shape::EasyAuth } else { Shape::Headers },
            email_is_verified: env.flag(&FORWARDED_EMAIL_IS_VERIFIED),
            charset: env.choice(&FORWARDED_CHARSET, &charsets).unwrap_or(Charset::Utf8),
            commas: env.flag(&FORWARDED_SUBJECT_MAY_HOLD_COMMA),
            proof: proof?,
        })
    }
}

impl Forwarded {
    /// A source that reads these headers behind these proxies.
    #[must_use]
    pub fn new(settings: Settings, proxies: TrustedProxies) -> Self {
        Self { settings, proxies }
    }

    fn session(&self, request: &Parts) -> Result<Session, Unfound> {
        let (headers, fields) = (&request.headers, &self.settings.fields);
        if !headers.contains_key(&fields.subject.header) {
            return Err(Nobody::no_header(&fields.subject.header).into());
        }
        self.settings.proof.check(request, &self.proxies)?;
        let identity = match self.settings.shape {
            Shape::EasyAuth => self.principal(headers)?,
            Shape::Headers => self.identity(headers)?,
        };
        let expires_at = self.time(headers, fields.expires.as_ref(), &FORWARDED_EXPIRES_HEADER)?;
        let authenticated_at = self.time(headers, fields.auth_time.as_ref(), &FORWARDED_AUTH_TIME_HEADER)?;
        Ok(Session { identity, source: NAME, expires_at, authenticated_at })
    }

    /// Azure's one header.
    fn principal(&self, headers: &HeaderMap) -> Result<Identity, Nobody> {
        let header = &self.settings.fields.subject.header;
        let value = headers.get(header).map(HeaderValue::as_bytes).unwrap_or_default();
        principal::read(value).map_err(|why| Nobody::Unreadable { header: header.to_string(), why })
    }

    fn identity(&self, headers: &HeaderMap) -> Result<Identity, Unfound> {
        let fields = &self.settings.fields;
        let mut identity = Identity::new(self.subject(headers)?);
        identity.name = self.shown(headers, fields.display.as_ref());
        identity.email = self.text(headers, fields.email.as_ref(), EMAIL_MAX);
        let said = self
            .text(headers, fields.email_verified.as_ref(), ITEM_MAX)
            .and_then(|t| t.to_ascii_lowercase().parse().ok());
        identity.email_verified =
            if self.settings.email_is_verified { identity.email.as_ref().map(|_| true) } else { said };
        identity.groups = self.groups(headers)?;
        identity.locale = self.text(headers, fields.locale.as_ref(), ITEM_MAX);
        for (name, field) in &fields.attributes {
            if let Some(text) = self.text(headers, Some(field), ITEM_MAX) {
                identity.attributes.insert(name.clone(), Value::String(text));
            }
        }
        Ok(identity)
    }

    fn subject(&self, headers: &HeaderMap) -> Result<Subject, Nobody> {
        let field = &self.settings.fields.subject;
        let unreadable = |why| Nobody::Unreadable { header: field.header.to_string(), why };
        let text = self.decoded(headers, field);
        let text = text.ok_or_else(|| unreadable("is not as FORWARDED_ENCODING and FORWARDED_CHARSET say"))?;
        match Subject::new(&text) {
            Ok(subject) => Ok(subject),
            Err(Unfit::Empty) => Err(Nobody::no_header(&field.header)),
            Err(Unfit::TooLong) => Err(unreadable("is longer than 256 characters")),
            Err(_) => Err(unreadable("holds a character that no id can hold")),
        }
    }

    fn groups(&self, headers: &HeaderMap) -> Result<Vec<String>, Outage> {
        let Some(field) = &self.settings.fields.groups else { return Ok(Vec::new()) };
        let Some(line) = headers.get(&field.header).and_then(|_| self.decoded(headers, field)) else {
            return Ok(Vec::new());
        };
        let items =
            items(line.trim_ascii(), &self.settings.separator).map_err(|_| misfit(&FORWARDED_GROUPS_SEPARATOR, CUT))?;
        Ok(fit_groups(items.iter().map(String::as_str)))
    }

    /// A time; one that cannot be read is no end we could keep to.
    fn time(&self, headers: &HeaderMap, field: Option<&Field>, setting: &Var) -> Result<Option<UnixTime>, Outage> {
        let Some(field) = field.filter(|field| headers.contains_key(&field.header)) else { return Ok(None) };
        let text = self.decoded(headers, field).ok_or_else(|| misfit(setting, NO_TIME))?;
        if text.trim_ascii().is_empty() {
            return Ok(None);
        }
        moment::read_text(&text).map(Some).map_err(|_| misfit(setting, NO_TIME))
    }

    /// A name for people to read: made fit, never refused.
    fn shown(&self, headers: &HeaderMap, field: Option<&Field>) -> Option<String> {
        let field = field?;
        headers.get(&field.header)?;
        let text = self.decoded(headers, field);
        if text.is_none() {
            left_out(field, "it is not as FORWARDED_ENCODING and FORWARDED_CHARSET say");
        }
        display(&text?, NAME_MAX)
    }

    /// One value: decoded, tidied, and absent when it is not fit to be part of an identity.
    fn text(&self, headers: &HeaderMap, field: Option<&Field>, max: usize) -> Option<String> {
        let field = field?;
        headers.get(&field.header)?;
        let Some(text) = self.decoded(headers, field) else {
            left_out(field, "it is not as FORWARDED_ENCODING and FORWARDED_CHARSET say");
            return None;
        };
        tidy(&text, max).unwrap_or_else(|unfit| {
            left_out(field, &unfit.to_string());
            None
        })
    }

    fn decoded<'a>(&self, headers: &'a HeaderMap, field: &Field) -> Option<Cow<'a, str>> {
        decode(headers.get(&field.header)?.as_bytes(), field.encoding, self.settings.charset)
    }
}

const CUT: &str = "is a comma, and the header holds distinguished names that hold commas themselves: let the proxy put another separator between groups, such as `|`, or send a JSON array, and say so here";
const NO_TIME: &str = "names a header that holds no time: neither seconds nor milliseconds since 1970, nor RFC 3339";

fn misfit(setting: &Var, problem: &'static str) -> Outage {
    Outage::misconfigured(NAME, Misfit { setting: setting.name, problem })
}

/// Nothing is lost in silence: whoever wonders where a name went finds the header in the log.
fn left_out(field: &Field, why: &str) {
    tracing::warn!(source = NAME, header = %field.header, "a header's value was left out: {why}");
}

#[async_trait]
impl Authenticator for Forwarded {
    fn name(&self) -> &'static str {
        NAME
    }

    fn guarded(&self) -> Guarded {
        let f = &self.settings.fields;
        let header = |field: &Field| field.header.clone();
        // An HTTP date holds a comma; of two times that were joined neither is read.
        let single = [Some(&f.subject), f.email.as_ref(), f.email_verified.as_ref()];
        let scalars =
            if self.settings.commas { Vec::new() } else { single.into_iter().flatten().map(header).collect() };
        let optional = [&f.display, &f.email, &f.email_verified, &f.groups, &f.locale, &f.expires, &f.auth_time];
        let mut headers: Vec<HeaderName> = optional.into_iter().flatten().map(header).collect();
        headers.push(header(&f.subject));
        headers.extend(f.attributes.iter().map(|(_, field)| header(field)));
        if let Proof::Secret { header, .. } = &self.settings.proof {
            headers.push(header.clone());
        }
        Guarded { headers, scalars, cookies: Vec::new() }
    }

    async fn authenticate(&self, request: &Parts) -> Result<Found, Outage> {
        answer(self.session(request))
    }
}

/// One encoding for all, and others for single fields.
struct Encodings {
    all: Encoding,
    own: Vec<(String, Encoding)>,
}

impl Encodings {
    /// Fields that are there whatever the attributes are called.
    const FIELDS: [&str; 8] =
        ["subject", "name", "email", "email_verified", "groups", "locale", "expires", "auth_time"];

    fn read(env: &mut Env, attributes: &[(String, HeaderName)]) -> Self {
        let mut read = Self { all: Encoding::None, own: Vec::new() };
        let is_field = |name: &str| Self::FIELDS.contains(&name) || attributes.iter().any(|(known, _)| known == name);
        for item in env.list::<String>(&FORWARDED_ENCODING) {
            let (field, name) = item.split_once('=').map_or((None, item.as_str()), |(field, name)| (Some(field), name));
            match (field.map(str::trim_ascii), Encoding::named(name.trim_ascii())) {
                (None, Some(encoding)) => read.all = encoding,
                (Some(field), Some(encoding)) if is_field(field) => read.own.push((field.to_owned(), encoding)),
                (Some(field), Some(_)) => {
                    env.mistake_in(
                        &FORWARDED_ENCODING,
                        &format!("`{field}` is none of {}, nor an attribute", Self::FIELDS.join(", ")),
                    );
                }
                (_, None) => {
                    let all = Encoding::NAMES.map(|(name, _)| name).join(", ");
                    env.mistake_in(
                        &FORWARDED_ENCODING,
                        &format!("`{item}` is neither one of {all} nor field=encoding"),
                    );
                }
            }
        }
        read
    }

    fn field(&self, name: &str, header: HeaderName) -> Field {
        let own = self.own.iter().find(|(field, _)| field == name).map(|(_, encoding)| *encoding);
        Field { header, encoding: own.unwrap_or(self.all) }
    }
}

/// A few characters: tabs and line breaks cannot stand in a header.
fn read_separator(env: &mut Env, usual: char) -> String {
    let Some(text) = env.text(&FORWARDED_GROUPS_SEPARATOR) else { return usual.to_string() };
    if (1..=3).contains(&text.chars().count()) {
        return text;
    }
    env.mistake_in(&FORWARDED_GROUPS_SEPARATOR, "takes one character, or up to three");
    usual.to_string()
}

fn read_header(env: &mut Env, var: &Var, usual: &str) -> Option<HeaderName> {
    let text = env.text(var).unwrap_or_else(|| usual.to_owned());
    if text.is_empty() || text.eq_ignore_ascii_case("none") {
        return None;
    }
    let name = HeaderName::try_from(text.as_str()).ok();
    if name.is_none() {
        env.mistake_in(var, &format!("`{text}` is not a header name"));
    }
    name
}

fn read_fields(env: &mut Env, convention: &Convention) -> Option<Fields> {
    let subject = read_header(env, &FORWARDED_SUBJECT_HEADER, convention.subject);
    if subject.is_none() {
        env.mistake_in(&FORWARDED_SUBJECT_HEADER, "is required: the header with the visitor's stable id");
    }
    let attributes = read_attributes(env);
    let encodings = Encodings::read(env, &attributes);
    let mut field = |name, var, usual| read_header(env, var, usual).map(|header| encodings.field(name, header));
    Some(Fields {
        display: field("name", &FORWARDED_NAME_HEADER, convention.display),
        email: field("email", &FORWARDED_EMAIL_HEADER, convention.email),
        email_verified: field("email_verified", &FORWARDED_EMAIL_VERIFIED_HEADER, ""),
        groups: field("groups", &FORWARDED_GROUPS_HEADER, convention.groups),
        locale: field("locale", &FORWARDED_LOCALE_HEADER, ""),
        expires: field("expires", &FORWARDED_EXPIRES_HEADER, ""),
        auth_time: field("auth_time", &FORWARDED_AUTH_TIME_HEADER, ""),
        attributes: attributes
            .into_iter()
            .map(|(name, header)| (name.clone(), encodings.field(&name, header)))
            .collect(),
        subject: encodings.field("subject", subject?),
    })
}

fn read_attributes(env: &mut Env) -> Vec<(String, HeaderName)> {
    let pairs: Vec<String> = env.list(&FORWARDED_ATTRIBUTES);
    let mut attributes = BTreeMap::new();
    for pair in pairs {
        let parsed = pair.split_once('=').map(|(name, header)| (name.trim(), HeaderName::try_from(header.trim())));
        match parsed {
            Some((name, Ok(header))) if !name.is_empty() => {
                attributes.insert(name.to_owned(), header);
            }
            _ => env.mistake_in(&FORWARDED_ATTRIBUTES, &format!("`{pair}` is not name=header")),
        }
    }
    attributes.into_iter().collect()
}
