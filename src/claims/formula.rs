//! One expression of a template: a plain variable, a chain of fallbacks, or whatever the expression engine can compute.

use std::fmt;
use std::sync::LazyLock;

use minijinja::{Environment, Expression, UndefinedBehavior};
use serde_json::{Map, Value};

use super::variable::{VARIABLES, Variable, first_part};
use super::{Missing, Sight, Surroundings};

pub(super) enum Formula {
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

impl Formula {
    /// The formulas that need no expression engine, which is most of them.
    pub(super) fn simple(expression: &str) -> Option<Self> {
        let variables: Option<Vec<Variable>> =
            expression.split(" or ").map(|part| Variable::named(part.trim())).collect();
        let mut variables = variables?;
        if variables.len() > 1 {
            return Some(Self::FirstOf(variables));
        }
        variables.pop().map(Self::Variable)
    }

    pub(super) fn reads(&self, root: &str) -> bool {
        match self {
            Self::Variable(variable) => variable.is_of(root),
            Self::FirstOf(variables) => variables.iter().any(|variable| variable.is_of(root)),
            Self::Expression { roots, .. } => roots.contains(&root),
        }
    }

    /// Names of the attributes that are read one by one.
    pub(super) fn attributes(&self) -> Vec<String> {
        let named = |variable: &Variable| match variable {
            Variable::Attribute(name) => Some(name.clone()),
            _ => None,
        };
        match self {
            Self::Variable(variable) => named(variable).into_iter().collect(),
            Self::FirstOf(variables) => variables.iter().filter_map(named).collect(),
            Self::Expression { compiled, .. } => {
                let all = compiled.undeclared_variables(true).into_iter();
                all.filter_map(|name| name.strip_prefix("attributes.").map(str::to_owned)).collect()
            }
        }
    }

    /// A sentence about a constant, or a value of the page's, that nobody declared.
    pub(super) fn undeclared(&self, surroundings: &Surroundings) -> Option<String> {
        let named: Vec<String> = match self {
            Self::Variable(variable) => variable.outside().into_iter().collect(),
            Self::FirstOf(variables) => variables.iter().filter_map(Variable::outside).collect(),
            Self::Expression { compiled, .. } => compiled.undeclared_variables(true).into_iter().collect(),
        };
        named.iter().find_map(|name| {
            let constant = name.strip_prefix("config.").filter(|n| !surroundings.constants.contains_key(*n));
            let given = name.strip_prefix("untrusted.").filter(|n| !surroundings.untrusted.iter().any(|u| u == n));
            let constant = constant.map(|name| format!("WIDGET_CONSTANTS does not set `{name}`"));
            constant.or_else(|| given.map(|name| format!("no page sends a value `{name}` here")))
        })
    }

    pub(super) fn value(&self, sight: Sight<'_>) -> Result<Option<Value>, Missing> {
        match self {
            Self::Variable(variable) => Ok(variable.of(sight)),
            Self::FirstOf(variables) => Ok(variables.iter().filter_map(|v| v.of(sight)).find(is_truthy)),
            Self::Expression { compiled, roots } => {
                let context = context(sight, roots);
                let result = compiled.eval(context).map_err(|_| Missing::Failed)?;
                if result.is_undefined() || result.is_none() {
                    return Ok(None);
                }
                serde_json::to_value(&result).map(Some).map_err(|_| Missing::Failed)
            }
        }
    }
}

/// What counts as true in the expression language.
pub(super) fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}

/// The expression engine: the language's operators and a short list of filters. Nothing in it reads anything but the
/// context, and a budget of steps bounds it (templates are the operator's, but a typo should not hang a request).
pub(super) static ENGINE: LazyLock<Environment<'static>> = LazyLock::new(|| {
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
pub(super) fn context(sight: Sight<'_>, roots: &[&'static str]) -> minijinja::Value {
    let mut tree = Map::new();
    let wanted = VARIABLES.iter().filter(|(name, _)| roots.contains(&first_part(name)));
    for (name, variable) in wanted {
        let mut parts = name.splitn(2, '.');
        let (Some(root), leaf) = (parts.next(), parts.next()) else { continue };
        let slot = match leaf {
            None => variable.of(sight).map(|value| tree.insert(root.to_owned(), value)),
            Some(leaf) if leaf.contains('.') => None,
            Some(leaf) => {
                let branch = tree.entry(root).or_insert_with(|| Value::Object(Map::new()));
                branch
                    .as_object_mut()
                    .and_then(|map| variable.of(sight).map(|value| map.insert(leaf.to_owned(), value)))
            }
        };
        drop(slot);
    }
    minijinja::Value::from(minijinja::value::Serde(tree))
}

pub(super) fn context_of_nobody() -> minijinja::Value {
    minijinja::Value::from(minijinja::value::Serde(Map::<String, Value>::new()))
}

pub(super) fn roots_of(expression: &Expression<'_, '_>) -> Vec<&'static str> {
    let names = expression.undeclared_variables(false);
    let mut roots: Vec<&'static str> = VARIABLES.iter().map(|(name, _)| first_part(name)).collect();
    roots.dedup();
    roots.retain(|root| names.contains(*root));
    roots
}

pub(super) fn unknown_variables(expression: &Expression<'_, '_>) -> Vec<String> {
    let mut names: Vec<String> = expression.undeclared_variables(true).into_iter().collect();
    names.sort();
    let is_root = |name: &str| VARIABLES.iter().any(|(known, _)| first_part(known) == name);
    names.retain(|name| Variable::named(name).is_none() && !is_root(name) && !has_free_names(name));
    names
}

/// Below these any name may stand.
fn has_free_names(name: &str) -> bool {
    ["attributes.", "config.", "untrusted."].iter().any(|root| name.starts_with(root))
}
