//! How a page must ask for a token: by which method, with which header, on which further paths.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts as Head;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::origin::OriginError;
use super::problem::Problem;
use crate::config::env::Env;
use crate::net::field::media_type;
use crate::widget::Settings;

crate::settings! {
    pub vars VARS {
        TOKEN_METHODS("GET,POST", "POST"),
            "Methods that get a token. Vendors' page snippets use GET; POST alone is stricter.";
        TOKEN_REQUIRE_HEADER("", "X-Requested-By: countersign"),
            "A header (`Name`, or `Name: value`) that a page must send, which no form or image can. The browser module sends X-Requested-By: countersign.";
        TOKEN_ALIASES("", "/chatBot=clinic"),
            "Further paths that answer with a widget's bare token, as /path=widget: for vendor pages that ask there and read the body as the token.";
    }
}

/// How a page must ask.
#[derive(Debug, Clone)]
pub struct TokenRules {
    get: bool,
    aliases: Vec<Alias>,
    header: Option<(HeaderName, Option<HeaderValue>)>,
}

/// A further path that answers with a widget's bare token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Alias {
    pub(super) path: String,
    pub(super) widget: String,
}

impl std::str::FromStr for Alias {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (path, widget) = text.split_once('=').ok_or_else(|| format!("`{text}` is not /path=widget"))?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_');
        let ours = ["/token", "/refresh", "/session", "/login", "/logout", "/introspect"];
        let taken = ours.iter().any(|own| path == *own || path.starts_with(&format!("{own}/")));
        let sound = path.len() > 1 && path.starts_with('/') && !path.ends_with('/') && !path.contains("//");
        if sound && !taken && path.chars().all(plain) {
            Ok(Self { path: path.to_owned(), widget: widget.to_owned() })
        } else {
            Err(format!("`{path}` is not a free path such as /chatBot"))
        }
    }
}

impl TokenRules {
    /// Reads the methods and the header.
    pub fn read(env: &mut Env) -> Self {
        let methods: Vec<String> = env.list(&TOKEN_METHODS);
        let known = methods.iter().all(|m| m == "GET" || m == "POST");
        if !known || !methods.iter().any(|m| m == "POST") {
            env.mistake_in(&TOKEN_METHODS, "takes POST, or GET,POST");
        }
        let header = env.text(&TOKEN_REQUIRE_HEADER).and_then(|text| read_header(env, &text));
        Self { get: methods.iter().any(|m| m == "GET"), aliases: env.list(&TOKEN_ALIASES), header }
    }

    /// Names aliases of widgets that do not exist.
    pub fn check_aliases(&self, env: &mut Env, widgets: &[Settings]) {
        for alias in self.aliases.iter().filter(|alias| !widgets.iter().any(|widget| widget.name == alias.widget)) {
            env.mistake_in(&TOKEN_ALIASES, &format!("there is no widget `{}`", alias.widget));
        }
    }

    /// The header that every page must send.
    pub fn required_header(&self) -> Option<&HeaderName> {
        self.header.as_ref().map(|(name, _)| name)
    }

    pub(super) fn aliases(&self) -> &[Alias] {
        &self.aliases
    }

    pub(super) fn methods(&self) -> &'static str {
        if self.get { "GET, POST, OPTIONS" } else { "POST, OPTIONS" }
    }

    pub(super) fn check(&self, head: &Head, body_max: usize) -> Result<(), Problem> {
        check_body(&head.headers, body_max)?;
        let Some((name, value)) = &self.header else { return Ok(()) };
        let sent = head.headers.get(name);
        let right = sent.is_some_and(|sent| value.as_ref().is_none_or(|value| value == sent));
        if right { Ok(()) } else { Err(Problem::Origin(OriginError::NoHeader)) }
    }
}

fn read_header(env: &mut Env, text: &str) -> Option<(HeaderName, Option<HeaderValue>)> {
    let (name, value) = text.split_once(':').map_or((text, None), |(n, v)| (n, Some(v.trim())));
    let parsed = HeaderName::try_from(name.trim()).ok().zip(value.map(HeaderValue::from_str).transpose().ok());
    if parsed.is_none() {
        env.mistake_in(&TOKEN_REQUIRE_HEADER, "is neither `Name` nor `Name: value`");
    }
    parsed
}

/// No body, or JSON: a form or a plain text is what another site's page can send without asking (B-1). What it says is
/// never read.
fn check_body(headers: &HeaderMap, most: usize) -> Result<(), Problem> {
    let content_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let media = content_type.map(media_type);
    if media.is_some_and(|m| !m.is_empty() && !m.eq_ignore_ascii_case(b"application/json")) {
        return Err(Problem::MediaType);
    }
    let length = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<usize>().ok());
    if length.is_some_and(|length| length > most) { Err(Problem::TooLarge) } else { Ok(()) }
}
