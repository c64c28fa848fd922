//! A generic host-signed userinfo token: the host signs who the visitor is, the widget's server checks the signature.
//!
//! The claims follow OpenID Connect Core section 5.1 and the token RFC 7519; vendors that describe such a token without
//! giving a format can be served by editing the template.

use std::time::Duration;

use super::{Profile, SubjectClaim, SubjectForm};
use crate::base::secret::Encoding;
use crate::claims::Stamped;
use crate::jose::keyring;
use crate::session::identity::SUBJECT_MAX;

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "userinfo",
    title: "Generic host-signed userinfo token",
    document: "https://www.rfc-editor.org/rfc/rfc7519",
    notes: &[
        "Claim names and the algorithm are editable (WIDGET_CLAIMS, WIDGET_ALGORITHM); ask the vendor what its server verifies.",
        "Prefer ES256 or EdDSA: the vendor then needs only the public key from /.well-known/jwks.json.",
    ],
    algorithms: &["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "ES256", "ES384", "EdDSA"],
    secret: &keyring::WIDGET_SECRET,
    encoding: Encoding::Utf8,
    typ: Some("JWT"),
    template: r#"{
  "name": { "$claim": "{{ name }}", "max": 256, "overlong": "truncate" },
  "email": { "$claim": "{{ email }}", "max": 320 },
  "email_verified": "{{ email_verified }}",
  "groups": "{{ groups }}",
  "locale": "{{ locale }}"
}"#,
    subject: Some(SubjectClaim { claim: "sub", max: SUBJECT_MAX, alphanumeric: false }),
    subject_form: SubjectForm::Plain,
    stamped: &[Stamped::IssuedAt, Stamped::NotBefore, Stamped::Expires, Stamped::Id],
    addressed: true,
    adjustable: true,
    exp_optional: false,
    optional_attributes: None,
    lifetime: Duration::from_mins(5),
    lifetime_max: Duration::from_hours(1),
    token_max: 8 * 1024,
    token_field: "token",
    beside: &[],
    connector: None,
    ascii_payload: false,
    page_login: "fetch('{token_url}', { method: 'POST' })
  .then(function (response) { return response.json(); })
  .then(function (answer) { window.chatWidgetConfig = { userinfo: answer.token }; });",
    page_logout: "delete window.chatWidgetConfig;",
    ..Profile::TOKEN
};
