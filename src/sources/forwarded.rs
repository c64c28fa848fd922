//! Identity headers from an authenticating proxy.
//!
//! Plain headers say nothing about who wrote them, so they count only together with a proof of origin: a secret header
//! that the proxy adds, or a Unix socket that only the proxy may open (facts section 4.1). Aliases, duplicates and
//! hop-by-hop tricks are refused for the whole request before this room sees it (H-3 to H-7).

use std::borrow::Cow;
use std::collections::BTreeMap;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::request::Parts;
use http::{HeaderMap, HeaderName};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;

use crate::base::clock::UnixTime;
use crate::base::moment::{self, NotATime};
use crate::base::secret;
use crate::config::env::{Env, Var};
use crate::net::field::percent_decoded;
use crate::net::peer::{Peer, TrustedProxies};
use crate::session::identity::{EMAIL_MAX, GROUPS_MAX, ITEM_MAX, Identity, NAME_MAX, Subject, display, tidy};
use crate::session::mapping::Misfit;
use crate::session::{Authenticator, Guarded, Outage, Session};

/// Name of this source.
pub const NAME: &str = "forwarded";

/// Which producer's header names.
pub const CONVENTION: Var = Var::new(
    "FORWARDED_CONVENTION",
    "",
    "oauth2-proxy",
    "Whose header names: oauth2-proxy, oauth2-proxy-auth-request, authelia, authentik, easy-auth, mod-auth-openidc, remote-user, custom.",
);
/// The secret the proxy adds.
pub const PROOF_SECRET: Var = Var::secret(
    "FORWARDED_PROOF_SECRET",
    "Secret that the proxy adds to every request, proving that the identity headers came from it. At least 32 characters.",
);
/// The second accepted secret during rotation.
pub const PROOF_SECRET_NEXT: Var = Var::secret(
    "FORWARDED_PROOF_SECRET_NEXT",
    "A second accepted proof secret, for the time in which the proxy is being switched over.",
);
/// The header that carries it.
pub const PROOF_HEADER: Var = Var::new(
    "FORWARDED_PROOF_HEADER",
    "X-Countersign-Proof",
    "X-Proxy-Secret",
    "Header in which the proxy sends the proof secret.",
);
/// Trust addresses alone.
pub const UNSAFE_CIDR_ONLY: Var = Var::new(
    "FORWARDED_UNSAFE_CIDR_ONLY",
    "false",
    "true",
    "UNSAFE: accept identity headers on the peer's address alone (TRUSTED_PROXIES), without a proof secret. Anyone who can reach us from those addresses can be anyone.",
);
const SUBJECT_HEADER: Var = Var::new(
    "FORWARDED_SUBJECT_HEADER",
    "",
    "X-User-Id",
    "Header with the visitor's stable id, instead of the convention's.",
);
const NAME_HEADER: Var = Var::new(
    "FORWARDED_NAME_HEADER",
    "",
    "X-User-Name",
    "Header with the display name, instead of the convention's; `none` reads none.",
);
const EMAIL_HEADER: Var = Var::new(
    "FORWARDED_EMAIL_HEADER",
    "",
    "X-User-Email",
    "Header with the e-mail address, instead of the convention's; `none` reads none.",
);
const EMAIL_VERIFIED_HEADER: Var = Var::new(
    "FORWARDED_EMAIL_VERIFIED_HEADER",
    "",
    "X-User-Email-Verified",
    "Header that says true or false about the e-mail address.",
);
const EMAIL_IS_VERIFIED: Var = Var::new(
    "FORWARDED_EMAIL_IS_VERIFIED",
    "false",
    "true",
    "The proxy's login lets nobody in whose e-mail address it has not verified.",
);
const GROUPS_HEADER: Var = Var::new(
    "FORWARDED_GROUPS_HEADER",
    "",
    "X-User-Groups",
    "Header with the groups, instead of the convention's; `none` reads none.",
);
const GROUPS_SEPARATOR: Var = Var::new(
    "FORWARDED_GROUPS_SEPARATOR",
    "",
    "|",
    "What separates groups in their header, instead of the convention's.",
);
const LOCALE_HEADER: Var =
    Var::new("FORWARDED_LOCALE_HEADER", "", "X-User-Locale", "Header with the visitor's language tag.");
const EXPIRES_HEADER: Var = Var::new(
    "FORWARDED_EXPIRES_HEADER",
    "",
    "X-Session-Expires",
    "Header that says when the session ends: seconds or milliseconds since 1970, RFC 3339 with its zone, or an HTTP date.",
);
const AUTH_TIME_HEADER: Var = Var::new(
    "FORWARDED_AUTH_TIME_HEADER",
    "",
    "X-Auth-Time",
    "Header that says when the visitor logged in: seconds or milliseconds since 1970, RFC 3339 with its zone, or an HTTP date.",
);
const ATTRIBUTES: Var = Var::new(
    "FORWARDED_ATTRIBUTES",
    "",
    "plan=X-User-Plan,tenant=X-Tenant",
    "Further headers to read, as name=header: `attributes.name` in claim templates.",
);
const CHARSET: Var = Var::new(
    "FORWARDED_CHARSET",
    "utf8",
    "latin1",
    "What bytes that are not UTF-8 mean: utf8 refuses them, latin1 reads them as ISO 8859-1.",
);
const ENCODING: Var = Var::new(
    "FORWARDED_ENCODING",
    "none",
    "percent",
    "How the proxy encodes values: none, percent, base64url. Applies to every identity header.",
);
const SUBJECT_COMMA: Var = Var::new(
    "FORWARDED_SUBJECT_MAY_HOLD_COMMA",
    "false",
    "true",
    "Accept a comma in the id and the e-mail address (distinguished names). Off, a comma means that two values were joined, and the request is refused.",
);
/// Azure App Service sets this while its authentication is on; it strips client copies of its headers.
const WEBSITE_AUTH_ENABLED: Var = Var::new(
    "WEBSITE_AUTH_ENABLED",
    "",
    "True",
    "Set by Azure App Service while its own authentication guards the app: the proof of origin for `easy-auth`.",
);

/// One producer's header names.
struct Convention {
    name: &'static str,
    subject: &'static str,
    display: &'static str,
    email: &'static str,
    groups: &'static str,
    separator: char,
}

/// The conventions of facts section 4.2. An empty name is a header that this producer does not send.
const CONVENTIONS: [Convention; 8] = [
    Convention::new(
        "oauth2-proxy",
        ["x-forwarded-user", "x-forwarded-preferred-username", "x-forwarded-email", "x-forwarded-groups"],
        ',',
    ),
    Convention::new(
        "oauth2-proxy-auth-request",
        ["x-auth-request-user", "x-auth-request-preferred-username", "x-auth-request-email", "x-auth-request-groups"],
        ',',
    ),
    Convention::new("authelia", ["remote-user", "remote-name", "remote-email", "remote-groups"], ','),
    Convention::new(
        "authentik",
        ["x-authentik-uid", "x-authentik-name", "x-authentik-email", "x-authentik-groups"],
        '|',
    ),
    Convention::new(EASY_AUTH, ["x-ms-client-principal", "", "", ""], ','),
    Convention::new(
        "mod-auth-openidc",
        ["oidc_claim_sub", "oidc_claim_name", "oidc_claim_email", "oidc_claim_groups"],
        ',',
    ),
    Convention::new("remote-user", ["x-remote-user", "", "", ""], ','),
    Convention::new("custom", ["", "", "", ""], ','),
];

const EASY_AUTH: &str = "easy-auth";

impl Convention {
    const fn new(name: &'static str, headers: [&'static str; 4], separator: char) -> Self {
        let [subject, display, email, groups] = headers;
        Self { name, subject, display, email, groups, separator }
    }
}

/// Every header that some convention reads as identity: what a proxy in front of us must set or take away.
pub fn conventional_headers() -> impl Iterator<Item = &'static str> {
    let names = CONVENTIONS.iter().flat_map(|c| [c.subject, c.display, c.email, c.groups]);
    names.filter(|name| !name.is_empty())
}

/// Whether identity is spread over headers or packed into one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Headers,
    EasyAuth,
}

/// What bytes that are not UTF-8 mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Charset {
    Utf8,
    Latin1,
}

/// How values are encoded on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    None,
    Percent,
    Base64Url,
}

/// The headers that are read.
#[derive(Debug, Clone)]
struct Names {
    subject: HeaderName,
    display: Option<HeaderName>,
    email: Option<HeaderName>,
    email_verified: Option<HeaderName>,
    groups: Option<HeaderName>,
    locale: Option<HeaderName>,
    expires: Option<HeaderName>,
    auth_time: Option<HeaderName>,
    attributes: Vec<(String, HeaderName)>,
}

/// Why the headers of a request can be believed.
#[derive(Debug)]
enum Proof {
    Secret { header: HeaderName, accepted: Vec<SecretString> },
    UnixSocket,
    Platform,
    AddressOnly,
}

/// The source.
#[derive(Debug)]
pub struct Forwarded {
    names: Names,
    separator: char,
    shape: Shape,
    email_is_verified: bool,
    charset: Charset,
    encoding: Encoding,
    commas: bool,
    proof: Proof,
    proxies: TrustedProxies,
}

impl Forwarded {
    /// The settings of this room.
    pub const VARS: &[&Var] = &[
        &CONVENTION,
        &PROOF_SECRET,
        &PROOF_SECRET_NEXT,
        &PROOF_HEADER,
        &UNSAFE_CIDR_ONLY,
        &SUBJECT_HEADER,
        &NAME_HEADER,
        &EMAIL_HEADER,
        &EMAIL_VERIFIED_HEADER,
        &EMAIL_IS_VERIFIED,
        &GROUPS_HEADER,
        &GROUPS_SEPARATOR,
        &LOCALE_HEADER,
        &EXPIRES_HEADER,
        &AUTH_TIME_HEADER,
        &ATTRIBUTES,
        &CHARSET,
        &ENCODING,
        &SUBJECT_COMMA,
        &WEBSITE_AUTH_ENABLED,
    ];

    /// Reads the convention, the header names and the proof; `None` after naming what is wrong.
    pub fn read(env: &mut Env, proxies: &TrustedProxies, listens_on_unix_socket: bool) -> Option<Self> {
        let words: Vec<(&'static str, usize)> = CONVENTIONS.iter().enumerate().map(|(i, c)| (c.name, i)).collect();
        if !env.is_set(&CONVENTION) {
            let names: Vec<&str> = CONVENTIONS.iter().map(|c| c.name).collect();
            env.mistake_in(&CONVENTION, &format!("is required for the source forwarded: one of {}", names.join(", ")));
        }
        let convention = env.choice(&CONVENTION, &words).map(|i| &CONVENTIONS[i]);
        let proof = read_proof(env, convention, proxies, listens_on_unix_socket);
        let convention = convention?;
        let names = read_names(env, convention);
        let separator = read_separator(env, convention.separator);
        Some(Self {
            names: names?,
            separator,
            shape: if convention.name == EASY_AUTH { Shape::EasyAuth } else { Shape::Headers },
            email_is_verified: env.flag(&EMAIL_IS_VERIFIED),
            charset: env
                .choice(&CHARSET, &[("utf8", Charset::Utf8), ("latin1", Charset::Latin1)])
                .unwrap_or(Charset::Utf8),
            encoding: env
                .choice(
                    &ENCODING,
                    &[("none", Encoding::None), ("percent", Encoding::Percent), ("base64url", Encoding::Base64Url)],
                )
                .unwrap_or(Encoding::None),
            commas: env.flag(&SUBJECT_COMMA),
            proof: proof?,
            proxies: proxies.clone(),
        })
    }

    /// Whether the request demonstrably came through the proxy. Everything that is configured must hold.
    fn is_proven(&self, request: &Parts) -> bool {
        let peer = request.extensions.get::<Peer>().copied();
        let near = self.proxies.is_empty() || peer.is_some_and(|peer| self.proxies.trust(peer));
        near && match &self.proof {
            Proof::Secret { header, accepted } => {
                let sent = request.headers.get(header).map_or(&b""[..], |v| v.as_bytes());
                // Every accepted secret is compared, so that the time taken does not tell which one is in use.
                accepted.iter().fold(false, |any, secret| any | secret::same(secret.expose_secret().as_bytes(), sent))
            }
            Proof::UnixSocket => peer == Some(Peer::Unix),
            Proof::Platform | Proof::AddressOnly => true,
        }
    }

    fn session(&self, headers: &HeaderMap) -> Result<Option<Session>, Misfit> {
        let identity = match self.shape {
            Shape::EasyAuth => self.principal(headers),
            Shape::Headers => self.identity(headers),
        };
        let Some(identity) = identity else { return Ok(None) };
        let expires_at = self.time(headers, &EXPIRES_HEADER, self.names.expires.as_ref())?;
        let authenticated_at = self.time(headers, &AUTH_TIME_HEADER, self.names.auth_time.as_ref())?;
        Ok(Some(Session { identity, source: NAME, expires_at, authenticated_at }))
    }

    /// A time; `None` where the header is absent or empty.
    fn time(&self, headers: &HeaderMap, var: &Var, name: Option<&HeaderName>) -> Result<Option<UnixTime>, Misfit> {
        let Some(name) = name.filter(|name| headers.get(*name).is_some_and(|value| !value.is_empty())) else {
            return Ok(None);
        };
        let time = self.decoded(headers, name).ok_or(NotATime::Text).and_then(|text| moment::read_text(&text));
        time.map(Some).map_err(|problem| Misfit { setting: var.name, problem })
    }

    fn identity(&self, headers: &HeaderMap) -> Option<Identity> {
        let names = &self.names;
        let subject = self.decoded(headers, &names.subject)?;
        let mut identity = Identity::new(Subject::new(&subject).ok()?);
        let shown = names.display.as_ref().and_then(|name| self.decoded(headers, name));
        identity.name = shown.and_then(|text| display(&text, NAME_MAX).ok().flatten());
        identity.email = self.text(headers, names.email.as_ref(), EMAIL_MAX);
        let said = self
            .text(headers, names.email_verified.as_ref(), ITEM_MAX)
            .and_then(|t| t.to_ascii_lowercase().parse().ok());
        identity.email_verified = if self.email_is_verified { identity.email.as_ref().map(|_| true) } else { said };
        identity.groups = self.groups(headers);
        identity.locale = self.text(headers, names.locale.as_ref(), ITEM_MAX);
        for (name, header) in &names.attributes {
            if let Some(text) = self.text(headers, Some(header), ITEM_MAX) {
                identity.attributes.insert(name.clone(), Value::String(text));
            }
        }
        Some(identity)
    }

    fn groups(&self, headers: &HeaderMap) -> Vec<String> {
        let Some(line) = self.text(headers, self.names.groups.as_ref(), GROUPS_MAX * ITEM_MAX) else {
            return Vec::new();
        };
        let items = line.split(self.separator).filter_map(|item| tidy(item, ITEM_MAX).ok().flatten());
        items.take(GROUPS_MAX).collect()
    }

    /// One value: decoded, tidied, and absent when it is not fit to be part of an identity.
    fn text(&self, headers: &HeaderMap, name: Option<&HeaderName>, max: usize) -> Option<String> {
        tidy(&self.decoded(headers, name?)?, max).ok().flatten()
    }

    fn decoded<'a>(&self, headers: &'a HeaderMap, name: &HeaderName) -> Option<Cow<'a, str>> {
        decode(headers.get(name)?.as_bytes(), self.encoding, self.charset)
    }

    /// Azure's `X-MS-CLIENT-PRINCIPAL`: standard base64 of JSON with a list of claims that may repeat.
    fn principal(&self, headers: &HeaderMap) -> Option<Identity> {
        let header = headers.get(&self.names.subject)?;
        let json = STANDARD.decode(header.as_bytes()).ok()?;
        let principal: Principal = serde_json::from_slice(&json).ok()?;
        principal.identity()
    }
}

#[derive(Deserialize)]
struct Principal {
    claims: Vec<PrincipalClaim>,
    #[serde(default)]
    name_typ: Option<String>,
    #[serde(default)]
    role_typ: Option<String>,
}

#[derive(Deserialize)]
struct PrincipalClaim {
    typ: String,
    val: String,
}

impl Principal {
    /// The one value of a claim; `None` when it is absent or stands there twice with different values.
    fn one(&self, types: &[&str]) -> Option<&str> {
        let mut values = self.claims.iter().filter(|c| types.contains(&c.typ.as_str())).map(|c| c.val.as_str());
        let first = values.next()?;
        values.all(|other| other == first).then_some(first)
    }

    /// Tenant and object id together are the durable key of a Microsoft identity; a name is not.
    fn identity(&self) -> Option<Identity> {
        const OBJECT: [&str; 2] = ["oid", "http://schemas.microsoft.com/identity/claims/objectidentifier"];
        const TENANT: [&str; 2] = ["tid", "http://schemas.microsoft.com/identity/claims/tenantid"];
        const NAME_ID: [&str; 2] = ["sub", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier"];
        const EMAIL: [&str; 3] =
            ["email", "emails", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress"];
        let durable = self.one(&TENANT).zip(self.one(&OBJECT)).map(|(tenant, object)| format!("{tenant}.{object}"));
        let subject = durable.or_else(|| self.one(&NAME_ID).map(str::to_owned))?;
        let mut identity = Identity::new(Subject::new(&subject).ok()?);
        let fit = |text: Option<&str>, max| text.and_then(|t| tidy(t, max).ok().flatten());
        let named = self.name_typ.as_deref().and_then(|typ| self.one(&[typ]));
        identity.name = self.one(&["name"]).or(named).and_then(|t| display(t, NAME_MAX).ok().flatten());
        identity.email = fit(self.one(&EMAIL), EMAIL_MAX);
        let is_group = |typ: &str| typ == "groups" || typ == "roles" || self.role_typ.as_deref() == Some(typ);
        let groups =
            self.claims.iter().filter(|c| is_group(&c.typ)).filter_map(|c| tidy(&c.val, ITEM_MAX).ok().flatten());
        identity.groups = groups.take(GROUPS_MAX).collect();
        Some(identity)
    }
}

#[async_trait]
impl Authenticator for Forwarded {
    fn name(&self) -> &'static str {
        NAME
    }

    fn guarded(&self) -> Guarded {
        let n = &self.names;
        // An HTTP date holds a comma; of two times that were joined neither is read.
        let single = [Some(&n.subject), n.email.as_ref(), n.email_verified.as_ref()];
        let scalars = if self.commas { Vec::new() } else { single.into_iter().flatten().cloned().collect() };
        let optional = [&n.display, &n.email, &n.email_verified, &n.groups, &n.locale, &n.expires, &n.auth_time];
        let mut headers: Vec<HeaderName> = optional.into_iter().flatten().cloned().collect();
        headers.push(n.subject.clone());
        headers.extend(n.attributes.iter().map(|(_, header)| header.clone()));
        if let Proof::Secret { header, .. } = &self.proof {
            headers.push(header.clone());
        }
        Guarded { headers, scalars, cookies: Vec::new() }
    }

    async fn authenticate(&self, request: &Parts) -> Result<Option<Session>, Outage> {
        if !request.headers.contains_key(&self.names.subject) {
            return Ok(None);
        }
        if !self.is_proven(request) {
            tracing::warn!(
                "identity headers without proof of origin: is somebody reaching this listener past the proxy?"
            );
            return Ok(None);
        }
        self.session(&request.headers).map_err(|misfit| misfit.outage(NAME))
    }
}

/// Bytes of a header value as text (facts section 4.5); `None` when they cannot be read.
#[must_use]
fn decode(bytes: &[u8], encoding: Encoding, charset: Charset) -> Option<Cow<'_, str>> {
    let decoded = match encoding {
        Encoding::None => Cow::Borrowed(bytes),
        Encoding::Percent => percent_decoded(bytes)?.into(),
        Encoding::Base64Url => {
            let unpadded = bytes.strip_suffix(b"==").or(bytes.strip_suffix(b"=")).unwrap_or(bytes);
            URL_SAFE_NO_PAD.decode(unpadded).ok()?.into()
        }
    };
    let text = match decoded {
        Cow::Borrowed(bytes) => str::from_utf8(bytes).ok().map(Cow::Borrowed),
        Cow::Owned(ref bytes) => str::from_utf8(bytes).ok().map(|text| Cow::Owned(text.to_owned())),
    };
    let latin1 = || decoded.iter().map(|&byte| char::from(byte)).collect();
    text.or_else(|| (charset == Charset::Latin1).then(latin1))
}

fn read_separator(env: &mut Env, usual: char) -> char {
    let Some(text) = env.text(&GROUPS_SEPARATOR) else { return usual };
    let mut chars = text.chars();
    if let (Some(one), None) = (chars.next(), chars.next()) {
        return one;
    }
    env.mistake_in(&GROUPS_SEPARATOR, "takes one character");
    usual
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

fn read_names(env: &mut Env, convention: &Convention) -> Option<Names> {
    let subject = read_header(env, &SUBJECT_HEADER, convention.subject);
    if subject.is_none() {
        env.mistake_in(&SUBJECT_HEADER, "is required: the header with the visitor's stable id");
    }
    let attributes = read_attributes(env);
    let names = Names {
        display: read_header(env, &NAME_HEADER, convention.display),
        email: read_header(env, &EMAIL_HEADER, convention.email),
        email_verified: read_header(env, &EMAIL_VERIFIED_HEADER, ""),
        groups: read_header(env, &GROUPS_HEADER, convention.groups),
        locale: read_header(env, &LOCALE_HEADER, ""),
        expires: read_header(env, &EXPIRES_HEADER, ""),
        auth_time: read_header(env, &AUTH_TIME_HEADER, ""),
        attributes,
        subject: subject?,
    };
    Some(names)
}

fn read_attributes(env: &mut Env) -> Vec<(String, HeaderName)> {
    let pairs: Vec<String> = env.list(&ATTRIBUTES);
    let mut attributes = BTreeMap::new();
    for pair in pairs {
        let parsed = pair.split_once('=').map(|(name, header)| (name.trim(), HeaderName::try_from(header.trim())));
        match parsed {
            Some((name, Ok(header))) if !name.is_empty() => {
                attributes.insert(name.to_owned(), header);
            }
            _ => env.mistake_in(&ATTRIBUTES, &format!("`{pair}` is not name=header")),
        }
    }
    attributes.into_iter().collect()
}

/// The strongest proof that is configured. None at all is a mistake: an empty list of addresses never means everybody
/// (H-1).
fn read_proof(env: &mut Env, convention: Option<&Convention>, proxies: &TrustedProxies, unix: bool) -> Option<Proof> {
    let header = read_header(env, &PROOF_HEADER, "");
    let accepted: Vec<SecretString> =
        [&PROOF_SECRET, &PROOF_SECRET_NEXT].into_iter().filter_map(|var| read_proof_secret(env, var)).collect();
    let unsafe_only = env.flag(&UNSAFE_CIDR_ONLY);
    let on_platform = env.text(&WEBSITE_AUTH_ENABLED).is_some_and(|v| v.eq_ignore_ascii_case("true"));
    if !accepted.is_empty() {
        return header.map(|header| Proof::Secret { header, accepted });
    }
    if env.is_set(&PROOF_SECRET) || env.is_set(&PROOF_SECRET_NEXT) {
        return None;
    }
    if unix {
        return Some(Proof::UnixSocket);
    }
    if on_platform && convention.is_some_and(|c| c.name == EASY_AUTH) {
        return Some(Proof::Platform);
    }
    if unsafe_only && !proxies.is_empty() {
        env.warn(UNSAFE_CIDR_ONLY.name, "identity headers are believed on an address alone");
        return Some(Proof::AddressOnly);
    }
    let remedy = "is required for the source forwarded: without proof of origin anyone who reaches this listener can be anyone. Let the proxy add a secret header, or listen on a Unix socket (LISTEN=unix:/path)";
    env.mistake_in(&PROOF_SECRET, remedy);
    None
}

fn read_proof_secret(env: &mut Env, var: &Var) -> Option<SecretString> {
    let secret = env.secret(var)?;
    let text = secret.expose_secret();
    if text.len() < 32 {
        env.mistake_in(
            var,
            &format!("has {} characters; at least 32 are needed. `countersign keygen` makes one", text.len()),
        );
        return None;
    }
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        env.mistake_in(var, "holds a space or a character that a header cannot carry");
        return None;
    }
    Some(secret)
}
