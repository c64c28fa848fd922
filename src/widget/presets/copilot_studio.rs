//! Microsoft Copilot Studio: a Direct Line conversation for an agent, and beside it a signed token that says who the
//! visitor is, because the conversation itself binds nobody without secured access.
//!
//! Source: <https://learn.microsoft.com/microsoft-copilot-studio/configure-web-security>.

use std::time::Duration;

use super::{Evidence, Profile, SubjectClaim, SubjectForm};
use crate::base::secret::Encoding;
use crate::claims::Stamped;
use crate::connector::Kind;
use crate::jose::keyring;
use crate::session::identity::SUBJECT_MAX;

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "copilot-studio",
    title: "Microsoft Copilot Studio",
    document: "https://learn.microsoft.com/microsoft-copilot-studio/configure-web-security",
    evidence: Evidence::Document("direct_line::copilot_studio_needs_no_secret_and_its_region_is_asked_for_once"),
    notes: &[
        "With secured access: WIDGET_WEBCHAT_SECRET and WIDGET_DIRECTLINE_ENDPOINT. Without: WIDGET_TOKEN_ENDPOINT, from the agent's Channels > Mobile app page.",
        "Direct Line replaces the visitor's id with its own there, so the conversation proves nothing about who is chatting: the agent should verify the signed token (for instance handed over in a pvaSetContext event) against /.well-known/jwks.json.",
        "Agents are regional; the right domain comes with every answer and must be the one the page uses.",
    ],
    algorithms: &["ES256", "RS256", "EdDSA", "HS256"],
    secret: &keyring::WIDGET_SECRET,
    encoding: Encoding::Utf8,
    typ: Some("JWT"),
    template: r#"{
  "name": { "$claim": "{{ name }}", "max": 256, "overlong": "truncate" },
  "email": { "$claim": "{{ email }}", "max": 320 },
  "conversation": { "$claim": "{{ ticket.conversation_id }}", "max": 256 }
}"#,
    subject: Some(SubjectClaim { claim: "sub", max: SUBJECT_MAX + 64, alphanumeric: false }),
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
    connector: Some(Kind::CopilotStudio),
    ascii_payload: false,
    page_login: "fetch('{token_url}', { method: 'POST' })
  .then(function (response) { return response.json(); })
  .then(function (chat) {
    var store = WebChat.createStore({}, function (api) {
      return function (next) {
        return function (action) {
          if (action.type === 'DIRECT_LINE/CONNECT_FULFILLED') {
            api.dispatch({ type: 'DIRECT_LINE/POST_ACTIVITY', meta: { method: 'keyboard' }, payload: { activity: {
              type: 'event', name: 'startConversation', value: { userinfo: chat.token } } } });
          }
          return next(action);
        };
      };
    });
    var directLine = WebChat.createDirectLine({ token: chat.connectorToken, domain: chat.domain });
    WebChat.renderWebChat({ directLine: directLine, store: store }, document.getElementById('webchat'));
  });",
    page_logout: "/* end the connection (directLine.end()) and remove the chat from the page */",
    ..Profile::TOKEN
};
