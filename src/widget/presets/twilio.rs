//! Twilio Conversations and Flex: HS256 under the API key's secret as text; header `cty`, claim `jti` and `grants` as the vendor's libraries write them.
//!
//! Source: <https://www.twilio.com/docs/iam/access-tokens>.

use std::time::Duration;

use super::{Confidence, Constant, Evidence, Profile};

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "twilio",
    title: "Twilio Conversations and Flex",
    document: "https://www.twilio.com/docs/iam/access-tokens",
    evidence: Evidence::VendorCode("'twilio': header and claims are those of the vendor's library"),
    confidence: Confidence::Gap,
    console: "Console > Account > API keys: the key's SID (SK...) and secret, as text",
    constants: &[
        Constant::required("account_sid", "the account's SID (AC...)"),
        Constant::required("api_key_sid", "the API key's SID (SK...)"),
        Constant::or("service_sid", "", "the Conversations service (IS...)"),
    ],
    notes: &[
        "Compared with the vendor's Node library: header, claims and their nesting.",
        "The page calls for refreshing and ending a session were not read in the vendor's document.",
    ],
    cty: Some("twilio-fpa;v=1"),
    fixed: r#"{
  "jti": "{{ config.api_key_sid ~ '-' ~ time }}",
  "iss": "{{ config.api_key_sid }}",
  "sub": "{{ config.account_sid }}",
  "grants": {
    "identity": { "$claim": "{{ subject }}", "required": true, "max": 256 },
    "chat": { "service_sid": "{{ config.service_sid }}" }
  }
}"#,
    lifetime: Duration::from_hours(1),
    page_login: "fetch('{token_url}', { method: 'POST' })
  .then(function (response) { return response.json(); })
  .then(function (answer) { window.conversations = new Twilio.Conversations.Client(answer.token); });",
    page_logout: "window.conversations.shutdown();",
    ..Profile::TOKEN
};
