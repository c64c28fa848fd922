//! From a session to a claim set, by a template that the operator wrote and start-up checked. Pure.
//!
//! A template is JSON. Each string is a literal or exactly one `{{ expression }}` over the visitor's session; values keep
//! their JSON type, so no visitor's text can add or alter a claim (T-4). Registered claims are laid over the template last
//! and cannot be named in it (T-3). An object with the key `$claim` is one expression with rules:
//!
//! ```json
//! { "name": { "$claim": "{{ name or email }}", "required": true, "max": 200, "overlong": "truncate" } }
//! ```

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;
use std::time::Duration;

use minijinja::{Environment, Expression, UndefinedBehavior};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Map, Number, Value};

use crate::clock::{Clock, UnixTime, random_id};
use crate::env::nearest;
use crate::session::Session;
use crate::ticket::Ticket;

/// Claims with a meaning of their own (RFC 7519 section 4.1). No template sets them, at any depth.
const RESERVED: [&str; 6] = ["iss", "aud", "exp", "nbf", "iat", "jti"];

/// Longest text a claim may hold when its rule says nothing, in characters.
const DEFAULT_MAX: usize = 1024;

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
}

/// A variable of the template language, looked up without the expression engine when it stands alone.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Variable {
    Subject,
    Name,
    Email,
    EmailVerified,
    Groups,
    Locale,
    Attributes,
    Attribute(String),
    Source,
    Widget,
    Agent,
    SessionExpiresAt,
    SessionAuthenticatedAt,
    TicketToken,
    TicketConversationId,
    TicketDomain,
    TicketHost,
    PageLocale,
    PageLocation,
    PageLatitude,
    PageLongitude,
}

const VARIABLES: [(&str, Variable); 20] = [
    ("subject", Variable::Subject),
    ("name", Variable::Name),
    ("email", Variable::Email),
    ("email_verified", Variable::EmailVerified),
    ("groups", Variable::Groups),
    ("locale", Variable::Locale),
    ("attributes", Variable::Attributes),
    ("source", Variable::Source),
    ("widget", Variable::Widget),
    ("agent", Variable::Agent),
    ("session.expires_at", Variable::SessionExpiresAt),
    ("session.authenticated_at", Variable::SessionAuthenticatedAt),
    ("ticket.token", Variable::TicketToken),
    ("ticket.conversation_id", Variable::TicketConversationId),
    ("ticket.domain", Variable::TicketDomain),
    ("ticket.host", Variable::TicketHost),
    ("page.locale", Variable::PageLocale),
    ("page.location", Variable::PageLocation),
    ("page.location.lat", Variable::PageLatitude),
    ("page.location.long", Variable::PageLongitude),
];

impl Variable {
    fn named(name: &str) -> Option<Self> {
        let fixed = VARIABLES.iter().find(|(known, _)| *known == name).map(|(_, v)| v.clone());
        let attribute = || name.strip_prefix("attributes.").filter(|n| is_identifier(n));
        fixed.or_else(|| attribute().map(|n| Self::Attribute(n.to_owned())))
    }

    fn is_of(&self, root: &str) -> bool {
        match self {
            Self::Attribute(_) => root == "attributes",
            other => VARIABLES.iter().any(|(name, variable)| variable == other && first_part(name) == root),
        }
    }

    fn of(&self, scope: &Scope<'_>) -> Option<Value> {
        let session = scope.session;
        let identity = &session.identity;
        let text = |value: &Option<String>| value.clone().map(Value::String);
        let time = |value: Option<UnixTime>| value.map(|t| Value::from(t.0));
        let ticket = |read: fn(&Ticket) -> Option<String>| scope.ticket.and_then(read).map(Value::String);
        match self {
            Self::Subject => Some(Value::from(scope.subject)),
            Self::Name => text(&identity.name),
            Self::Email => text(&identity.email),
            Self::EmailVerified => identity.email_verified.map(Value::Bool),
            Self::Groups => (!identity.groups.is_empty()).then(|| Value::from(identity.groups.clone())),
            Self::Locale => text(&identity.locale),
            Self::Attributes => Some(Value::Object(identity.attributes.clone().into_iter().collect())),
            Self::Attribute(name) => identity.attributes.get(name).cloned(),
            Self::Source => Some(Value::from(session.source)),
            Self::Widget => Some(Value::from(scope.widget)),
            Self::Agent => scope.agent.then_some(Value::Bool(true)),
            Self::SessionExpiresAt => time(session.expires_at),
            Self::SessionAuthenticatedAt => time(session.authenticated_at),
            Self::TicketToken => ticket(|t| Some(t.token.expose_secret().to_owned())),
            Self::TicketConversationId => ticket(|t| t.conversation_id.clone()),
            Self::TicketDomain => ticket(|t| Some(t.domain.clone())),
            Self::TicketHost => ticket(|t| Some(t.host.clone())),
            Self::PageLocale => text(&scope.page.locale),
            Self::PageLocation => {
                scope.page.location.map(|(lat, long)| serde_json::json!({ "lat": lat, "long": long }))
            }
            Self::PageLatitude => scope.page.location.and_then(|l| Number::from_f64(l.0)).map(Value::Number),
            Self::PageLongitude => scope.page.location.and_then(|l| Number::from_f64(l.1)).map(Value::Number),
        }
    }
}

/// The registered claims a widget's vendor wants, laid over the template last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// `iss`, when wanted.
    pub issuer: Option<String>,
    /// `aud`: none, one string, or an array of several.
    pub audience: Vec<String>,
    /// The claim that says who the visitor is, and what it accepts; `None` when the template carries identity its own way.
    pub subject: Option<SubjectRule>,
    /// Which claims are taken from the stamp.
    pub stamped: Vec<Stamped>,
}

/// A claim whose value comes from the [`Stamp`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stamped {
    /// `iat`.
    IssuedAt,
    /// `nbf`.
    NotBefore,
    /// `exp`. Left out only for vendors that refuse or ignore it.
    Expires,
    /// `jti`.
    Id,
}

impl Stamped {
    fn claim(self, stamp: &Stamp) -> (&'static str, Value) {
        match self {
            Self::IssuedAt => ("iat", Value::from(stamp.issued_at.0)),
            Self::NotBefore => ("nbf", Value::from(stamp.issued_at.0)),
            Self::Expires => ("exp", Value::from(stamp.expires_at.0)),
            Self::Id => ("jti", Value::from(stamp.id.as_str())),
        }
    }
}

/// What the claim that identifies the visitor is called and accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectRule {
    /// `sub`, `external_id`, `userId`, ...
    pub claim: Cow<'static, str>,
    /// Longest value in characters.
    pub max: usize,
    /// Whether only ASCII letters and digits are accepted.
    pub alphanumeric: bool,
}

/// When a token was made, from when and until when it is good, and its own id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// `iat` and `nbf`: now, back-dated against clocks that run behind ours.
    pub issued_at: UnixTime,
    /// `exp`: the end of the widget's lifetime or of the session, whichever is first.
    pub expires_at: UnixTime,
    /// How long that is from now; never zero.
    pub expires_in: Duration,
    /// `jti`.
    pub id: String,
}

impl Stamp {
    /// Stamps a token made now; `None` when nothing of the session is left, because a token never outlives its session.
    #[must_use]
    pub fn new(clock: &Clock, lifetime: Duration, skew: Duration, session_end: Option<UnixTime>) -> Option<Self> {
        let now = clock.now();
        let own_end = now.plus(lifetime);
        let expires_at = session_end.map_or(own_end, |end| end.min(own_end));
        let expires_in = expires_at.since(now);
        let stamp = Self { issued_at: now.minus(skew), expires_at, expires_in, id: random_id() };
        (!expires_in.is_zero()).then_some(stamp)
    }
}

/// A complete claim set. Made by [`ClaimTemplate::fill`] only.
#[derive(Clone)]
pub struct Claims {
    map: Map<String, Value>,
    expires_at: UnixTime,
}

impl Claims {
    /// The claims, for signing, previewing, and naming identity beside the token.
    #[must_use]
    pub fn map(&self) -> &Map<String, Value> {
        &self.map
    }

    /// When what is made of these claims ends.
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.expires_at
    }
}

/// Names only: claim values are personal data.
impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.map.keys()).finish()
    }
}

/// Why a visitor's identity does not fill the template. Names claims, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("claim `{claim}` {reason}")]
pub struct Incomplete {
    /// Path of the claim.
    pub claim: String,
    /// What it lacks.
    pub reason: Lack,
}

/// What a claim lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Lack {
    /// Required, and the session has no value for it.
    #[error("is required and the session has no value for it")]
    Missing,
    /// Longer than the vendor accepts, and not a text that may be cut.
    #[error("is longer than the vendor accepts")]
    TooLong,
    /// Not of the type the rule asks for.
    #[error("has a value of the wrong type")]
    WrongType,
    /// Holds more than letters and digits where the vendor accepts nothing else.
    #[error("must be letters and digits only; set WIDGET_SUBJECT=pseudonym or WIDGET_SUBJECT=hex")]
    NotAlphanumeric,
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
    root: Vec<(String, Node)>,
    registered: Registered,
}

#[derive(Debug)]
enum Node {
    Literal(Value),
    Computed(Computed),
    Object(Vec<(String, Node)>),
    Array(Vec<Node>),
}

#[derive(Debug)]
struct Computed {
    expression: Formula,
    rule: Rule,
}

enum Formula {
    Variable(Variable),
    /// `a or b or c` of plain variables: the first that says something, as the language's `or` has it.
    FirstOf(Vec<Variable>),
    Expression {
        compiled: Expression<'static, 'static>,
        roots: Vec<&'static str>,
    },
}

impl fmt::Debug for Formula {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(variable) => variable.fmt(f),
            Self::FirstOf(variables) => variables.fmt(f),
            Self::Expression { roots, .. } => write!(f, "expression over {roots:?}"),
        }
    }
}

/// What a claim's value must be like.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    #[serde(rename = "$claim")]
    expression: String,
    #[serde(default)]
    required: bool,
    #[serde(default = "default_max")]
    max: usize,
    #[serde(default)]
    overlong: Overlong,
    #[serde(default, rename = "as")]
    kind: Kind,
    #[serde(default)]
    charset: Charset,
}

fn default_max() -> usize {
    DEFAULT_MAX
}

/// What becomes of a text longer than its claim allows: an identifier cut short would be somebody else's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Overlong {
    #[default]
    Refuse,
    Truncate,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Charset {
    #[default]
    Any,
    Alphanumeric,
}

/// The JSON type a claim is to have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    #[default]
    Any,
    String,
    Integer,
    Number,
    Boolean,
    List,
    /// A JSON value written out as text inside a string.
    JsonText,
}

impl ClaimTemplate {
    /// Compiles and checks a template. Every mistake in it is named.
    ///
    /// # Errors
    /// All [`TemplateError`]s: not JSON, not an object, a reserved name, an unknown variable, an expression that does not
    /// parse, a rule that does not exist.
    pub fn compile(text: &str, registered: Registered) -> Result<Self, Vec<TemplateError>> {
        let whole = |problem: String| vec![TemplateError { path: String::new(), problem }];
        let value: Value = serde_json::from_str(text).map_err(|e| whole(format!("is not JSON: {e}")))?;
        let Value::Object(fields) = value else { return Err(whole("is not a JSON object".to_owned())) };
        let mut compiler = Compiler { errors: Vec::new(), registered: &registered };
        let root = compiler.object("", fields);
        if compiler.errors.is_empty() { Ok(Self { root, registered }) } else { Err(compiler.errors) }
    }

    /// Whether the template reads any of these variables, by the first part of their name (`ticket`, `page`).
    #[must_use]
    pub fn reads(&self, root: &str) -> bool {
        self.root.iter().any(|(_, node)| node.reads(root))
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
        let mut map = Map::with_capacity(self.root.len() + 7);
        for (name, node) in &self.root {
            if let Some(value) = node.fill(name, scope)? {
                map.insert(name.clone(), value);
            }
        }
        self.registered.lay_over(&mut map, scope.subject, stamp)?;
        Ok(Claims { map, expires_at: stamp.expires_at })
    }
}

impl Registered {
    fn lay_over(&self, map: &mut Map<String, Value>, subject: &str, stamp: &Stamp) -> Result<(), Incomplete> {
        if let Some(rule) = &self.subject {
            rule.accepts(subject).map_err(|reason| Incomplete { claim: rule.claim.to_string(), reason })?;
            map.insert(rule.claim.to_string(), Value::from(subject));
        }
        let audience = match self.audience.as_slice() {
            [] => None,
            [one] => Some(Value::from(one.as_str())),
            many => Some(Value::from(many)),
        };
        let issuer = self.issuer.as_deref().map(|issuer| ("iss", Value::from(issuer)));
        let named = issuer.into_iter().chain(audience.map(|audience| ("aud", audience)));
        let all = named.chain(self.stamped.iter().map(|stamped| stamped.claim(stamp)));
        map.extend(all.map(|(name, value)| (name.to_owned(), value)));
        Ok(())
    }

    fn forbids(&self, name: &str) -> bool {
        match &self.subject {
            Some(rule) => name == "sub" || name == rule.claim || RESERVED.contains(&name),
            None => RESERVED.contains(&name),
        }
    }
}

impl SubjectRule {
    fn accepts(&self, subject: &str) -> Result<(), Lack> {
        if self.alphanumeric && !is_alphanumeric(subject) {
            return Err(Lack::NotAlphanumeric);
        }
        let fits = subject.len() <= self.max || subject.chars().count() <= self.max;
        fits.then_some(()).ok_or(Lack::TooLong)
    }
}

fn is_alphanumeric(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

impl Node {
    fn fill(&self, path: &str, scope: &Scope<'_>) -> Result<Option<Value>, Incomplete> {
        match self {
            Self::Literal(value) => Ok(Some(value.clone())),
            Self::Computed(computed) => {
                computed.fill(scope).map_err(|reason| Incomplete { claim: path.to_owned(), reason })
            }
            Self::Object(fields) => Self::fill_object(fields, path, scope),
            Self::Array(items) => {
                let filled = items.iter().map(|item| item.fill(path, scope));
                let kept: Result<Vec<Option<Value>>, Incomplete> = filled.collect();
                Ok(Some(Value::Array(kept?.into_iter().flatten().collect())))
            }
        }
    }

    /// An object whose every field turned out absent is absent itself: `location: {}` says nothing.
    fn fill_object(fields: &[(String, Self)], path: &str, scope: &Scope<'_>) -> Result<Option<Value>, Incomplete> {
        let mut map = Map::with_capacity(fields.len());
        for (name, node) in fields {
            if let Some(value) = node.fill(&format!("{path}.{name}"), scope)? {
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
        }
    }
}

impl Formula {
    /// The formulas that need no expression engine, which is most of them.
    fn simple(expression: &str) -> Option<Self> {
        let variables: Option<Vec<Variable>> =
            expression.split(" or ").map(|part| Variable::named(part.trim())).collect();
        let mut variables = variables?;
        if variables.len() > 1 {
            return Some(Self::FirstOf(variables));
        }
        variables.pop().map(Self::Variable)
    }

    fn reads(&self, root: &str) -> bool {
        match self {
            Self::Variable(variable) => variable.is_of(root),
            Self::FirstOf(variables) => variables.iter().any(|variable| variable.is_of(root)),
            Self::Expression { roots, .. } => roots.contains(&root),
        }
    }

    fn value(&self, scope: &Scope<'_>) -> Result<Option<Value>, Lack> {
        match self {
            Self::Variable(variable) => Ok(variable.of(scope)),
            Self::FirstOf(variables) => Ok(variables.iter().filter_map(|v| v.of(scope)).find(is_truthy)),
            Self::Expression { compiled, roots } => {
                let context = context(scope, roots);
                let result = compiled.eval(context).map_err(|_| Lack::Failed)?;
                if result.is_undefined() || result.is_none() {
                    return Ok(None);
                }
                serde_json::to_value(&result).map(Some).map_err(|_| Lack::Failed)
            }
        }
    }
}

impl Computed {
    fn fill(&self, scope: &Scope<'_>) -> Result<Option<Value>, Lack> {
        let value = self.expression.value(scope)?.and_then(present);
        match value {
            Some(value) => self.rule.apply(value).map(Some),
            None if self.rule.required => Err(Lack::Missing),
            None => Ok(None),
        }
    }
}

/// What counts as true in the expression language.
fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}

/// A text of nothing but spaces, a null and an empty list say nothing, and are as good as absent.
fn present(value: Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::String(text) => {
            let trimmed = text.trim();
            let kept = if trimmed.len() == text.len() { text } else { trimmed.to_owned() };
            (!kept.is_empty()).then_some(Value::String(kept))
        }
        Value::Array(items) if items.is_empty() => None,
        other => Some(other),
    }
}

impl Rule {
    fn plain(expression: &str) -> Self {
        Self {
            expression: expression.to_owned(),
            required: false,
            max: DEFAULT_MAX,
            overlong: Overlong::Refuse,
            kind: Kind::Any,
            charset: Charset::Any,
        }
    }

    fn apply(&self, value: Value) -> Result<Value, Lack> {
        match self.kind.coerce(value).ok_or(Lack::WrongType)? {
            Value::String(text) => self.text(text).map(Value::String),
            other if serde_json::to_string(&other).map_or(usize::MAX, |t| t.len()) > self.max.max(DEFAULT_MAX) => {
                Err(Lack::TooLong)
            }
            other => Ok(other),
        }
    }

    fn text(&self, text: String) -> Result<String, Lack> {
        if self.charset == Charset::Alphanumeric && !is_alphanumeric(&text) {
            return Err(Lack::NotAlphanumeric);
        }
        let Some((cut, _)) = (text.len() > self.max).then(|| text.char_indices().nth(self.max)).flatten() else {
            return Ok(text);
        };
        match self.overlong {
            Overlong::Refuse => Err(Lack::TooLong),
            Overlong::Truncate => Ok(text[..cut].trim_end().to_owned()),
        }
    }
}

impl Kind {
    fn coerce(self, value: Value) -> Option<Value> {
        match (self, value) {
            (Self::Any, value) => Some(value),
            (Self::String, Value::Number(number)) => Some(Value::String(number.to_string())),
            (Self::String, Value::Bool(flag)) => Some(Value::String(flag.to_string())),
            (Self::Integer, Value::String(text)) => text.trim().parse::<i64>().ok().map(Value::from),
            (Self::Number, Value::String(text)) => {
                text.trim().parse().ok().and_then(Number::from_f64).map(Value::Number)
            }
            (Self::Boolean, Value::String(text)) => text.trim().to_ascii_lowercase().parse().ok().map(Value::Bool),
            (Self::List, value @ Value::String(_)) => Some(Value::Array(vec![value])),
            (Self::JsonText, value) => serde_json::to_string(&value).ok().map(Value::String),
            (kind, value) => kind.is(&value).then_some(value),
        }
    }

    fn is(self, value: &Value) -> bool {
        match self {
            Self::Any => true,
            Self::String | Self::JsonText => value.is_string(),
            Self::Integer => value.is_i64() || value.is_u64(),
            Self::Number => value.is_number(),
            Self::Boolean => value.is_boolean(),
            Self::List => value.is_array(),
        }
    }
}

struct Compiler<'a> {
    errors: Vec<TemplateError>,
    registered: &'a Registered,
}

impl Compiler<'_> {
    fn error<T>(&mut self, path: &str, problem: impl Into<String>) -> Option<T> {
        self.errors.push(TemplateError { path: path.to_owned(), problem: problem.into() });
        None
    }

    fn object(&mut self, path: &str, fields: Map<String, Value>) -> Vec<(String, Node)> {
        let mut nodes = Vec::with_capacity(fields.len());
        for (name, value) in fields {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            if self.registered.forbids(&name) {
                self.error::<()>(
                    &path,
                    format!("`{name}` is laid over the template by countersign and cannot be set in it"),
                );
            } else if let Some(node) = self.node(&path, value) {
                nodes.push((name, node));
            }
        }
        nodes
    }

    fn node(&mut self, path: &str, value: Value) -> Option<Node> {
        match value {
            Value::String(text) => match expression_in(&text) {
                Ok(None) => Some(Node::Literal(Value::String(text))),
                Ok(Some(expression)) => self.computed(path, Rule::plain(expression)),
                Err(problem) => self.error(path, problem),
            },
            Value::Object(fields) if fields.contains_key("$claim") => self.ruled(path, Value::Object(fields)),
            Value::Object(fields) => Some(Node::Object(self.object(path, fields))),
            Value::Array(items) => {
                let nodes = items.into_iter().enumerate().filter_map(|(i, v)| self.node(&format!("{path}[{i}]"), v));
                Some(Node::Array(nodes.collect()))
            }
            other => Some(Node::Literal(other)),
        }
    }

    fn ruled(&mut self, path: &str, value: Value) -> Option<Node> {
        let mut rule: Rule = match serde_json::from_value(value) {
            Ok(rule) => rule,
            Err(problem) => return self.error(path, problem.to_string()),
        };
        match expression_in(&rule.expression) {
            Ok(Some(expression)) => rule = Rule { expression: expression.to_owned(), ..rule },
            Ok(None) => return self.error(path, "`$claim` takes exactly one {{ expression }}"),
            Err(problem) => return self.error(path, problem),
        }
        self.computed(path, rule)
    }

    fn computed(&mut self, path: &str, rule: Rule) -> Option<Node> {
        if let Some(formula) = Formula::simple(&rule.expression) {
            return Some(Node::Computed(Computed { expression: formula, rule }));
        }
        let compiled = match ENGINE.compile_expression_owned(rule.expression.clone()) {
            Ok(compiled) => compiled,
            Err(problem) => return self.error(path, format!("the expression does not parse: {}", plainly(&problem))),
        };
        let unknown = unknown_variables(&compiled);
        if let Some(first) = unknown.first() {
            let known: Vec<&str> = VARIABLES.iter().map(|(name, _)| *name).collect();
            let hint = nearest(first, &known).map_or_else(
                || format!("; there are {}", known.join(", ")),
                |near| format!("; did you mean `{near}`?"),
            );
            return self.error(path, format!("there is no variable `{first}`{hint}"));
        }
        // Unknown filters and tests are found only by running: so it runs once, on a visitor of whom nothing is known.
        if let Some(problem) = compiled.eval(context_of_nobody()).err().filter(names_the_unknown) {
            return self.error(path, format!("the expression cannot run: {}", plainly(&problem)));
        }
        let roots = roots_of(&compiled);
        Some(Node::Computed(Computed { expression: Formula::Expression { compiled, roots }, rule }))
    }
}

fn names_the_unknown(problem: &minijinja::Error) -> bool {
    use minijinja::ErrorKind::{UnknownFilter, UnknownFunction, UnknownTest};
    matches!(problem.kind(), UnknownFilter | UnknownFunction | UnknownTest)
}

fn plainly(problem: &minijinja::Error) -> String {
    problem.detail().map_or_else(|| problem.kind().to_string(), str::to_owned)
}

/// The expression inside a template string: none for a literal.
fn expression_in(text: &str) -> Result<Option<&str>, &'static str> {
    let trimmed = text.trim();
    let inner = trimmed.strip_prefix("{{").and_then(|t| t.strip_suffix("}}"));
    match inner {
        Some(inner) if !inner.contains("{{") && !inner.contains("}}") && !inner.trim().is_empty() => {
            Ok(Some(inner.trim()))
        }
        None if !text.contains("{{") && !text.contains("}}") && !text.contains("{%") => Ok(None),
        _ => Err("a string is a literal or exactly one {{ expression }}; `~` joins texts inside it"),
    }
}

fn is_identifier(name: &str) -> bool {
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts_well && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn first_part(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

fn unknown_variables(expression: &Expression<'_, '_>) -> Vec<String> {
    let mut names: Vec<String> = expression.undeclared_variables(true).into_iter().collect();
    names.sort();
    let is_root = |name: &str| VARIABLES.iter().any(|(known, _)| first_part(known) == name);
    names.retain(|name| Variable::named(name).is_none() && !is_root(name) && !name.starts_with("attributes."));
    names
}

fn roots_of(expression: &Expression<'_, '_>) -> Vec<&'static str> {
    let names = expression.undeclared_variables(false);
    let mut roots: Vec<&'static str> = VARIABLES.iter().map(|(name, _)| first_part(name)).collect();
    roots.dedup();
    roots.retain(|root| names.contains(*root));
    roots
}

/// The expression engine: the language's operators and a short list of filters. Nothing in it reads anything but the
/// context, and a budget of steps bounds it (templates are the operator's, but a typo should not hang a request).
static ENGINE: LazyLock<Environment<'static>> = LazyLock::new(|| {
    use minijinja::filters as f;
    let mut engine = Environment::empty();
    engine.set_undefined_behavior(UndefinedBehavior::Chainable);
    engine.set_fuel(Some(10_000));
    engine.add_filter("lower", f::lower);
    engine.add_filter("upper", f::upper);
    engine.add_filter("title", f::title);
    engine.add_filter("trim", f::trim);
    engine.add_filter("replace", f::replace);
    engine.add_filter("default", f::default);
    engine.add_filter("join", f::join);
    engine.add_filter("split", f::split);
    engine.add_filter("first", f::first);
    engine.add_filter("last", f::last);
    engine.add_filter("length", f::length);
    engine.add_filter("int", f::int);
    engine.add_filter("string", minijinja::filters::string);
    engine.add_filter("sort", f::sort);
    engine.add_test("defined", minijinja::tests::is_defined);
    engine.add_test("undefined", minijinja::tests::is_undefined);
    engine
});

/// The variables an expression reads, as the engine sees them. What is not known is left out, so that it is undefined:
/// false in a condition and nothing in a joined text.
fn context(scope: &Scope<'_>, roots: &[&'static str]) -> minijinja::Value {
    let mut tree = Map::new();
    let wanted = VARIABLES.iter().filter(|(name, _)| roots.contains(&first_part(name)));
    for (name, variable) in wanted {
        let mut parts = name.splitn(2, '.');
        let (Some(root), leaf) = (parts.next(), parts.next()) else { continue };
        let slot = match leaf {
            None => variable.of(scope).map(|value| tree.insert(root.to_owned(), value)),
            Some(leaf) if leaf.contains('.') => None,
            Some(leaf) => {
                let branch = tree.entry(root).or_insert_with(|| Value::Object(Map::new()));
                branch
                    .as_object_mut()
                    .and_then(|map| variable.of(scope).map(|value| map.insert(leaf.to_owned(), value)))
            }
        };
        drop(slot);
    }
    minijinja::Value::from(minijinja::value::Serde(tree))
}

fn context_of_nobody() -> minijinja::Value {
    minijinja::Value::from(minijinja::value::Serde(Map::<String, Value>::new()))
}
