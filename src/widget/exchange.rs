//! A vendor's exchange bound to this organisation: the templates that fill its calls, and the server they go to.

use serde_json::{Map, Value};
use url::{Url, form_urlencoded};

use super::vars::EXCHANGE;
use crate::base::clock::{Clock, UnixTime};
use crate::claims::{
    ClaimTemplate, Incomplete, Missing, PageInput, Registered, Scope, Stamp, Surroundings, TemplateError, TextTemplate,
};
use crate::config::env::Env;
use crate::connector::exchange::format::{CallFormat, ExchangeFormat};
use crate::connector::exchange::{API_URL, Exchange, Request, Requests, read_secrets};
use crate::connector::wire::read_limits;
use crate::net::outbound::{Outbound, is_loopback};
use crate::session::Session;
use crate::session::identity::{Identity, Subject};

/// One vendor's exchange, ready to be asked.
#[derive(Debug)]
pub struct Plan {
    /// The vendor's server.
    pub exchange: Exchange,
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
    pub(super) fn read(
        env: &mut Env,
        text: &str,
        surroundings: &Surroundings,
        outbound: &Outbound,
        clock: &Clock,
    ) -> Option<Self> {
        let secrets = read_secrets(env);
        let limits = read_limits(env);
        let base = read_base(env)?;
        let format = ExchangeFormat::parse(text);
        let format = format.map_err(|problems| problems.iter().for_each(|p| env.mistake_in(&EXCHANGE, p))).ok()?;
        let origin = origin_of(env, &format, base.as_deref(), surroundings)?;
        let mut compile = |call: &CallFormat, name: &str| {
            let compiled = CallTemplate::compile(call, name, base.as_deref(), surroundings);
            compiled.map_err(|errors| errors.iter().for_each(|e| env.mistake_in(&EXCHANGE, &e.to_string()))).ok()
        };
        let first = format.first.as_ref().map(|call| compile(call, "first"));
        let call = compile(&format.call, "call");
        let revoke = format.revoke.as_ref().map(|call| compile(call, "revoke"));
        if matches!(first, Some(None)) || matches!(revoke, Some(None)) || secrets.is_empty() {
            return None;
        }
        let (first, call, revoke) = (first.flatten(), call?, revoke.flatten());
        let exchange = Exchange::new(format, &origin, secrets, outbound, limits?, clock);
        let exchange = exchange.map_err(|problem| env.mistake_in(&API_URL, &problem)).ok()?;
        Some(Self { exchange, origin: origin.origin().ascii_serialization(), first, call, revoke })
    }

    /// The filled calls of one visitor.
    ///
    /// # Errors
    /// [`Incomplete`] when the session lacks something that is sent.
    pub fn requests(&self, scope: &Scope<'_>, stamp: &Stamp) -> Result<Requests, Incomplete> {
        let first = self.first.as_ref().map(|first| self.fill(first, scope, stamp)).transpose()?;
        Ok(Requests { first, call: self.fill(&self.call, scope, stamp)? })
    }

    /// The filled call that ends a visitor's tokens.
    ///
    /// # Errors
    /// As [`Plan::requests`].
    pub fn revocation(&self, scope: &Scope<'_>, stamp: &Stamp) -> Result<Option<Request>, Incomplete> {
        self.revoke.as_ref().map(|revoke| self.fill(revoke, scope, stamp)).transpose()
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
    if !env.is_set(&API_URL) {
        return Some(None);
    }
    let url: Url = env.parse(&API_URL)?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let nobody = url.username().is_empty() && url.password().is_none();
    let safe = url.scheme() == "https" || url.scheme() == "http" && is_loopback(&url);
    if !(bare && nobody && safe) {
        env.mistake_in(&API_URL, "is not an https address without path and credentials");
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
            env.mistake_in(&EXCHANGE, &format!("`{name}.url` {why}"));
            return None;
        };
        origins.push(url);
    }
    if origins.windows(2).any(|pair| pair[0].origin() != pair[1].origin()) {
        env.mistake_in(&EXCHANGE, "calls more than one server; the API key goes to one only");
        return None;
    }
    origins.into_iter().next()
}

/// The text with nothing but constants in it.
fn fixed(text: &str, known: &Surroundings) -> Option<String> {
    let constants_only = text.split("{{").skip(1).all(|rest| rest.trim_start().starts_with("config."));
    let template = TextTemplate::compile("url", text, known.clone()).ok().filter(|_| constants_only)?;
    let session = Session {
        identity: Identity::new(Subject::new("nobody").ok()?),
        source: "self-test",
        expires_at: None,
        authenticated_at: None,
    };
    let page = PageInput::default();
    let scope = Scope { session: &session, subject: "nobody", widget: "", ticket: None, agent: false, page: &page };
    let stamp = Stamp::new(UnixTime(0), std::time::Duration::from_secs(1), std::time::Duration::ZERO, None)?;
    template.fill(&scope, &stamp).ok()
}
