//! From somebody else's JSON to an identity, by JSON pointers (RFC 6901).
//!
//! The session endpoint of a host, the claims of an assertion and a stored session record differ only in where things
//! stand. A value of the wrong type is absent; an absent, empty or unfit subject is nobody (C-4); a time that cannot be read is
//! a mistake in the configuration, and the answer says in which setting.

use serde_json::Value;

use crate::base::clock::UnixTime;
use crate::base::moment;
use crate::config::env::{Env, Var};
use crate::session::identity::{EMAIL_MAX, GROUPS_MAX, ITEM_MAX, Identity, NAME_MAX, Subject, Unfit, display, tidy};
use crate::session::nobody::Nobody;
use crate::session::{Misfit, Outage, Unfound};

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
    /// Groups: an array of texts, one text, or an object whose members are named after them.
    pub groups: &'a Var,
    /// Language tag.
    pub locale: &'a Var,
    /// End of the session.
    pub expires: &'a Var,
    /// When the visitor logged in, likewise.
    pub auth_time: &'a Var,
    /// Further values, as `name=/pointer`.
    pub attributes: &'a Var,
}

/// Where things stand in one source's JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping {
    subject_setting: &'static str,
    subject: String,
    name: String,
    email: String,
    email_verified: String,
    groups: String,
    locale: String,
    expires: Time,
    auth_time: Time,
    attributes: Vec<(String, String)>,
}

/// Where a time stands, and who says so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Time {
    pointer: String,
    setting: &'static str,
    /// Whether the operator named the place, or it is only where such a time usually stands.
    asked: bool,
}

/// Why a document says nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unmapped {
    /// It names nobody.
    Nobody(Nobody),
    /// It says something where a setting points to that is not what the setting is for.
    Misfit(Misfit),
}

impl Unmapped {
    /// What a source has to say of it.
    #[must_use]
    pub fn of(self, source_name: &'static str) -> Unfound {
        match self {
            Self::Nobody(nobody) => nobody.into(),
            Self::Misfit(misfit) => Outage::misconfigured(source_name, misfit).into(),
        }
    }
}

const NO_TIME: &str = "points at something that is no time: neither seconds nor milliseconds since 1970, nor RFC 3339 with a zone, nor an HTTP date";

impl Time {
    fn of(env: &mut Env, var: &Var, pointer: String) -> Self {
        Self { pointer, setting: var.name, asked: env.is_set(var) }
    }

    fn read(&self, document: &Value) -> Result<Option<UnixTime>, Misfit> {
        let value = find(document, &self.pointer).map(moment::read).transpose();
        value.map_err(|_| Misfit { setting: self.setting, problem: NO_TIME })
    }
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
        let (expires, auth_time) = (pointer(vars.expires), pointer(vars.auth_time));
        Self {
            subject_setting: vars.subject.name,
            subject: pointer(vars.subject),
            name: pointer(vars.name),
            email: pointer(vars.email),
            email_verified: pointer(vars.email_verified),
            groups: pointer(vars.groups),
            locale: pointer(vars.locale),
            expires: Time::of(env, vars.expires, expires),
            auth_time: Time::of(env, vars.auth_time, auth_time),
            attributes: read_attributes(env, vars.attributes),
        }
    }

    /// The pointer that says who somebody is.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// What the document says.
    ///
    /// # Errors
    /// [`Unmapped`] when it names nobody; for an end of the session that cannot be read, and for a time of the login that cannot
    /// be where the operator said where it is. Where nobody asked for that time, nobody is kept out for its sake.
    pub fn apply(&self, document: &Value) -> Result<Mapped, Unmapped> {
        let identity = self.identity(document).map_err(Unmapped::Nobody)?;
        let authenticated_at = match self.auth_time.read(document) {
            Err(_) if !self.auth_time.asked => None,
            read => read.map_err(Unmapped::Misfit)?,
        };
        let expires_at = self.expires.read(document).map_err(Unmapped::Misfit)?;
        Ok(Mapped { identity, expires_at, authenticated_at })
    }

    /// When the visitor logged in, where the document says it.
    ///
    /// # Errors
    /// [`Misfit`] where it cannot be read.
    pub fn authenticated_at(&self, document: &Value) -> Result<Option<UnixTime>, Misfit> {
        self.auth_time.read(document)
    }

    /// Whether the time of the login is read from anywhere.
    #[must_use]
    pub fn reads_auth_time(&self) -> bool {
        !self.auth_time.pointer.is_empty()
    }

    fn identity(&self, document: &Value) -> Result<Identity, Nobody> {
        if let Some(empty) = says_nobody(document, &self.subject) {
            return Err(Nobody::Anonymous(empty));
        }
        let at = |pointer: &str| find(document, pointer);
        let said = |pointer: &str| at(pointer).and_then(first_text);
        let text = |pointer: &str, max| said(pointer).and_then(|t| tidy(t, max).ok().flatten());
        let mut identity = Identity::new(self.read_subject(at(&self.subject))?);
        identity.name = said(&self.name).and_then(|t| display(t, NAME_MAX));
        identity.email = text(&self.email, EMAIL_MAX);
        identity.email_verified = at(&self.email_verified).and_then(truth);
        identity.groups = at(&self.groups).map(texts).unwrap_or_default();
        identity.locale = text(&self.locale, ITEM_MAX);
        for (name, pointer) in &self.attributes {
            if let Some(value) = at(pointer).and_then(harmless) {
                identity.attributes.insert(name.clone(), value);
            }
        }
        Ok(identity)
    }

    fn read_subject(&self, value: Option<&Value>) -> Result<Subject, Nobody> {
        let nobody = |why| Nobody::NoSubject { setting: self.subject_setting, pointer: self.subject.clone(), why };
        let value = value.ok_or_else(|| nobody("nothing stands at "))?;
        let text = scalar(value).ok_or_else(|| nobody("neither a text nor a whole number stands at "))?;
        Subject::new(&text).map_err(|unfit| nobody(unfit_subject(unfit)))
    }
}

fn unfit_subject(unfit: Unfit) -> &'static str {
    match unfit {
        Unfit::Empty => "an empty id stands at ",
        Unfit::TooLong => "an id longer than 256 characters stands at ",
        _ => "an id with a character that no id can hold stands at ",
    }
}

/// How a document says that nobody is logged in: it is empty, or null on the way to the visitor's id.
fn says_nobody(document: &Value, pointer: &str) -> Option<&'static str> {
    match document {
        Value::Null => return Some("null"),
        Value::Object(members) if members.is_empty() => return Some("{}"),
        _ => {}
    }
    let ends = pointer.match_indices('/').skip(1).map(|(end, _)| end).chain([pointer.len()]);
    let is_null = ends.filter_map(|end| document.pointer(&pointer[..end])).any(Value::is_null);
    is_null.then_some("null where the visitor stands")
}

fn find<'a>(document: &'a Value, pointer: &str) -> Option<&'a Value> {
    (!pointer.is_empty()).then(|| document.pointer(pointer)).flatten().filter(|value| !value.is_null())
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

/// A text, or the first of a list: directories keep several names and addresses of somebody, the main one first.
fn first_text(value: &Value) -> Option<&str> {
    value.as_array().map_or(Some(value), |items| items.first()).and_then(Value::as_str)
}

/// A text, a list of texts, or an object whose members are named after them (Zitadel's roles).
fn texts(value: &Value) -> Vec<String> {
    let items: Vec<&str> = match value {
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        Value::Object(members) => {
            members.iter().filter(|(_, held)| is_held(held)).map(|(name, _)| name.as_str()).collect()
        }
        one => one.as_str().into_iter().collect(),
    };
    let fit = items.into_iter().filter_map(|t| tidy(t, ITEM_MAX).ok().flatten());
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

/// A role that says `false` or `null` is none.
fn is_held(role: &Value) -> bool {
    !matches!(role, Value::Null | Value::Bool(false))
}
