//! Kore.ai Web SDK: HS256, HS512, RS256 or RS512; a fresh `jti` per token, and an hour at most; the page reads `{"jwt": ...}`.
//!
//! Source: <https://docs.kore.ai/xo/sdk/sdk-security/>.

use std::time::Duration;

use super::{Confidence, Constant, Profile, SubjectClaim};
use crate::claims::Stamped;
use crate::session::identity::SUBJECT_MAX;

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "kore",
    title: "Kore.ai Web SDK",
    document: "https://docs.kore.ai/xo/sdk/sdk-security/",
    confidence: Confidence::Gap,
    console: "Deploy > Channels > Web/Mobile Client: client id (cs-...) and client secret",
    constants: &[
        Constant::required("client_id", "the client id (cs-...)"),
        Constant::or(
            "audience",
            "https://idproxy.kore.com/authorize",
            "`aud`: the vendor's documents spell it with .com and with .ai",
        ),
    ],
    notes: &[
        "Not confirmed: which of the two spellings of aud the service verifies, and whether the secret is used as text.",
        "The stock assertion function posts an identity of its own; nothing of what a page posts is read.",
    ],
    algorithms: &["HS256", "HS512", "RS256", "RS512"],
    fixed: r#"{ "iss": "{{ config.client_id }}", "aud": "{{ config.audience }}", "isAnonymous": false }"#,
    subject: Some(SubjectClaim::of("sub", SUBJECT_MAX)),
    stamped: &[Stamped::IssuedAt, Stamped::Expires, Stamped::Id],
    lifetime: Duration::from_mins(10),
    lifetime_max: Duration::from_hours(1),
    span_max: Some(Duration::from_hours(1)),
    token_field: "jwt",
    page_login: "botOptions.assertionFn = function (options, callback) {
  fetch('{token_url}', { method: 'POST' })
    .then(function (response) { return response.json(); })
    .then(function (answer) { options.assertion = answer.jwt; callback(null, options); });
};",
    page_logout: "bot.close();",
    ..Profile::TOKEN
};
