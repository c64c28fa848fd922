//! How a vendor's server hands out tokens, as data: what is sent, and how the answer is read.
//!
//! ```json
//! {
//!   "headers": { "Api-Token": "{secret}" },
//!   "first": { "url": "https://api.example.com/users", "json": { "id": "{{ subject }}" }, "accept": [400] },
//!   "call": { "url": "https://api.example.com/users/{{ subject }}/token" },
//!   "answer": { "token": "/token", "expires_at_ms": "/expires_at" },
//!   "cache": true
//! }
//! ```

use std::collections::BTreeMap;
use std::str::FromStr as _;

use http::{HeaderName, HeaderValue, Method};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Stands for the secret in a header's value.
pub const SECRET: &str = "{secret}";

/// One vendor's exchange.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExchangeFormat {
    /// Headers of every call; `{secret}` in exactly one of them.
    pub headers: BTreeMap<String, String>,
    /// What must have been called before, such as the making of the vendor's user.
    #[serde(default)]
    pub first: Option<CallFormat>,
    /// The call whose answer holds the token.
    pub call: CallFormat,
    /// What ends a visitor's tokens at the vendor. Of the visitor it can use `subject` and nothing else.
    #[serde(default)]
    pub revoke: Option<CallFormat>,
    /// How the answer is read.
    pub answer: AnswerFormat,
    /// Whether a token serves its visitor until it ends. For tokens that are good once, never.
    #[serde(default)]
    pub cache: bool,
}

/// One call. The address and the body are templates over the visitor's session.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallFormat {
    /// `POST` when it is not said.
    #[serde(default = "post")]
    pub method: String,
    /// Address with `{{ expressions }}`, each percent-encoded; none of the visitor's may stand in the host.
    pub url: String,
    /// JSON body.
    #[serde(default)]
    pub json: Option<Map<String, Value>>,
    /// Form body (`application/x-www-form-urlencoded`).
    #[serde(default)]
    pub form: Option<Map<String, Value>>,
    /// Statuses that are as good as success, such as "exists already".
    #[serde(default)]
    pub accept: Vec<u16>,
}

fn post() -> String {
    "POST".to_owned()
}

/// Where things stand in the answer, as JSON pointers (RFC 6901). At most one of the three says when the token ends.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerFormat {
    /// The token.
    pub token: String,
    /// Seconds from now.
    #[serde(default)]
    pub expires_in: Option<String>,
    /// Seconds since 1970.
    #[serde(default)]
    pub expires_at: Option<String>,
    /// Milliseconds since 1970.
    #[serde(default)]
    pub expires_at_ms: Option<String>,
    /// Seconds that a token lives by the vendor's document, when its answer does not say.
    #[serde(default)]
    pub expires_after: Option<u64>,
    /// Further members that the page needs, by the name it reads them under.
    #[serde(default)]
    pub fields: BTreeMap<String, String>,
    /// Whether the page gets the vendor's answer as it is.
    #[serde(default)]
    pub unchanged: bool,
}

impl ExchangeFormat {
    /// Reads a format and checks it.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let format: Self = serde_json::from_str(text).map_err(|e| vec![format!("cannot be read: {e}")])?;
        let problems = format.problems();
        if problems.is_empty() { Ok(format) } else { Err(problems) }
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let holders = self.headers.values().filter(|value| value.contains(SECRET)).count();
        if holders != 1 {
            problems.push(format!("`headers` must hold {SECRET} in exactly one header"));
        }
        for (name, value) in &self.headers {
            if HeaderName::from_str(name).is_err() || HeaderValue::from_str(value).is_err() {
                problems.push(format!("`headers.{name}` is no header"));
            }
        }
        for (name, call) in self.calls() {
            problems.extend(call.problems().into_iter().map(|problem| format!("`{name}` {problem}")));
        }
        if self.cache && self.revoke.is_some() {
            problems.push(
                "`cache` and `revoke` exclude each other: what is kept would be given out after it was ended"
                    .to_owned(),
            );
        }
        problems.extend(self.answer.problems());
        problems
    }

    /// Every call with its name in the format.
    pub fn calls(&self) -> impl Iterator<Item = (&'static str, &CallFormat)> {
        let first = self.first.iter().map(|call| ("first", call));
        let revoke = self.revoke.iter().map(|call| ("revoke", call));
        first.chain([("call", &self.call)]).chain(revoke)
    }
}

impl CallFormat {
    /// The method; `None` when it is none that is sent.
    #[must_use]
    pub fn method(&self) -> Option<Method> {
        [Method::GET, Method::POST, Method::PUT, Method::DELETE].into_iter().find(|known| known.as_str() == self.method)
    }

    fn problems(&self) -> Vec<&'static str> {
        let has_body = self.json.is_some() || self.form.is_some();
        let rules = [
            (self.method().is_some(), "takes GET, POST, PUT or DELETE"),
            (self.json.is_none() || self.form.is_none(), "takes `json` or `form`, not both"),
            (self.method() != Some(Method::GET) || !has_body, "is a GET, which has no body"),
            (self.accept.iter().all(|status| (400..500).contains(status)), "accepts statuses of 400 to 499 only"),
        ];
        rules.into_iter().filter(|(holds, _)| !holds).map(|(_, problem)| problem).collect()
    }
}

impl AnswerFormat {
    fn problems(&self) -> Vec<String> {
        let ends = [&self.expires_in, &self.expires_at, &self.expires_at_ms];
        let pointers = ends.into_iter().flatten().chain(self.fields.values()).chain([&self.token]);
        let mut problems: Vec<String> = pointers
            .filter(|pointer| !pointer.starts_with('/'))
            .map(|pointer| format!("`{pointer}` in `answer` is no JSON pointer; it begins with /"))
            .collect();
        if ends.into_iter().flatten().count() > 1 {
            problems.push("`answer` says the token's end more than once".to_owned());
        }
        problems
    }
}
