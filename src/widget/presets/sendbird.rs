//! Sendbird: a session token of the vendor's; the vendor's user is made first.
//!
//! Source: <https://sendbird.com/docs/chat/platform-api/v3/user/managing-session-tokens/issue-a-session-token>.

use std::time::Duration;

use super::{Constant, Evidence, Format, Profile, SubjectClaim};

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "sendbird",
    title: "Sendbird",
    document: "https://sendbird.com/docs/chat/platform-api/v3/user/managing-session-tokens/issue-a-session-token",
    evidence: Evidence::VendorCode("'sendbird': the vendor's client and countersign send the same"),
    format: Format::Exchange(
        r#"{
  "headers": { "Api-Token": "{secret}" },
  "first": {
    "url": "https://api-{{ config.app_id }}.sendbird.com/v3/users",
    "json": {
      "user_id": "{{ subject }}",
      "nickname": { "$claim": "{{ name or subject }}", "max": 80, "overlong": "truncate" },
      "profile_url": ""
    },
    "accept": [400]
  },
  "call": {
    "url": "https://api-{{ config.app_id }}.sendbird.com/v3/users/{{ subject }}/token",
    "json": { "expires_at": "{{ expires_at_ms }}" }
  },
  "answer": { "token": "/token", "expires_at_ms": "/expires_at" }
}"#,
    ),
    console: "Dashboard > Settings > Application > General: application id, and an API token (WIDGET_API_KEY)",
    constants: &[Constant::required("app_id", "the application's id")],
    notes: &["A user who exists already is answered with 400, which is as good as success."],
    subject: Some(SubjectClaim::of("userId", 80)),
    lifetime: Duration::from_hours(1),
    page_login: "fetch('{token_url}', { method: 'POST' })
  .then(function (response) { return response.json(); })
  .then(function (answer) { sendbird.connect(answer.userId, answer.token); });",
    page_logout: "sendbird.disconnect();",
    ..Profile::EXCHANGE
};
