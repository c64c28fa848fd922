//! From somebody else's JSON to an identity, by JSON pointers (RFC 6901).
//!
//! The session endpoint of a host, the claims of an assertion and a stored session record differ only in where things
//! stand. A value of the wrong type is absent; an absent, empty or unfit subject is nobody (C-4); a time that cannot be read is
//! a mistake in the configuration, and the answer says in which setting.

use serde_json::Value;

use crate::base::clock::UnixTime;
use crate::base::moment;
use crate::config::env::{Env, Var};
use crate::session::identity::{EMAIL_MAX, ITEM_MAX, Identity, NAME_MAX, Subject, Unfit, display, fit_groups, tidy};
use crate::session::nobody::Nobody;
use crate::session::{Misfit, Outage, Unfound};

/// Declares the nine settings that say where a source's JSON says what: the constants `MAPPING`, and `MAPPING_VARS`, the list
/// of them in the order of the sample file. In the brackets stand the default and a sample.
///
/// ```
/// countersign::mapping! { pub of "EXAMPLE" {
///     subject("/sub", "/user/id"), "JSON pointer to the visitor's stable id.";
///     name("/name", "/user/full_name");
///     email("/email", "/mail");
///     email_verified("/email_verified", "none");
///     groups("/groups", "/roles");
///     locale("/locale", "/lang");
///     expires("/exp", "/expires_at"), "JSON pointer to the end of the session.";
///     auth_time("/auth_time", "none"), "JSON pointer to when the visitor logged in.";
///     attributes("", "plan=/plan"), "Further values to read, as name=/pointer.";
/// } }
///
/// assert_eq!(MAPPING.email.name, "EXAMPLE_EMAIL");
/// ```
#[macro_export]
macro_rules! mapping {
    ($vis:vis of $source:literal {
        subject($subject:literal, $subject_sample:literal), $subject_doc:literal;
        name($name:literal, $name_sample:literal);
        email($email:literal, $email_sample:literal);
        email_verified($verified:literal, $verified_sample:literal);
        groups($groups:literal, $groups_sample:literal);
        locale($locale:literal, $locale_sample:literal);
        expires $(as $end:literal)? ($expires:literal, $expires_sample:literal), $expires_doc:literal;
        auth_time($auth_time:literal, $auth_time_sample:literal), $auth_time_doc:literal;
        attributes($attributes:literal, $attributes_sample:literal), $attributes_doc:literal;
    }) => {
        /// Where this source's JSON says what.
        $vis const MAPPING: $crate::session::mapping::MappingVars = {
            use $crate::config::var::Var;
            $crate::session::mapping::MappingVars {
                subject: Var::new(concat!($source, "_SUBJECT"), $subject, $subject_sample, $subject_doc),
                name: Var::new(concat!($source, "_NAME"), $name, $name_sample, "JSON pointer to the display name."),
                email: Var::new(concat!($source, "_EMAIL"), $email, $email_sample, "JSON pointer to the e-mail address."),
                email_verified: Var::new(
                    concat!($source, "_EMAIL_VERIFIED"),
                    $verified,
                    $verified_sample,
                    "JSON pointer to whether the address is verified.",
                ),
                groups: Var::new(concat!($source, "_GROUPS"), $groups, $groups_sample, "JSON pointer to the groups."),
                locale: Var::new(concat!($source, "_LOCALE"), $locale, $locale_sample, "JSON pointer to the language tag."),
                expires: Var::new(
                    $crate::mapping!(@end $source $($end)?),
                    $expires,
                    $expires_sample,
                    $expires_doc,
                ),
                auth_time: Var::new(concat!($source, "_AUTH_TIME"), $auth_time, $auth_time_sample, $auth_time_doc),
                attributes: Var::new(concat!($source, "_ATTRIBUTES"), $attributes, $attributes_sample, $attributes_doc),
            }
        };

        /// Each of these settings, in the order of the sample file.
        $vis const MAPPING_VARS: &[&$crate::config::var::Var] = &[
            &MAPPING.subject,
            &MAPPING.name,
            &MAPPING.email,
            &MAPPING.email_verified,
            &MAPPING.groups,
            &MAPPING.locale,
            &MAPPING.expires,
            &MAPPING.auth_time,
            &MAPPING.attributes,
        ];
    };
    (@end $source:literal) => {
        concat!($source, "_EXPIRES")
    };
    (@end $source:literal $end:literal) => {
        concat!($source, "_", $end)
    };
}

/// The variables that hold one source's pointers.
#[derive(Debug, Clone, Copy)]
pub struct MappingVars {
    /// The visitor's stable id: text, or an integer.
    pub subject: Var,
    /// Display name.
    pub name: Var,
    /// E-mail address.
    pub email: Var,
    /// Whether the address is verified: a boolean, or its text.
    pub email_verified: Var,
    /// Groups: an array of texts, one text, or an object whose members are named after them.
    pub groups: Var,
    /// Language tag.
    pub locale: Var,
    /// End of the session.
    pub expires: Var,
    /// When the visitor logged in, likewise.
    pub auth_time: Var,
    /// Further values, as `name=/pointer`.
    pub attributes: Var,
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
    /// Names of the attributes that are read.
    #[must_use]
    pub fn attributes(&self) -> Vec<String> {
        self.attributes.iter().map(|(name, _)| name.clone()).collect()
    }

    /// Reads the pointers.
    pub fn read(env: &mut Env, vars: &MappingVars) -> Self {
        let mut pointer = |var: &Var| {
            let text = env.text(var).filter(|t| !t.eq_ignore_ascii_case("none")).unwrap_or_default();
            if !text.is_empty() && !text.starts_with('/') {
                env.mistake_in(var, "takes a JSON pointer such as /user/id");
            }
            text
        };
        let (expires, auth_time) = (pointer(&vars.expires), pointer(&vars.auth_time));
        Self {
            subject_setting: vars.subject.name,
            subject: pointer(&vars.subject),
            name: pointer(&vars.name),
            email: pointer(&vars.email),
            email_verified: pointer(&vars.email_verified),
            groups: pointer(&vars.groups),
            locale: pointer(&vars.locale),
            expires: Time::of(env, &vars.expires, expires),
            auth_time: Time::of(env, &vars.auth_time, auth_time),
            attributes: read_attributes(env, &vars.attributes),
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
            let said = at(pointer).filter(|value| !value.is_null() && **value != "");
            if let Some(value) = said.and_then(harmless) {
                identity.attributes.insert(name.clone(), value);
            } else if said.is_some() {
                tracing::warn!(
                    attribute = name,
                    "an attribute was left out: it is too large, or holds a character that no text about somebody can hold"
                );
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
    fit_groups(items)
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
