//! Liveblocks: the vendor's own answer for a visitor, passed on as it is.
//!
//! Source: <https://liveblocks.io/docs/authentication/id-token>.

use std::time::Duration;

use super::{Evidence, Format, Profile};

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "liveblocks",
    title: "Liveblocks",
    document: "https://liveblocks.io/docs/authentication/id-token",
    evidence: Evidence::VendorCode(
        "'liveblocks': the vendor's client and countersign send the same, and the answer is passed on",
    ),
    format: Format::Exchange(
        r#"{
  "headers": { "Authorization": "Bearer {secret}" },
  "call": {
    "url": "https://api.liveblocks.io/v2/identify-user",
    "json": {
      "userId": { "$claim": "{{ subject }}", "required": true, "max": 128 },
      "groupIds": [],
      "userInfo": { "name": "{{ name }}" }
    }
  },
  "answer": { "token": "/token", "unchanged": true }
}"#,
    ),
    console: "Dashboard > API keys: the secret key (sk_...), WIDGET_API_KEY",
    notes: &[
        "What a visitor may enter is decided by the permissions of the rooms at the vendor.",
        "A refusal is answered in our own words; a success is passed on unchanged.",
    ],
    lifetime: Duration::from_hours(1),
    page_login: "window.liveblocks = createClient({ authEndpoint: function () {
  return fetch('{token_url}', { method: 'POST' }).then(function (response) { return response.json(); });
} });",
    page_logout: "window.liveblocks.logout();",
    ..Profile::EXCHANGE
};
