//! Freshchat: HS256 under the account's key as text; the widget's own id comes from the page and is signed with the visitor's.
//!
//! Source: <https://support.freshdesk.com/support/solutions/articles/50000011580>.

use std::time::Duration;

use super::{Confidence, Profile, SubjectClaim};
use crate::session::identity::SUBJECT_MAX;
use crate::widget::page_value::Shape;

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "freshchat",
    title: "Freshchat",
    document: "https://support.freshdesk.com/support/solutions/articles/50000011580",
    confidence: Confidence::Gap,
    console: "Admin > Web Chat > User authentication: the encryption key",
    page_values: &[("uuid", Shape::Uuid)],
    notes: &[
        "Not confirmed: the vendor's own table of claims could not be read; these are read off its mobile code and off production sites.",
        "Once enforced, visitors who are not logged in need a token as well, which this service does not make.",
        "The logout call was not seen.",
    ],
    template: r#"{
  "first_name": { "$claim": "{{ attributes.first_name or name }}", "max": 256, "overlong": "truncate" },
  "last_name": { "$claim": "{{ attributes.last_name }}", "max": 256, "overlong": "truncate" },
  "email": { "$claim": "{{ email }}", "max": 320 }
}"#,
    fixed: r#"{ "freshchat_uuid": { "$claim": "{{ untrusted.uuid }}", "required": true, "max": 36 } }"#,
    subject: Some(SubjectClaim::of("reference_id", SUBJECT_MAX)),
    lifetime: Duration::from_mins(15),
    page_login: "window.fcWidget.user.getUUID().then(function (response) {
  return fetch('{token_url}?uuid=' + encodeURIComponent(response.data.uuid), { method: 'POST' });
})
  .then(function (response) { return response.json(); })
  .then(function (answer) { window.fcWidget.authenticate(answer.token); });",
    page_logout: "window.fcWidget.user.clear();",
    ..Profile::TOKEN
};
