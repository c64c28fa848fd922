//! Infobip live chat: HS256 under a base64-decoded key; `stp`, `ski` and `sid` as the vendor's mobile code writes them; fifteen seconds.
//!
//! Source: <https://www.infobip.com/docs/live-chat/user-types>.

use std::time::Duration;

use super::{Confidence, Constant, Profile, SubjectClaim};
use crate::base::secret::Encoding;
use crate::session::identity::SUBJECT_MAX;

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "infobip",
    title: "Infobip live chat",
    document: "https://www.infobip.com/docs/live-chat/user-types",
    confidence: Confidence::Gap,
    console: "Live chat > Widgets > Security: the secret key is copied as JSON {id, key}; `key` is WIDGET_SECRET (base64)",
    constants: &[Constant::required("widget_id", "the widget's id"), Constant::required("key_id", "`id` of the copied key"), Constant::or("identifier_type", "externalPersonId", "what the visitor's id is: externalPersonId, email or msisdn")],
    notes: &["A token dies fifteen seconds after it is made: fetch it when the chat is opened, never before. CLOCK_SKEW takes at most half of that."],
    encoding: Encoding::Base64,
    fixed: r#"{
  "jti": "{{ token_uuid }}",
  "sid": "{{ token_uuid }}",
  "stp": "{{ config.identifier_type }}",
  "iss": "{{ config.widget_id }}",
  "ski": "{{ config.key_id }}"
}"#,
    subject: Some(SubjectClaim::of("sub", SUBJECT_MAX)),
    lifetime: Duration::from_secs(15),
    lifetime_max: Duration::from_secs(15),
    span_max: Some(Duration::from_secs(15)),
    page_login: "fetch('{token_url}', { method: 'POST' })
  .then(function (response) { return response.json(); })
  .then(function (answer) { liveChat('auth', answer.token, function (error) { if (error) { console.warn('live chat', error.code); } }); });",
    page_logout: "/* close the chat; the session of the widget ends with it */",
    ..Profile::TOKEN
};
