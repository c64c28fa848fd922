//! MedChat, JSON Web Token passthrough.
//!
//! Source: <https://docs.medchatapp.com/docs/jsonwebtoken-passthrough-2>: HS256 under a base64url-encoded secret; `name`,
//! `external_id`, `iat`, `exp` required, `email` optional; 200 characters each; four hours in the vendor's sample.

use std::time::Duration;

use super::{Profile, SubjectClaim, SubjectForm};
use crate::base::secret::Encoding;
use crate::claims::Stamped;
use crate::jose::keyring;

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "medchat",
    title: "MedChat, JSON Web Token passthrough",
    document: "https://docs.medchatapp.com/docs/jsonwebtoken-passthrough-2",
    console: "Admin > API > Developer: the secret of the JSON Web Token passthrough",
    notes: &[
        "The secret is made on the Developer page (Admin, API tab) and is base64url.",
        "external_id is documented as alphanumeric. Whether hyphens or `@` are refused was not established, so such ids are refused here; WIDGET_SUBJECT=pseudonym or hex makes any id fit.",
        "No ceiling on the lifetime is documented; 4 h is the vendor's sample.",
    ],
    algorithms: &["HS256"],
    secret: &keyring::WIDGET_SECRET,
    encoding: Encoding::Base64Url,
    typ: Some("JWT"),
    template: r#"{
  "name": { "$claim": "{{ name or email }}", "required": true, "max": 200, "overlong": "truncate", "as": "string" },
  "email": { "$claim": "{{ email }}", "max": 200, "overlong": "refuse" }
}"#,
    subject: Some(SubjectClaim { claim: "external_id", max: 200, alphanumeric: true }),
    subject_form: SubjectForm::Plain,
    stamped: &[Stamped::IssuedAt, Stamped::Expires],
    addressed: false,
    adjustable: false,
    exp_optional: false,
    optional_attributes: None,
    lifetime: Duration::from_hours(4),
    lifetime_max: Duration::from_hours(24),
    token_max: 8 * 1024,
    token_field: "token",
    beside: &[],
    connector: None,
    ascii_payload: false,
    page_login: "fetch('{token_url}')
  .then(function (response) { return response.json(); })
  .then(function (resp) { window.medchatapp.registerJWT(resp.token); });",
    page_logout: "window.medchatapp.unVerifyUser();",
    ..Profile::TOKEN
};
