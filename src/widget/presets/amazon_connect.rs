//! Amazon Connect communications widget: HS256 under the 44-character key as text; `sub` is the widget, the visitor is in `attributes`, at most ten minutes.
//!
//! Source: <https://docs.aws.amazon.com/connect/latest/adminguide/add-chat-to-website.html>.

use std::time::Duration;

use super::{Constant, Profile};

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "amazon-connect",
    title: "Amazon Connect communications widget",
    document: "https://docs.aws.amazon.com/connect/latest/adminguide/add-chat-to-website.html",
    console: "Amazon Connect > Channels > Communications widget: the security key, 44 characters, used as text",
    constants: &[Constant::required("widget_id", "the widget's id, from its script")],
    notes: &[
        "Who the visitor is, is whatever attribute your contact flow reads: customerId here, WIDGET_CLAIMS to change it. Every attribute must be a string.",
        "The token may have 6144 bytes. Nothing is documented for logout.",
    ],
    template: r#"{
  "attributes": {
    "customerId": { "$claim": "{{ subject }}", "required": true, "as": "string", "max": 256 },
    "name": { "$claim": "{{ name }}", "as": "string", "max": 256, "overlong": "truncate" },
    "email": { "$claim": "{{ email }}", "as": "string", "max": 320 }
  }
}"#,
    fixed: r#"{ "sub": "{{ config.widget_id }}" }"#,
    lifetime: Duration::from_mins(5),
    lifetime_max: Duration::from_mins(10),
    span_max: Some(Duration::from_mins(10)),
    token_max: 6144,
    token_field: "data",
    page_login: "amazon_connect('authenticate', function (callback) {
  fetch('{token_url}', { method: 'POST' })
    .then(function (response) { return response.json(); })
    .then(function (answer) { callback(answer.data); });
});",
    page_logout: "/* end the chat and remove the widget from the page */",
    ..Profile::TOKEN
};
