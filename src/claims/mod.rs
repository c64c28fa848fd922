//! From a session to a claim set, by a template that the operator wrote and start-up checked. Pure.
//!
//! A template is JSON. Each string is a literal or exactly one `{{ expression }}` over the visitor's session; values keep
//! their JSON type, so no visitor's text can add or alter a claim (T-4). Registered claims are laid over the template last
//! and cannot be named in it (T-3). An object with the key `$claim` is one expression with rules:
//!
//! ```json
//! { "name": { "$claim": "{{ name or email }}", "required": true, "max": 200, "overlong": "truncate" } }
//! ```

mod compiler;
mod formula;
mod origin;
pub mod pseudonym;
mod registered;
mod rule;
mod set;
mod text;
mod variable;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::{Map, Value};

use self::compiler::Compiler;
use self::formula::Formula;
pub use self::registered::{Registered, Stamped, SubjectRule};
use self::rule::{Rule, present};
pub use self::set::Claims;
use self::set::Name;
pub use self::text::TextTemplate;
use crate::base::clock::{UnixTime, random_id, random_uuid};
use crate::connector::ticket::Ticket;
use crate::session::Session;

/// What a template can see of one request.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The visitor's session.
    pub session: &'a Session,
    /// The visitor's id as this widget is to know it: plain, encoded, or a pseudonym.
    pub subject: &'a str,
    /// The widget's name.
    pub widget: &'a str,
    /// What the connector brought back, where there is one.
    pub ticket: Option<&'a Ticket>,
    /// Whether the visitor is one of the organisation's agents.
    pub agent: bool,
    /// The few things a page may say. Not identity.
    pub page: &'a PageInput,
}

/// What a page may say about itself: typed, range-checked, and never about who the visitor is (T-6).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PageInput {
    /// BCP 47 language tag.
    pub locale: Option<String>,
    /// Latitude and longitude in degrees.
    pub location: Option<(f64, f64)>,
    /// Values that the vendor's own code in the page made, such as a socket's id: of the shape that was declared, and
    /// nothing else is known of them.
    pub untrusted: BTreeMap<String, String>,
}

/// What a widget's templates know besides the visitor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Values that the operator configured, `config.NAME` in templates.
    pub constants: BTreeMap<String, String>,
    /// Names of the values that a page may send, `untrusted.NAME` in templates.
    pub untrusted: Vec<String>,
}

/// One visitor at one moment, as a formula sees them.
#[derive(Clone, Copy)]
struct Sight<'a> {
    scope: &'a Scope<'a>,
    stamp: &'a Stamp,
    surroundings: &'a Surroundings,
}

/// When a token was made, from when and until when it is good, and its own id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// Now, by our own clock.
    pub now: UnixTime,
    /// `iat` and `nbf`: now, back-dated against clocks that run behind ours.
    pub issued_at: UnixTime,
    /// `exp`: the end of the widget's lifetime or of the session, whichever is first.
    pub expires_at: UnixTime,
    /// How long that is from now; never zero.
    pub expires_in: Duration,
    /// Made when it is first asked for: many vendors want none, and chance costs as much as a signature.
    id: OnceLock<String>,
    uuid: OnceLock<String>,
}

impl Stamp {
    /// Stamps a token made `now`; `None` when nothing of the session is left, because a token never outlives its session.
    #[must_use]
    pub fn new(now: UnixTime, lifetime: Duration, skew: Duration, session_end: Option<UnixTime>) -> Option<Self> {
        let own_end = now.plus(lifetime);
        let expires_at = session_end.map_or(own_end, |end| end.min(own_end));
        let expires_in = expires_at.since(now);
        let (id, uuid) = (OnceLock::new(), OnceLock::new());
        let stamp = Self { now, issued_at: now.minus(skew), expires_at, expires_in, id, uuid };
        (!expires_in.is_zero()).then_some(stamp)
    }

    /// The same stamp for a vendor that takes tokens of which `exp` lies at most `most` after `iat`; `None` when nothing is left.
    #[must_use]
    pub fn within(mut self, most: Duration) -> Option<Self> {
        // Back-dating takes at most half of what there is.
        self.issued_at = self.issued_at.max(self.now.minus(most / 2));
        self.expires_at = self.expires_at.min(self.issued_at.plus(most));
        self.expires_in = self.expires_at.since(self.now);
        (!self.expires_in.is_zero()).then_some(self)
    }

    /// A UUID of this token: the same however often it is asked for.
    #[must_use]
    pub fn uuid(&self) -> &str {
        self.uuid.get_or_init(random_uuid)
    }

    /// `jti`: the same however often it is asked for.
    #[must_use]
    pub fn id(&self) -> &str {
        self.id.get_or_init(random_id)
    }

    /// The id, when the token was given one.
    #[must_use]
    pub fn into_id(self) -> Option<String> {
        self.id.into_inner().or(self.uuid.into_inner())
    }
}

/// Why a visitor's identity does not fill the template. Names claims, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("claim `{claim}` {reason}")]
pub struct Incomplete {
    /// Path of the claim.
    pub claim: String,
    /// What it lacks.
    pub reason: Missing,
}

/// What a claim lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// Required, and the session has no value for it.
    #[error("is required and the session has no value for it")]
    Missing,
    /// Longer than the vendor accepts, and not a text that may be cut.
    #[error("is longer than the vendor accepts")]
    TooLong,
    /// Longer than a text may be whose rule names no limit.
    #[error("is longer than the 1024 characters of a claim whose rule has no `max`: give it one")]
    TooLongByDefault,
    /// Not of the type the rule asks for.
    #[error("has a value of the wrong type")]
    WrongType,
    /// Holds more than letters and digits where the vendor accepts nothing else.
    #[error("must be letters and digits only; set WIDGET_SUBJECT=pseudonym or WIDGET_SUBJECT=hex")]
    NotAlphanumeric,
    /// Holds blanks, or other than ASCII, where the vendor accepts none.
    #[error("must be without blanks and in ASCII; set WIDGET_SUBJECT=pseudonym or WIDGET_SUBJECT=hex")]
    NotToken,
    /// Holds the separator of a signed text, which could then be read in two ways.
    #[error("holds the separator of the text that is signed")]
    Ambiguous,
    /// The expression failed on this session.
    #[error("could not be worked out")]
    Failed,
}

/// Why a template cannot be used. Found at start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{problem}", if path.is_empty() { String::new() } else { format!("at `{path}`: ") })]
pub struct TemplateError {
    /// Where in the template.
    pub path: String,
    /// What is wrong and what would be right.
    pub problem: String,
}

/// A checked template with the registered claims its vendor wants.
#[derive(Debug)]
pub struct ClaimTemplate {
    root: Vec<(Arc<str>, Node)>,
    /// What the vendor's format fixes: laid over the template, which can name none of it.
    fixed: Vec<(Arc<str>, Node)>,
    registered: Registered,
    surroundings: Surroundings,
}

#[derive(Debug)]
enum Node {
    Literal(Value),
    Computed(Computed),
    Object(Vec<(String, Node)>),
    Array(Vec<Node>),
    /// A JSON value written out as text inside a string.
    JsonText(Box<Node>),
}

#[derive(Debug)]
struct Computed {
    expression: Formula,
    rule: Rule,
}

impl ClaimTemplate {
    /// Compiles and checks a template. Every mistake in it is named.
    ///
    /// # Errors
    /// All [`TemplateError`]s: not JSON, not an object, a reserved name, an unknown variable, an expression that does not
    /// parse, a rule that does not exist.
    pub fn compile(text: &str, registered: Registered) -> Result<Self, Vec<TemplateError>> {
        Self::compile_over(text, "{}", registered, Surroundings::default())
    }

    /// As [`ClaimTemplate::compile`], with a second template laid over the first: what a vendor's format fixes, which may
    /// name registered claims and which the first may not touch.
    ///
    /// # Errors
    /// All [`TemplateError`]s of both.
    pub fn compile_over(
        text: &str,
        fixed: &str,
        registered: Registered,
        surroundings: Surroundings,
    ) -> Result<Self, Vec<TemplateError>> {
        let (own, over) = (object_of(text)?, object_of(fixed)?);
        let names: Vec<String> = over.keys().cloned().collect();
        let mut compiler =
            Compiler { errors: Vec::new(), registered: None, fixed: Vec::new(), surroundings: &surroundings };
        let fixed = shared(compiler.object("", over));
        compiler = Compiler { registered: Some(&registered), fixed: names, ..compiler };
        let root = shared(compiler.object("", own));
        let errors = compiler.errors;
        if errors.is_empty() { Ok(Self { root, fixed, registered, surroundings }) } else { Err(errors) }
    }

    /// Whether the template reads any of these variables, by the first part of their name (`ticket`, `page`).
    #[must_use]
    pub fn reads(&self, root: &str) -> bool {
        self.nodes().any(|(_, node)| node.reads(root))
    }

    /// Names of the members that it may fill, beside those of the registered claims.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let identity = self.registered.subject.as_ref().map(|rule| rule.claim.as_ref());
        self.nodes().map(|(name, _)| name.as_ref()).chain(identity)
    }

    fn nodes(&self) -> impl Iterator<Item = &(Arc<str>, Node)> {
        self.root.iter().chain(&self.fixed)
    }

    /// The registered claims that are laid over the template.
    #[must_use]
    pub fn registered(&self) -> &Registered {
        &self.registered
    }

    /// Fills the template for one visitor and lays the registered claims over it.
    ///
    /// # Errors
    /// [`Incomplete`] when the session lacks something the vendor requires.
    pub fn fill(&self, scope: &Scope<'_>, stamp: &Stamp) -> Result<Claims, Incomplete> {
        let sight = Sight { scope, stamp, surroundings: &self.surroundings };
        let mut claims = Claims::with_capacity(self.root.len() + self.fixed.len() + 7, stamp.expires_at);
        for (name, node) in self.nodes() {
            if let Some(value) = node.fill(name, sight)? {
                claims.insert(Name::Shared(name.clone()), value);
            }
        }
        self.registered.lay_over(&mut claims, scope.subject, stamp)?;
        Ok(claims)
    }
}

fn shared(nodes: Vec<(String, Node)>) -> Vec<(Arc<str>, Node)> {
    nodes.into_iter().map(|(name, node)| (name.into(), node)).collect()
}

fn object_of(text: &str) -> Result<Map<String, Value>, Vec<TemplateError>> {
    let whole = |problem: String| vec![TemplateError { path: String::new(), problem }];
    let value: Value = serde_json::from_str(text).map_err(|e| whole(format!("is not JSON: {e}")))?;
    let Value::Object(fields) = value else { return Err(whole("is not a JSON object".to_owned())) };
    Ok(fields)
}

impl Node {
    fn fill(&self, path: &str, sight: Sight<'_>) -> Result<Option<Value>, Incomplete> {
        match self {
            Self::Literal(value) => Ok(Some(value.clone())),
            Self::Computed(computed) => {
                computed.fill(sight).map_err(|reason| Incomplete { claim: path.to_owned(), reason })
            }
            Self::Object(fields) => Self::fill_object(fields, path, sight),
            Self::Array(items) => {
                let filled = items.iter().map(|item| item.fill(path, sight));
                let kept: Result<Vec<Option<Value>>, Incomplete> = filled.collect();
                Ok(Some(Value::Array(kept?.into_iter().flatten().collect())))
            }
            Self::JsonText(node) => Ok(node.fill(path, sight)?.map(|value| Value::String(value.to_string()))),
        }
    }

    /// An object whose every field turned out absent is absent itself: `location: {}` says nothing.
    fn fill_object(fields: &[(String, Self)], path: &str, sight: Sight<'_>) -> Result<Option<Value>, Incomplete> {
        let mut map = Map::with_capacity(fields.len());
        for (name, node) in fields {
            if let Some(value) = node.fill(&format!("{path}.{name}"), sight)? {
                map.insert(name.clone(), value);
            }
        }
        Ok((fields.is_empty() || !map.is_empty()).then_some(Value::Object(map)))
    }

    fn reads(&self, root: &str) -> bool {
        match self {
            Self::Literal(_) => false,
            Self::Computed(computed) => computed.expression.reads(root),
            Self::Object(fields) => fields.iter().any(|(_, node)| node.reads(root)),
            Self::Array(items) => items.iter().any(|node| node.reads(root)),
            Self::JsonText(node) => node.reads(root),
        }
    }
}

impl Computed {
    fn fill(&self, sight: Sight<'_>) -> Result<Option<Value>, Missing> {
        let value = self.expression.value(sight)?.and_then(present);
        match value {
            Some(value) => self.rule.apply(value).map(Some),
            None if self.rule.required => Err(Missing::Missing),
            None => Ok(None),
        }
    }
}
