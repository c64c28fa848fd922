//! A vendor's exchange bound to this organisation: the templates that fill its calls, and the server they go to.

use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Map, Value};
use url::{Url, form_urlencoded};

use super::vars::WIDGET_EXCHANGE;
use crate::base::clock::{Clock, UnixTime};
use crate::claims::{
    ClaimTemplate, Incomplete, Missing, PageInput, Registered, Scope, Stamp, Surroundings, TemplateError, TextTemplate,
};
use crate::config::env::Env;
use crate::connector::exchange::format::{CallFormat, ExchangeFormat};
use crate::connector::exchange::{Exchange, Request, Requests, WIDGET_API_URL, read_secrets};
use crate::connector::wire::read_limits;
use crate::net::outbound::{Limits, Outbound, is_loopback};
use crate::session::Session;
use crate::session::identity::{Identity, Subject};

/// One vendor's exchange: plain values, of which the vendor's server can be asked.
#[derive(Debug)]
pub struct Plan {
    /// What is sent and how the answer is read.
    pub format: ExchangeFormat,
    server: Url,
    secrets: Vec<SecretString>,
    limits: Limits,
    origin: String,
    first: Option<CallTemplate>,
    call: CallTemplate,
    revoke: Option<CallTemplate>,
}

#[derive(Debug)]
struct CallTemplate {
    url: TextTemplate,
    body: Option<ClaimTemplate>,
    form: bool,
}

impl Plan {
    /// Reads the exchange of the widget being read; `None` after naming what is wrong.
    pub(super) fn read(env: &mut Env, text: &str, surroundings: &Surroundings, outbound: &Outbound) -> Option<Self> {
        let secrets = read_secrets(env);
        let limits = read_limits(env);
        let base = read_base(env)?;
        let format = ExchangeFormat::parse(text);
        let format =
            format.map_err(|problems| problems.iter().for_each(|p| env.mistake_in(&WIDGET_EXCHANGE, p))).ok()?;
        let server = origin_of(env, &format, base.as_deref(), surroundings)?;
        let mut compile = |call: &CallFormat, name: &str| {
            let compiled = CallTemplate::compile(call, name, base.as_deref(), surroundings);
            compiled.map_err(|errors| errors.iter().for_each(|e| env.mistake_in(&WIDGET_EXCHANGE, &e.to_string()))).ok()
        };
        let first = format.first.as_ref().map(|call| compile(call, "first"));
        let call = compile(&format.call, "call");
        let revoke = format.revoke.as_ref().map(|call| compile(call, "revoke"));
        if matches!(first, Some(None)) || matches!(revoke, Some(None)) || secrets.is_empty() {
            return None;
        }
        let (first, call, revoke) = (first.flatten(), call?, revoke.flatten());
        let limits = limits?;
        outbound.check(&server).map_err(|problem| env.mistake_in(&WIDGET_API_URL, &problem)).ok()?;
        let origin = server.origin().ascii_serialization();
        let plan = Self { format, server, secrets, limits, origin, first, call, revoke };
        let (nobody, stamp) = nobody()?;
        if let Err(lacking) = plan.revocation(&nobody, "nobody", "", &stamp) {
            let why = "where tokens are revoked nothing is known of a visitor but `subject`";
            env.mistake_in(&WIDGET_EXCHANGE, &format!("`revoke` cannot be filled, because {why} ({lacking})"));
        }
        Some(plan)
    }

    /// The vendor's server.
    ///
    /// # Errors
    /// A sentence for the operator when no client can be made.
    pub fn exchange(&self, outbound: &Outbound, clock: &Clock) -> Result<Exchange, String> {
        Exchange::new(self.format.clone(), &self.server, self.secrets.clone(), outbound, self.limits, clock)
    }

    /// The host that is called.
    #[must_use]
    pub fn host(&self) -> &str {
        self.server.host_str().unwrap_or_default()
    }

    /// The filled calls of one visitor.
    ///
    /// # Errors
    /// [`Incomplete`] when the session lacks something that is sent.
    pub fn requests(&self, scope: &Scope<'_>, stamp: &Stamp) -> Result<Requests, Incomplete> {
        let first = self.first.as_ref().map(|first| self.fill(first, scope, stamp)).transpose()?;
        Ok(Requests { first, call: self.fill(&self.call, scope, stamp)? })
    }

    /// Whether the vendor can end a visitor's tokens.
    #[must_use]
    pub fn revokes(&self) -> bool {
        self.revoke.is_some()
    }

    /// The filled call that ends the tokens of a visitor of whom nothing but the subject is known.
    ///
    /// # Errors
    /// As [`Plan::requests`].
    pub fn revocation(
        &self,
        session: &Session,
        subject: &str,
        widget: &str,
        stamp: &Stamp,
    ) -> Result<Option<Request>, Incomplete> {
        let page = PageInput::default();
        let scope = Scope { session, subject, widget, ticket: None, agent: false, page: &page };
        self.revoke.as_ref().map(|revoke| self.fill(revoke, &scope, stamp)).transpose()
    }

    fn fill(&self, call: &CallTemplate, scope: &Scope<'_>, stamp: &Stamp) -> Result<Request, Incomplete> {
        let filled = call.url.fill(scope, stamp)?;
        // What is encoded cannot lead elsewhere; should it ever, the secret still stays.
        let url = Url::parse(&filled).ok().filter(|url| url.origin().ascii_serialization() == self.origin);
        let url = url.ok_or_else(|| Incomplete { claim: "url".to_owned(), reason: Missing::Failed })?;
        let map = match &call.body {
            None => return Ok(Request { url, body: bytes::Bytes::new() }),
            Some(body) => body.fill(scope, stamp)?.map(),
        };
        let body = if call.form { form(&map) } else { Value::Object(map).to_string() };
        Ok(Request { url, body: body.into() })
    }
}

impl CallTemplate {
    fn compile(
        call: &CallFormat,
        name: &str,
        base: Option<&str>,
        surroundings: &Surroundings,
    ) -> Result<Self, Vec<TemplateError>> {
        let url = TextTemplate::compile(&format!("{name}.url"), &moved(&call.url, base), surroundings.clone())?;
        let nothing = Registered { issuer: None, audience: Vec::new(), subject: None, stamped: Vec::new() };
        let body = call.json.as_ref().or(call.form.as_ref()).map(|body| Value::Object(body.clone()).to_string());
        let body = body.map(|text| ClaimTemplate::compile_over("{}", &text, nothing, surroundings.clone()));
        Ok(Self { url, body: body.transpose()?, form: call.form.is_some() })
    }
}

fn form(map: &Map<String, Value>) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    for (name, value) in map {
        match value {
            Value::String(text) => form.append_pair(name, text),
            other => form.append_pair(name, &other.to_string()),
        };
    }
    form.finish()
}

/// The address with another scheme and host, where the operator names one.
fn moved(url: &str, base: Option<&str>) -> String {
    match base {
        Some(base) => format!("{base}{}", &url[authority(url).len()..]),
        None => url.to_owned(),
    }
}

/// Scheme and host of an address that may hold expressions.
fn authority(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find(['/', '?']).map_or(url.len(), |at| start + at);
    &url[..end]
}

/// `Some(None)` when none is set; `None` after naming what is wrong.
#[expect(clippy::option_option, reason = "absent, and wrong, are two things")]
fn read_base(env: &mut Env) -> Option<Option<String>> {
    if !env.is_set(&WIDGET_API_URL) {
        return Some(None);
    }
    let url: Url = env.parse(&WIDGET_API_URL)?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let nobody = url.username().is_empty() && url.password().is_none();
    let safe = url.scheme() == "https" || url.scheme() == "http" && is_loopback(&url);
    if !(bare && nobody && safe) {
        env.mistake_in(&WIDGET_API_URL, "is not an https address without path and credentials");
        return None;
    }
    Some(Some(url.origin().ascii_serialization()))
}

/// The one origin that every call goes to, which no visitor has a say in.
fn origin_of(env: &mut Env, format: &ExchangeFormat, base: Option<&str>, known: &Surroundings) -> Option<Url> {
    let mut origins: Vec<Url> = Vec::new();
    for (name, call) in format.calls() {
        let text = moved(&call.url, base);
        let filled = fixed(authority(&text), known);
        let url = filled.and_then(|text| Url::parse(&text).ok());
        let safe = |url: &Url| url.scheme() == "https" || url.scheme() == "http" && is_loopback(url);
        let Some(url) = url.filter(safe) else {
            let why = "must be an https address in whose host nothing but `config` values stand";
            env.mistake_in(&WIDGET_EXCHANGE, &format!("`{name}.url` {why}"));
            return None;
        };
        origins.push(url);
    }
    if origins.windows(2).any(|pair| pair[0].origin() != pair[1].origin()) {
        env.mistake_in(&WIDGET_EXCHANGE, "calls more than one server; the API key goes to one only");
        return None;
    }
    origins.into_iter().next()
}

/// The text with nothing but constants in it.
fn fixed(text: &str, known: &Surroundings) -> Option<String> {
    let constants_only = text.split("{{").skip(1).all(|rest| rest.trim_start().starts_with("config."));
    let template = TextTemplate::compile("url", text, known.clone()).ok().filter(|_| constants_only)?;
    let (session, stamp) = nobody()?;
    let page = PageInput::default();
    let scope = Scope { session: &session, subject: "nobody", widget: "", ticket: None, agent: false, page: &page };
    template.fill(&scope, &stamp).ok()
}

/// A visitor of whom nothing is known, at no time in particular.
fn nobody() -> Option<(Session, Stamp)> {
    let identity = Identity::new(Subject::new("nobody").ok()?);
    let session = Session::of(identity, "self-test");
    Some((session, Stamp::new(UnixTime(0), Duration::from_secs(1), Duration::ZERO, None)?))
}
