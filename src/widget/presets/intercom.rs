//! Intercom Messenger: HS256 under the Messenger secret as text; `user_id` is required, everything signed is taken as an attribute.
//!
//! Source: <https://developers.intercom.com/installing-intercom/web/identity-verification>.

use std::time::Duration;

use super::{Profile, SubjectClaim};
use crate::claims::Stamped;
use crate::session::identity::SUBJECT_MAX;

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "intercom",
    title: "Intercom Messenger",
    document: "https://developers.intercom.com/installing-intercom/web/identity-verification",
    console: "Settings > Messenger > Security: the Messenger secret, as text",
    notes: &[
        "What is in the token must not stand in the clear settings as well.",
        "Two people who share an e-mail address are a conflict there; leave `email` out of WIDGET_CLAIMS if your visitors may.",
        "A fresh token is handed over with Intercom('update', { intercom_user_jwt: ... }); that call was read in third-party code only.",
    ],
    template: r#"{
  "name": { "$claim": "{{ name }}", "max": 256, "overlong": "truncate" },
  "email": { "$claim": "{{ email }}", "max": 320 }
}"#,
    subject: Some(SubjectClaim::of("user_id", SUBJECT_MAX)),
    stamped: &[Stamped::Expires],
    lifetime: Duration::from_mins(30),
    page_login: "fetch('{token_url}', { method: 'POST' })
  .then(function (response) { return response.json(); })
  .then(function (answer) { Intercom('boot', { app_id: 'YOUR_APP_ID', intercom_user_jwt: answer.token }); });",
    page_logout: "Intercom('shutdown');",
    ..Profile::TOKEN
};
