//! Microsoft's healthcare agent service (Azure Health Bot), web chat channel with end-user authentication.
//!
//! Sources: <https://learn.microsoft.com/azure/health-bot/channels/webchat> and the container sample it points to, whose
//! claim names these are: HS256 under `app_secret` as text, the Direct Line token inside the payload.

use std::time::Duration;

use super::{Evidence, Profile, SubjectClaim, SubjectForm};
use crate::base::secret::Encoding;
use crate::claims::Stamped;
use crate::connector::Kind;
use crate::jose::keyring;

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "healthcare-agent",
    title: "Microsoft healthcare agent service",
    document: "https://learn.microsoft.com/azure/health-bot/channels/webchat",
    evidence: Evidence::Document("healthcare::a_token_says_when_it_began_and_ends"),
    console: "Integration > Secrets: app_secret, and webchat_secret for WIDGET_WEBCHAT_SECRET",
    notes: &[
        "app_secret and webchat_secret are on the service's Integration > Secrets page; API_JWT_secret is another one.",
        "userId is a pseudonym (PSEUDONYM_KEY): the service keeps each visitor's history under it, so it must be stable and must not be guessable.",
        "The token is signed, not encrypted: the visitor can read every claim.",
        "Not confirmed against the live service: that it honours exp, and that binding the visitor works with a Web Chat secret (WIDGET_BIND_USER=false switches it off).",
        "locale and location come from the page only where WIDGET_PAGE_LOCALE and WIDGET_PAGE_LOCATION allow it; isAgent only for members of WIDGET_AGENT_GROUP.",
        "Microsoft's sample page works unmodified with TOKEN_ALIASES=/chatBot=healthcare-agent.",
    ],
    algorithms: &["HS256"],
    secret: &keyring::WIDGET_APP_SECRET,
    encoding: Encoding::Utf8,
    typ: Some("JWT"),
    template: r#"{
  "userName": { "$claim": "{{ name }}", "max": 256, "overlong": "truncate" },
  "locale": { "$claim": "{{ page.locale or locale }}", "max": 35 },
  "connectorToken": { "$claim": "{{ ticket.token }}", "required": true, "max": 8192 },
  "directLineURI": { "$claim": "{{ ticket.host }}", "required": true, "max": 255 },
  "location": {
    "lat": { "$claim": "{{ page.location.lat }}", "as": "string" },
    "long": { "$claim": "{{ page.location.long }}", "as": "string" }
  },
  "isAgent": "{{ agent }}"
}"#,
    subject: Some(SubjectClaim { claim: "userId", max: 300, alphanumeric: false }),
    subject_form: SubjectForm::Pseudonym,
    stamped: &[Stamped::IssuedAt, Stamped::Expires],
    addressed: false,
    adjustable: false,
    exp_optional: true,
    optional_attributes: Some("optionalAttributes"),
    // The documentation's sample; a chat needs the token only to begin, so minutes are enough.
    lifetime: Duration::from_mins(200),
    lifetime_max: Duration::from_hours(24),
    token_max: 16 * 1024,
    token_field: "token",
    beside: &["userId"],
    connector: Some(Kind::DirectLine),
    ascii_payload: true,
    page_login: "fetch('{token_url}', { method: 'POST' })
  .then(function (response) { return response.json(); })
  .then(function (chat) {
    var store = WebChat.createStore({}, function (api) {
      return function (next) {
        return function (action) {
          if (action.type === 'DIRECT_LINE/CONNECT_FULFILLED') {
            api.dispatch({ type: 'DIRECT_LINE/POST_ACTIVITY', meta: { method: 'keyboard' }, payload: { activity: {
              type: 'invoke', name: 'InitConversation', value: { jsonWebToken: chat.token } } } });
          }
          return next(action);
        };
      };
    });
    var directLine = WebChat.createDirectLine({ token: chat.connectorToken, domain: chat.domain });
    WebChat.renderWebChat({ directLine: directLine, store: store, userID: chat.userId },
      document.getElementById('webchat'));
  });",
    page_logout: "/* end the connection (directLine.end()) and remove the chat from the page */",
    ..Profile::TOKEN
};
