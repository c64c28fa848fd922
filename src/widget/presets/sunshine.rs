//! Sunshine Conversations: HS256 under the key's secret as text, the key's id (`app_...`) as `kid`; `scope` is `user`.
//!
//! Source: <https://docs.smooch.io/guide/authenticating-users/>.

use std::time::Duration;

use super::{Confidence, Profile, SubjectClaim};

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "sunshine",
    title: "Sunshine Conversations",
    document: "https://docs.smooch.io/guide/authenticating-users/",
    confidence: Confidence::Gap,
    console: "Admin Center > Apps and integrations > Conversations API: key id (WIDGET_KEY_ID) and secret, as text",
    notes: &[
        "The older API (v1) wants scope appUser and the claim userId: use `custom` for it.",
        "The widget's logout call was not read in the vendor's document.",
    ],
    key_id: true,
    fixed: r#"{ "scope": "user" }"#,
    subject: Some(SubjectClaim::of("external_id", 255)),
    lifetime: Duration::from_mins(15),
    beside: &["external_id"],
    page_login: "fetch('{token_url}', { method: 'POST' })
  .then(function (response) { return response.json(); })
  .then(function (answer) { Smooch.login(answer.external_id, answer.token); });",
    page_logout: "Smooch.logout();",
    ..Profile::TOKEN
};
