//! From the text of a template to its checked form, naming every mistake with its path.

use serde_json::{Map, Value};

use super::formula::{ENGINE, Formula, context_of_nobody, roots_of, unknown_variables};
use super::registered::Registered;
use super::rule::Rule;
use super::variable::VARIABLES;
use super::{Computed, Node, Surroundings, TemplateError};
use crate::config::var::nearest;

pub(super) struct Compiler<'a> {
    pub(super) errors: Vec<TemplateError>,
    /// `None` while what a vendor's format fixes is compiled, which may name everything.
    pub(super) registered: Option<&'a Registered>,
    /// Members that the vendor's format fixes.
    pub(super) fixed: Vec<String>,
    pub(super) surroundings: &'a Surroundings,
}

impl Compiler<'_> {
    fn error<T>(&mut self, path: &str, problem: impl Into<String>) -> Option<T> {
        self.errors.push(TemplateError { path: path.to_owned(), problem: problem.into() });
        None
    }

    pub(super) fn object(&mut self, path: &str, fields: Map<String, Value>) -> Vec<(String, Node)> {
        let mut nodes = Vec::with_capacity(fields.len());
        for (name, value) in fields {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            if self.registered.is_some_and(|own| own.forbids(&name) || self.fixed.contains(&name)) {
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
            Value::Object(mut fields) if fields.len() == 1 && fields.contains_key("$json") => {
                let inner = fields.remove("$json").unwrap_or_default();
                self.node(path, inner).map(|node| Node::JsonText(Box::new(node)))
            }
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
            Ok(Some(expression)) => rule = rule.clone().over(expression),
            Ok(None) => return self.error(path, "`$claim` takes exactly one {{ expression }}"),
            Err(problem) => return self.error(path, problem),
        }
        self.computed(path, rule)
    }

    fn computed(&mut self, path: &str, rule: Rule) -> Option<Node> {
        let expression = self.formula(path, &rule.expression)?;
        Some(Node::Computed(Computed { expression, rule }))
    }

    pub(super) fn formula(&mut self, path: &str, expression: &str) -> Option<Formula> {
        if let Some(formula) = Formula::simple(expression) {
            let undeclared = formula.undeclared(self.surroundings);
            return undeclared.map_or(Some(formula), |problem| self.error(path, problem));
        }
        let compiled = match ENGINE.compile_expression_owned(expression.to_owned()) {
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
        let formula = Formula::Expression { compiled, roots };
        let undeclared = formula.undeclared(self.surroundings);
        undeclared.map_or(Some(formula), |problem| self.error(path, problem))
    }
}

pub(super) fn names_the_unknown(problem: &minijinja::Error) -> bool {
    use minijinja::ErrorKind::{UnknownFilter, UnknownFunction, UnknownTest};
    matches!(problem.kind(), UnknownFilter | UnknownFunction | UnknownTest)
}

pub(super) fn plainly(problem: &minijinja::Error) -> String {
    problem.detail().map_or_else(|| problem.kind().to_string(), str::to_owned)
}

/// The expression inside a template string: none for a literal.
pub(super) fn expression_in(text: &str) -> Result<Option<&str>, &'static str> {
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
