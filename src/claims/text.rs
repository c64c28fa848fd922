//! A text with expressions in it, such as an address. What an expression gives is percent-encoded, so that no visitor's
//! value can end a path segment, add a parameter, or lead elsewhere.

use data_encoding::HEXUPPER;
use serde_json::Value;

use super::compiler::Compiler;
use super::formula::Formula;
use super::rule::present;
use super::{Incomplete, Missing, Scope, Sight, Stamp, Surroundings, TemplateError};

/// A checked text.
#[derive(Debug)]
pub struct TextTemplate {
    name: String,
    pieces: Vec<Piece>,
    surroundings: Surroundings,
}

#[derive(Debug)]
enum Piece {
    Literal(String),
    Computed(Formula),
}

impl TextTemplate {
    /// Compiles and checks a text; `name` is what errors call it.
    ///
    /// # Errors
    /// All [`TemplateError`]s.
    pub fn compile(name: &str, text: &str, surroundings: Surroundings) -> Result<Self, Vec<TemplateError>> {
        let mut compiler =
            Compiler { errors: Vec::new(), registered: None, fixed: Vec::new(), surroundings: &surroundings };
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((literal, after)) = rest.split_once("{{") {
            pieces.push(Piece::Literal(literal.to_owned()));
            let Some((expression, after)) = after.split_once("}}") else { break };
            pieces.extend(compiler.formula(name, expression.trim()).map(Piece::Computed));
            rest = after;
        }
        if rest.contains("{{") {
            let problem = "an expression is never closed".to_owned();
            compiler.errors.push(TemplateError { path: name.to_owned(), problem });
        }
        pieces.push(Piece::Literal(rest.to_owned()));
        let errors = compiler.errors;
        if errors.is_empty() { Ok(Self { name: name.to_owned(), pieces, surroundings }) } else { Err(errors) }
    }

    /// The text for one visitor.
    ///
    /// # Errors
    /// [`Incomplete`] when an expression has no value, or one that would change what the address means.
    pub fn fill(&self, scope: &Scope<'_>, stamp: &Stamp) -> Result<String, Incomplete> {
        let sight = Sight { scope, stamp, surroundings: &self.surroundings };
        let mut whole = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => whole.push_str(text),
                Piece::Computed(formula) => {
                    let value = formula.value(sight).and_then(|value| plain(value.and_then(present)));
                    let value = value.map_err(|reason| Incomplete { claim: self.name.clone(), reason })?;
                    push_encoded(&mut whole, &value);
                }
            }
        }
        Ok(whole)
    }
}

/// A value as text. `.` and `..` are refused: readers of addresses drop them even when they are encoded.
fn plain(value: Option<Value>) -> Result<String, Missing> {
    let text = match value.ok_or(Missing::Missing)? {
        Value::String(text) => text,
        other @ (Value::Number(_) | Value::Bool(_)) => other.to_string(),
        _ => return Err(Missing::WrongType),
    };
    if matches!(text.as_str(), "." | "..") { Err(Missing::WrongType) } else { Ok(text) }
}

/// Everything but the unreserved characters of RFC 3986 section 2.3 is encoded.
fn push_encoded(whole: &mut String, value: &str) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            whole.push(char::from(byte));
        } else {
            whole.push('%');
            whole.push_str(&HEXUPPER.encode([byte].as_ref()));
        }
    }
}
