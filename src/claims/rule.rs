//! What a claim's value must be like.

use serde::Deserialize;
use serde_json::{Number, Value};

use super::Missing;

/// Longest text a claim may hold when its rule says nothing, in characters. Lists and objects are held by the token's own size.
const DEFAULT_MAX: usize = 1024;

/// What a claim's value must be like.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    #[serde(rename = "$claim")]
    pub(super) expression: String,
    #[serde(default)]
    pub(super) required: bool,
    #[serde(default)]
    max: Option<usize>,
    #[serde(default)]
    overlong: Overlong,
    #[serde(default, rename = "as")]
    kind: Kind,
    #[serde(default)]
    charset: Charset,
}

/// What becomes of a text longer than its claim allows: an identifier cut short would be somebody else's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Overlong {
    #[default]
    Refuse,
    Truncate,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Charset {
    #[default]
    Any,
    Alphanumeric,
    /// Visible ASCII: no blanks.
    Token,
}

/// The JSON type a claim is to have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
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

impl Rule {
    /// The same rule for the expression without its braces.
    pub(super) fn over(self, expression: &str) -> Self {
        Self { expression: expression.to_owned(), ..self }
    }

    pub(super) fn plain(expression: &str) -> Self {
        Self {
            expression: expression.to_owned(),
            required: false,
            max: None,
            overlong: Overlong::Refuse,
            kind: Kind::Any,
            charset: Charset::Any,
        }
    }

    pub(super) fn apply(&self, value: Value) -> Result<Value, Missing> {
        match self.kind.coerce(value).ok_or(Missing::WrongType)? {
            Value::String(text) => self.text(text).map(Value::String),
            other => match self.max.map(|most| most.max(DEFAULT_MAX)) {
                Some(most) if other.to_string().len() > most => Err(Missing::TooLong),
                _ => Ok(other),
            },
        }
    }

    pub(super) fn text(&self, text: String) -> Result<String, Missing> {
        if self.charset == Charset::Alphanumeric && !is_alphanumeric(&text) {
            return Err(Missing::NotAlphanumeric);
        }
        if self.charset == Charset::Token && !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Missing::NotToken);
        }
        let by_default = if self.kind == Kind::JsonText { usize::MAX } else { DEFAULT_MAX };
        let most = self.max.unwrap_or(by_default);
        let Some((cut, _)) = (text.len() > most).then(|| text.char_indices().nth(most)).flatten() else {
            return Ok(text);
        };
        match self.overlong {
            Overlong::Refuse if self.max.is_none() => Err(Missing::TooLongByDefault),
            Overlong::Refuse => Err(Missing::TooLong),
            Overlong::Truncate => Ok(text[..cut].trim_end().to_owned()),
        }
    }
}

impl Kind {
    pub(super) fn coerce(self, value: Value) -> Option<Value> {
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

    pub(super) fn is(self, value: &Value) -> bool {
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

/// A text of nothing but spaces, a null and an empty list say nothing, and are as good as absent.
pub(super) fn present(value: Value) -> Option<Value> {
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

pub(super) fn is_alphanumeric(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric())
}
