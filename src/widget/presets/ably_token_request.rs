//! Ably, `TokenRequest`: base64 HMAC-SHA256 over six lines; the answer is the `TokenRequest`, which the vendor's library sends on as it is.
//!
//! Source: <https://ably.com/docs/auth/token/ably-tokens>.

use std::time::Duration;

use super::{Constant, Evidence, Format, Profile, SubjectClaim};
use crate::session::identity::SUBJECT_MAX;

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "ably-token-request",
    title: "Ably, TokenRequest",
    document: "https://ably.com/docs/auth/token/ably-tokens",
    evidence: Evidence::VendorCode("'ably-token-request': the request is what the vendor's library signs"),
    format: Format::Digest(
        r#"{
  "parts": ["keyName", "ttl", "capability", "clientId", "timestamp", "nonce"],
  "separator": "\n", "terminated": true, "output": "base64", "field": "mac", "exact": true
}"#,
    ),
    console: "App > API Keys: what stands before the colon is the name, what stands after it the secret, as text",
    constants: &[
        Constant::required("key_name", "the key's name, app.key"),
        Constant::required(
            "capability",
            "what the visitor may do, as JSON text; give WIDGET_CONSTANTS as a JSON object",
        ),
    ],
    notes: &["Write the capability's names in alphabetical order: the vendor signs it so."],
    fixed: r#"{
  "keyName": "{{ config.key_name }}",
  "ttl": "{{ expires_in_ms }}",
  "capability": "{{ config.capability }}",
  "timestamp": "{{ time_ms }}",
  "nonce": "{{ token_id }}"
}"#,
    subject: Some(SubjectClaim::of("clientId", SUBJECT_MAX)),
    lifetime: Duration::from_hours(1),
    page_login: "window.ably = new Ably.Realtime({ authCallback: function (parameters, callback) {
  fetch('{token_url}', { method: 'POST' })
    .then(function (response) { return response.json(); })
    .then(function (answer) { callback(null, answer); });
} });",
    page_logout: "window.ably.close();",
    ..Profile::DIGEST
};
