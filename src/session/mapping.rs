//! From somebody else's JSON to an identity, by JSON pointers (RFC 6901).
//!
//! The session endpoint of a host, the claims of an assertion and a stored session record differ only in where things
//! stand. A value of the wrong type is absent; an absent, empty or unfit subject is nobody (C-4).

use serde_json::Value;

use crate::base::clock::UnixTime;
use crate::config::env::{Env, Var};
use crate::session::identity::{EMAIL_MAX, GROUPS_MAX, ITEM_MAX, Identity, NAME_MAX, Subject, display, tidy};

/// The variables that hold one source's pointers.
#[derive(Debug, Clone, Copy)]
pub struct MappingVars<'a> {
    /// The visitor's stable id: text, or an integer.
    pub subject: &'a Var,
    /// Display name.
    pub name: &'a Var,
    /// E-mail address.
    pub email: &'a Var,
    /// Whether the address is verified: a boolean, or its text.
    pub email_verified: &'a Var,
    /// Groups: an array of texts, or one text.
    pub groups: &'a Var,
    /// Language tag.
    pub locale: &'a Var,
    /// End of the session: seconds since 1970, or RFC 3339.
    pub expires: &'a Var,
    /// When the visitor logged in, likewise.
    pub auth_time: &'a Var,
    /// Further values, as `name=/pointer`.
    pub attributes: &'a Var,
}

/// Where things stand in one source's JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping {
    subject: String,
    name: String,
    email: String,
    email_verified: String,
    groups: String,
    locale: String,
    expires: String,
    auth_time: String,
    attributes: Vec<(String, String)>,
}

/// What a JSON document says about a visitor.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapped {
    /// Who.
    pub identity: Identity,
    /// Until when.
    pub expires_at: Option<UnixTime>,
    /// Since when.
    pub authenticated_at: Option<UnixTime>,
}

impl Mapping {
    /// Reads the pointers.
    pub fn read(env: &mut Env, vars: &MappingVars<'_>) -> Self {
        let mut pointer = |var: &Var| {
            let text = env.text(var).filter(|t| !t.eq_ignore_ascii_case("none")).unwrap_or_default();
            if !text.is_empty() && !text.starts_with('/') {
                env.mistake_in(var, "takes a JSON pointer such as /user/id");
            }
            text
        };
        Self {
            subject: pointer(vars.subject),
            name: pointer(vars.name),
            email: pointer(vars.email),
            email_verified: pointer(vars.email_verified),
            groups: pointer(vars.groups),
            locale: pointer(vars.locale),
            expires: pointer(vars.expires),
            auth_time: pointer(vars.auth_time),
            attributes: read_attributes(env, vars.attributes),
        }
    }

    /// The pointer that says who somebody is.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// What the document says; `None` when it names nobody, or an end of the session that cannot be read: a session
    /// whose end is unknown though one is stated cannot be kept to.
    #[must_use]
    pub fn apply(&self, document: &Value) -> Option<Mapped> {
        let at =
            |pointer: &str| (!pointer.is_empty()).then(|| document.pointer(pointer)).flatten().filter(|v| !v.is_null());
        let said = |pointer: &str| at(pointer).and_then(Value::as_str);
        let text = |pointer: &str, max| said(pointer).and_then(|t| tidy(t, max).ok().flatten());
        let mut identity = Identity::new(Subject::new(&scalar(at(&self.subject)?)?).ok()?);
        identity.name = said(&self.name).and_then(|t| display(t, NAME_MAX).ok().flatten());
        identity.email = text(&self.email, EMAIL_MAX);
        identity.email_verified = at(&self.email_verified).and_then(truth);
        identity.groups = at(&self.groups).map(texts).unwrap_or_default();
        identity.locale = text(&self.locale, ITEM_MAX);
        for (name, pointer) in &self.attributes {
            if let Some(value) = at(pointer).and_then(harmless) {
                identity.attributes.insert(name.clone(), value);
            }
        }
        let expires_at = match at(&self.expires) {
            Some(value) => Some(moment(value)?),
            None => None,
        };
        Some(Mapped { identity, expires_at, authenticated_at: at(&self.auth_time).and_then(moment) })
    }
}

fn read_attributes(env: &mut Env, var: &Var) -> Vec<(String, String)> {
    let pairs: Vec<String> = env.list(var);
    let mut attributes = Vec::new();
    for pair in pairs {
        match pair.split_once('=').map(|(name, pointer)| (name.trim(), pointer.trim())) {
            Some((name, pointer)) if !name.is_empty() && pointer.starts_with('/') => {
                attributes.push((name.to_owned(), pointer.to_owned()));
            }
            _ => env.mistake_in(var, &format!("`{pair}` is not name=/pointer")),
        }
    }
    attributes
}

/// A text, or a whole number written out. A fraction or a number beyond 64 bits is no identifier.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) if number.is_u64() || number.is_i64() => Some(number.to_string()),
        _ => None,
    }
}

fn truth(value: &Value) -> Option<bool> {
    value.as_bool().or_else(|| value.as_str()?.to_ascii_lowercase().parse().ok())
}

fn texts(value: &Value) -> Vec<String> {
    let items = match value {
        Value::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    let fit = items.iter().filter_map(Value::as_str).filter_map(|t| tidy(t, ITEM_MAX).ok().flatten());
    fit.take(GROUPS_MAX).collect()
}

/// A value that may become an attribute: texts pass the same checks as all identity; containers are kept to a size.
fn harmless(value: &Value) -> Option<Value> {
    const CONTAINER_MAX: usize = 4096;
    match value {
        Value::String(text) => tidy(text, ITEM_MAX).ok().flatten().map(Value::String),
        Value::Array(_) | Value::Object(_) => (value.to_string().len() <= CONTAINER_MAX).then(|| value.clone()),
        other => Some(other.clone()),
    }
}

/// Seconds since 1970 or RFC 3339. A number so large that it must be milliseconds is refused, not guessed.
#[must_use]
pub fn moment(value: &Value) -> Option<UnixTime> {
    const YEAR_3000: u64 = 32_503_680_000;
    let seconds = value.as_u64().or_else(|| value.as_str()?.parse().ok());
    let date = || time::OffsetDateTime::parse(value.as_str()?, &time::format_description::well_known::Rfc3339).ok();
    let seconds = seconds.or_else(|| u64::try_from(date()?.unix_timestamp()).ok())?;
    (seconds < YEAR_3000).then_some(UnixTime(seconds))
}
