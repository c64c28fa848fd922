//! Zoom Contact Center and Virtual Agent: ES256; the claims are those configured at Zoom, the answer must be `{"token": ...}`.
//!
//! Source: <https://developers.zoom.us/docs/zcx/consumer-authentication/>.

use std::time::Duration;

use super::{Confidence, Profile, SubjectClaim};
use crate::session::identity::SUBJECT_MAX;

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "zoom",
    title: "Zoom Contact Center and Virtual Agent",
    document: "https://developers.zoom.us/docs/zcx/consumer-authentication/",
    confidence: Confidence::Gap,
    console: "Zoom Contact Center > Consumer authentication: your public key, and which claim fills which variable",
    notes: &[
        "Not confirmed: rules for issuer and audience. The claims here are an example; name in WIDGET_CLAIMS what your Zoom variables read.",
    ],
    algorithms: &["ES256"],
    template: r#"{
  "name": { "$claim": "{{ name }}", "max": 256, "overlong": "truncate" },
  "email": { "$claim": "{{ email }}", "max": 320 }
}"#,
    subject: Some(SubjectClaim::of("sub", SUBJECT_MAX)),
    lifetime: Duration::from_mins(10),
    page_login: "/* on the campaign's script element */
script.setAttribute('data-auth-endpoint', '{token_url}');",
    page_logout: "/* remove the campaign from the page */",
    ..Profile::TOKEN
};
