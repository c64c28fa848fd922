//! Ada: a token of the vendor's that is good once, for fifteen minutes.
//!
//! Source: <https://docs.ada.cx/messaging/identity>.

use std::time::Duration;

use super::{Confidence, Constant, Format, Profile};

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "ada",
    title: "Ada",
    document: "https://docs.ada.cx/messaging/identity",
    confidence: Confidence::Gap,
    format: Format::Exchange(
        r#"{
  "headers": { "Authorization": "Bearer {secret}" },
  "call": {
    "url": "https://{{ config.bot }}.ada.support/api/v2/auth/tokens/",
    "json": {
      "end_user_id": { "$claim": "{{ attributes.ada_end_user_id }}", "required": true, "max": 256 }
    }
  },
  "answer": { "token": "/token", "expires_in": "/expires_in" }
}"#,
    ),
    console: "Settings > Integrations > APIs: an API key (WIDGET_API_KEY)",
    constants: &[Constant::required("bot", "the bot's handle, as in https://HANDLE.ada.support")],
    notes: &[
        "Ada knows visitors by ids of its own: the session must carry it as the attribute ada_end_user_id. Looking it up by your own id is not built.",
        "Never kept: a token is good once.",
        "The reset call at logout was not read.",
    ],
    lifetime: Duration::from_mins(15),
    page_login: "fetch('{token_url}', { method: 'POST' })
  .then(function (response) { return response.json(); })
  .then(function (answer) { window.adaSettings = { identityToken: answer.token }; });",
    page_logout: "window.adaEmbed.reset();",
    ..Profile::EXCHANGE
};
