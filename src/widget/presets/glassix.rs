//! Glassix chat widget: HS256; `iss` is the API key and `aud` the customer, both UUIDs in lower case.
//!
//! Source: <https://docs.glassix.com/reference/chat-widget-identity-verification>.

use std::time::Duration;

use super::{Confidence, Constant, Profile};
use crate::claims::Stamped;

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "glassix",
    title: "Glassix chat widget",
    document: "https://docs.glassix.com/reference/chat-widget-identity-verification",
    confidence: Confidence::Gap,
    console: "Settings > Developers > API keys: key and secret",
    constants: &[Constant::required("api_key", "the API key, a UUID in lower case")],
    notes: &[
        "The visitor's id must be a UUID; the page gives the same one as uniqueIdentifier.",
        "Not confirmed: whether the secret is used as text.",
        "The vendor advises a life of at least five hours.",
    ],
    fixed: r#"{ "iss": "{{ config.api_key }}", "aud": { "$claim": "{{ subject | lower }}", "required": true, "max": 36 } }"#,
    stamped: &[Stamped::Expires],
    lifetime: Duration::from_hours(5),
    beside: &["aud"],
    page_login: "fetch('{token_url}', { method: 'POST' })
  .then(function (response) { return response.json(); })
  .then(function (answer) { window.widgetOptions = { uniqueIdentifier: answer.aud, token: answer.token }; });",
    page_logout: "window.widgetOptions = {};",
    ..Profile::TOKEN
};
