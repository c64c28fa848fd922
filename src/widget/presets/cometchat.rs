//! `CometChat`: an auth token of the vendor's; the vendor's user is made first.
//!
//! Source: <https://www.cometchat.com/docs/rest-api/auth-tokens>.

use std::time::Duration;

use super::{Constant, Evidence, Format, Profile, SubjectClaim};

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "cometchat",
    title: "CometChat",
    document: "https://www.cometchat.com/docs/rest-api/auth-tokens",
    evidence: Evidence::Command("'cometchat': the vendor's documented commands and countersign send the same"),
    format: Format::Exchange(
        r#"{
  "headers": { "apikey": "{secret}" },
  "first": {
    "url": "https://{{ config.app_id }}.api-{{ config.region }}.cometchat.io/v3/users",
    "json": {
      "uid": "{{ subject }}",
      "name": { "$claim": "{{ name or subject }}", "max": 100, "overlong": "truncate" }
    },
    "accept": [400, 409]
  },
  "call": {
    "url": "https://{{ config.app_id }}.api-{{ config.region }}.cometchat.io/v3/users/{{ subject }}/auth_tokens",
    "json": { "force": true }
  },
  "revoke": {
    "method": "DELETE",
    "url": "https://{{ config.app_id }}.api-{{ config.region }}.cometchat.io/v3/users/{{ subject }}/auth_tokens",
    "accept": [404]
  },
  "answer": { "token": "/data/authToken" }
}"#,
    ),
    console: "Dashboard > API & Auth Keys: app id, region, and the REST API key (WIDGET_API_KEY)",
    constants: &[
        Constant::required("app_id", "the app's id"),
        Constant::required("region", "the app's region: us, eu or in"),
    ],
    notes: &[
        "The vendor's tokens have no end; only the newest hundred of a user live. At a logout of our own login, and at a revocation, all tokens of the user are deleted, those of other devices included.",
        "A user's id may hold letters, digits, `_` and `-`.",
    ],
    subject: Some(SubjectClaim::of("uid", 100)),
    lifetime: Duration::from_hours(1),
    page_login: "fetch('{token_url}', { method: 'POST' })
  .then(function (response) { return response.json(); })
  .then(function (answer) { CometChat.login(answer.token); });",
    page_logout: "CometChat.logout();",
    ..Profile::EXCHANGE
};
