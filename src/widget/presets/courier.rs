//! Courier Inbox: a token of the vendor's with a scope that names the user.
//!
//! Source: <https://www.courier.com/docs/platform/inbox/authentication>.

use std::time::Duration;

use super::{Constant, Evidence, Format, Profile};

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "courier",
    title: "Courier Inbox",
    document: "https://www.courier.com/docs/platform/inbox/authentication",
    evidence: Evidence::VendorCode("'courier': the vendor's client and countersign send the same"),
    format: Format::Exchange(
        r#"{
  "headers": { "Authorization": "Bearer {secret}" },
  "call": {
    "url": "https://api.courier.com/auth/issue-token",
    "json": { "scope": "{{ 'user_id:' ~ subject ~ ' ' ~ config.scopes }}", "expires_in": "1 hour" }
  },
  "answer": { "token": "/token", "expires_after": 3600 }
}"#,
    ),
    console: "Settings > API Keys: an API key (WIDGET_API_KEY)",
    constants: &[Constant::or("scopes", "inbox:read:messages inbox:write:events", "what the visitor may do")],
    notes: &[
        "The scope is a text with blanks between its parts, so an id with a blank in it is refused: it could give itself another scope.",
        "The page calls were not read again in the vendor's document.",
    ],
    template: r#"{ "userId": { "$claim": "{{ subject }}", "required": true, "max": 256, "charset": "token" } }"#,
    lifetime: Duration::from_hours(1),
    page_login: "fetch('{token_url}', { method: 'POST' })
  .then(function (response) { return response.json(); })
  .then(function (answer) { courier.shared.signIn({ userId: answer.userId, jwt: answer.token }); });",
    page_logout: "courier.shared.signOut();",
    ..Profile::EXCHANGE
};
