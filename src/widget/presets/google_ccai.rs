//! Google Cloud CCAI Platform (UJET): HS256 under the company secret as text; `iss` is the company, `identifier` the visitor; the answer must be `{"token": ...}`.
//!
//! Source: <https://cloud.google.com/contact-center/ccai-platform/docs/web-sdk-v3-authenticate>.

use std::time::Duration;

use super::{Confidence, Constant, Profile, SubjectClaim};
use crate::session::identity::SUBJECT_MAX;

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "google-ccai",
    title: "Google Cloud CCAI Platform (UJET)",
    document: "https://cloud.google.com/contact-center/ccai-platform/docs/web-sdk-v3-authenticate",
    confidence: Confidence::Gap,
    console: "Settings > Developer Settings > Company Key and Secret Code: the secret, as text",
    constants: &[Constant::required("company", "the company name or key used as issuer")],
    notes: &["Not read again: the name of the SDK's token callback.", "Older SDK pages may want less than an hour."],
    typ: None,
    template: r#"{
  "name": { "$claim": "{{ name }}", "max": 256, "overlong": "truncate" },
  "email": { "$claim": "{{ email }}", "max": 320 }
}"#,
    fixed: r#"{ "iss": "{{ config.company }}" }"#,
    subject: Some(SubjectClaim::of("identifier", SUBJECT_MAX)),
    lifetime: Duration::from_mins(10),
    lifetime_max: Duration::from_hours(1),
    page_login: "function token() {
  return fetch('{token_url}', { method: 'POST' }).then(function (response) { return response.json(); });
}
/* hand `token` to the SDK as its authentication callback */",
    page_logout: "/* end the session of the SDK */",
    ..Profile::TOKEN
};
