//! Untrusted JSON: every name once, at every depth.
//!
//! Readers of JSON differ on which of two members with the same name counts. A token that says two things is believed to
//! say neither.

use std::cell::Cell;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Why a text is not taken as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotJson {
    /// Not UTF-8, not JSON, nested too deeply, or more than one value.
    #[error("not JSON")]
    Malformed,
    /// Two members of one object have the same name.
    #[error("a name stands twice in one object")]
    Duplicate,
}

/// Reads one JSON value in which no object names a member twice.
///
/// # Errors
/// [`NotJson`]; never with text from the input.
pub fn unique(text: &[u8]) -> Result<Value, NotJson> {
    let twice = Cell::new(false);
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = Unique(&twice).deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    value.map_err(|_| if twice.get() { NotJson::Duplicate } else { NotJson::Malformed })
}

/// The same for a text that must be an object.
///
/// # Errors
/// [`NotJson`]; never with text from the input.
pub fn unique_object(text: &[u8]) -> Result<Value, NotJson> {
    unique(text).and_then(|value| if value.is_object() { Ok(value) } else { Err(NotJson::Malformed) })
}

/// Builds a value and remembers whether a name came twice: the error type of the reader cannot carry that.
#[derive(Clone, Copy)]
struct Unique<'a>(&'a Cell<bool>);

impl<'de> DeserializeSeed<'de> for Unique<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Value, E> {
        Number::from_f64(number).map(Value::Number).ok_or_else(|| E::custom("not a number"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                self.0.set(true);
                return Err(de::Error::custom("a name stands twice"));
            }
            let value = members.next_value_seed(self)?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}
