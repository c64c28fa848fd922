//! `OpenAI` `ChatKit` with a server of your own: a bearer token that your own `ChatKit` server verifies against the published key set.
//!
//! Source: <https://platform.openai.com/docs/guides/custom-chatkit>.

use super::{Profile, SubjectClaim};
use crate::claims::Stamped;
use crate::session::identity::SUBJECT_MAX;

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "chatkit",
    title: "OpenAI ChatKit with a server of your own",
    document: "https://platform.openai.com/docs/guides/custom-chatkit",
    console: "none: your server verifies with the public key from /.well-known/jwks.json",
    notes: &[
        "Sessions of the vendor's hosted half are an exchange (`custom` with WIDGET_EXCHANGE); the maker of its workflow ids ends on 2026-11-30, so there is no preset for it.",
    ],
    algorithms: &["ES256", "RS256", "EdDSA", "HS256"],
    template: r#"{
  "name": { "$claim": "{{ name }}", "max": 256, "overlong": "truncate" },
  "email": { "$claim": "{{ email }}", "max": 320 }
}"#,
    subject: Some(SubjectClaim::of("sub", SUBJECT_MAX)),
    stamped: &[Stamped::IssuedAt, Stamped::NotBefore, Stamped::Expires, Stamped::Id],
    addressed: true,
    page_login: "function withToken(url, options) {
  return fetch('{token_url}', { method: 'POST' })
    .then(function (response) { return response.json(); })
    .then(function (answer) {
      var headers = new Headers(options && options.headers);
      headers.set('Authorization', 'Bearer ' + answer.token);
      return fetch(url, Object.assign({}, options, { headers: headers }));
    });
}
chatkit.setOptions({ api: { url: '/chatkit', domainKey: 'YOUR_DOMAIN_KEY', fetch: withToken } });",
    page_logout: "/* remove the element from the page */",
    ..Profile::TOKEN
};
