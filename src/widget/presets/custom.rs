//! A widget nobody wrote a preset for: everything from the environment.

use std::time::Duration;

use super::{Evidence, Profile, SubjectClaim, SubjectForm};
use crate::base::secret::Encoding;
use crate::claims::Stamped;
use crate::jose::keyring;
use crate::session::identity::SUBJECT_MAX;

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "custom",
    open: true,
    title: "Your own format, from the environment",
    document: "https://www.rfc-editor.org/rfc/rfc7519",
    evidence: Evidence::Document("presets::custom_makes_digests_from_the_environment"),
    console: "what your vendor's document says: the claims it verifies, the algorithm, and the secret from its console",
    notes: &[
        "A signed token; with WIDGET_DIGEST a keyed digest of members of WIDGET_CLAIMS; with WIDGET_EXCHANGE a token of the vendor's own server.",
        "WIDGET_CLAIMS is required; WIDGET_SUBJECT_CLAIM, WIDGET_STAMPED, WIDGET_TYP and the rest shape the token.",
    ],
    algorithms: &["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "ES256", "ES384", "EdDSA"],
    secret: &keyring::WIDGET_SECRET,
    encoding: Encoding::Utf8,
    typ: Some("JWT"),
    template: "",
    subject: Some(SubjectClaim { claim: "sub", max: SUBJECT_MAX, alphanumeric: false }),
    subject_form: SubjectForm::Plain,
    stamped: &[Stamped::IssuedAt, Stamped::NotBefore, Stamped::Expires, Stamped::Id],
    addressed: true,
    adjustable: true,
    exp_optional: false,
    optional_attributes: None,
    lifetime: Duration::from_mins(5),
    lifetime_max: Duration::from_hours(24),
    token_max: 8 * 1024,
    token_field: "token",
    beside: &[],
    connector: None,
    ascii_payload: false,
    page_login: "fetch('{token_url}', { method: 'POST' })
  .then(function (response) { return response.json(); })
  .then(function (answer) { /* hand answer.token to the widget */ });",
    page_logout: "/* tell the widget that the visitor is gone */",
    ..Profile::TOKEN
};
