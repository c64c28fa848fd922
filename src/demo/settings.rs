//! The demo's configuration: the same settings an organisation would write, with secrets made at this start.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::Algorithm;
use url::Url;

use super::Addresses;
use super::directline::{self, Double};
use super::events::{AuditSink, Events};
use super::proof::{Check, Key, Published};
use super::vendors::{VENDORS, Vendor};
use crate::app::config::Settings;
use crate::app::{App, StartError};
use crate::base::clock::{Clock, random_bytes};
use crate::base::siv::KEY_BYTES;
use crate::config::env::Env;
use crate::jose::signer;
use crate::observe::audit::settings::AuditSettings;

/// Where the clinic's site hands requests to countersign.
pub const MOUNT: &str = "/chat-identity";

/// The chat widgets that the clinic's page can show.
pub const WIDGETS: [&str; 3] = ["medchat", "userinfo", AGENT];

/// The widget whose chat goes over Direct Line.
pub const AGENT: &str = "healthcare-agent";

/// Who can log in at countersign's own login: Maya, by the password that stands on the page.
const ACCOUNTS: &str = r#"{"username":"maya","subject":"P20417","name":"Maya Lindgren","email":"maya.lindgren@example.org","groups":["patients"],"password":"$argon2id$v=19$m=19456,t=2,p=1$xjjR+uCfU87l8rXQuDSnog$1F3zsuFp9TArbR/mYG7VfDPeI72kZpbYhV7RAe3a638"}"#;

/// How long the double's conversation tokens live: renewal is to be seen by whoever watches for a minute.
const CONVERSATION_TOKEN: Duration = Duration::from_mins(1);

/// What the clinic and the vendor agreed on when the widget was bought.
#[derive(Debug)]
pub struct Secrets {
    medchat: String,
    userinfo: String,
    app: String,
    webchat: String,
    pseudonym: String,
    /// Of the gallery's vendors, in their order.
    pub vendors: Vec<String>,
}

impl Secrets {
    /// Fresh ones; `None` when the system's library makes no key.
    #[must_use]
    pub fn fresh() -> Option<Self> {
        let medchat = BASE64URL_NOPAD.encode(random_bytes::<32>().as_ref());
        let userinfo = signer::generate_pem(crate::jose::algorithm::Algorithm::ES256)?;
        let [app, webchat] = [(); 2].map(|()| BASE64URL_NOPAD.encode(random_bytes::<32>().as_ref()));
        let pseudonym = BASE64URL_NOPAD.encode(random_bytes::<KEY_BYTES>().as_ref());
        let vendors = VENDORS.iter().map(|_| BASE64URL_NOPAD.encode(random_bytes::<32>().as_ref())).collect();
        Some(Self { medchat, userinfo, app, webchat, pseudonym, vendors })
    }
}

/// The settings, with `first` as the widget at the bare route. Lifetimes are short, so that an end can be watched.
#[must_use]
pub fn vars(at: &Addresses, cookie: &str, secrets: &Secrets, first: &str) -> Vec<(String, String)> {
    let mut widgets = WIDGETS.to_vec();
    widgets.sort_by_key(|name| *name != first);
    widgets.extend(VENDORS.iter().map(|vendor| vendor.name));
    let pairs = [
        ("LISTEN", at.clinic.trim_start_matches("http://")),
        ("ADMIN_LISTEN", at.console.trim_start_matches("http://")),
        ("PUBLIC_URL", &format!("{}{MOUNT}", at.clinic)),
        ("SESSION_SOURCES", "login,upstream"),
        ("LOGIN", "accounts"),
        ("LOGIN_BRAND_NAME", "Harbour Clinic"),
        ("LOGIN_BRAND_COLOUR", "#0b5c6b"),
        ("LOGIN_COOKIE", &format!("__Host-{cookie}")),
        ("ACCOUNTS", ACCOUNTS),
        ("SESSION_STORE", "memory"),
        ("UPSTREAM_SESSION_URL", &format!("{}/api/session", at.clinic)),
        ("UPSTREAM_SESSION_COOKIES", cookie),
        ("WIDGETS", &widgets.join(",")),
        ("WIDGET_MEDCHAT_PRESET", "medchat"),
        ("WIDGET_MEDCHAT_SECRET", &secrets.medchat),
        ("WIDGET_MEDCHAT_LIFETIME", "2m"),
        ("WIDGET_USERINFO_PRESET", "userinfo"),
        ("WIDGET_USERINFO_ALGORITHM", "ES256"),
        ("WIDGET_USERINFO_PRIVATE_KEY", &secrets.userinfo),
        ("WIDGET_USERINFO_AUDIENCE", &at.widget_server),
        ("WIDGET_USERINFO_LIFETIME", "1m"),
        ("PSEUDONYM_KEY", &secrets.pseudonym),
        ("WIDGET_HEALTHCARE_AGENT_PRESET", AGENT),
        ("WIDGET_HEALTHCARE_AGENT_APP_SECRET", &secrets.app),
        ("WIDGET_HEALTHCARE_AGENT_WEBCHAT_SECRET", &secrets.webchat),
        ("WIDGET_HEALTHCARE_AGENT_DIRECTLINE_ENDPOINT", &at.direct_line),
        ("WIDGET_HEALTHCARE_AGENT_LIFETIME", "1m"),
        ("TOKEN_ALIASES", &format!("/chatBot={AGENT}")),
        ("AUDIT_LOG", "off"),
    ];
    let own = pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    let vars_of = |(vendor, key): (&Vendor, &String)| vendor.vars(key, &at.widget_server);
    own.chain(VENDORS.iter().zip(&secrets.vendors).flat_map(vars_of)).collect()
}

/// The real service with these settings, its audit records told to the demo's page.
///
/// # Errors
/// [`StartError`], as at any start.
pub fn issuer(vars: &[(String, String)], events: &Events, clock: &Clock) -> Result<App, StartError> {
    let mut settings = Settings::read(Env::new(vars.iter().cloned()))?;
    settings.audit = AuditSettings::to(Some(Box::new(AuditSink(events.clone()))));
    App::new(settings, clock)
}

/// The double of Direct Line, with the agent that the healthcare agent's secrets belong to.
#[must_use]
pub fn direct_line(secrets: &Secrets, events: &Events, clock: &Clock) -> Double {
    Double::new(directline::Settings {
        secrets: vec![secrets.webchat.clone()],
        app_secret: secrets.app.as_str().into(),
        token_life: CONVERSATION_TOKEN,
        events: events.clone(),
        clock: clock.clone(),
    })
}

/// How the vendor's server checks each widget's tokens.
#[must_use]
pub fn checks(at: &Addresses, secrets: &Secrets, events: &Events) -> Vec<Check> {
    let medchat = Check {
        widget: "medchat",
        algorithm: Algorithm::HS256,
        key: Key::Shared(secrets.medchat.clone()),
        issuer: None,
        audience: None,
        id_claim: "external_id",
        named: true,
    };
    let issuer = format!("{}{MOUNT}", at.clinic);
    let keys = Url::parse(&format!("{issuer}/.well-known/jwks.json")).ok();
    let userinfo = keys.map(|url| Check {
        widget: "userinfo",
        algorithm: Algorithm::ES256,
        key: Key::Published(Published::new(url, events.clone())),
        issuer: Some(issuer),
        audience: Some(at.widget_server.clone()),
        id_claim: "sub",
        named: true,
    });
    std::iter::once(medchat).chain(userinfo).collect()
}
