//! Who can sign in at the clinic, and what the clinic remembers of somebody who has.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tower_sessions::Session;
use tower_sessions::session::Error;

use crate::base::clock::{Clock, UnixTime};
use crate::base::secret;

/// How long somebody stays signed in.
pub const SESSION: Duration = Duration::from_mins(30);

/// Somebody who can sign in. The passwords stand on the page.
#[derive(Debug, Serialize)]
pub struct Patient {
    /// What is typed to sign in.
    pub login: &'static str,
    /// The password.
    pub password: &'static str,
    /// The clinic's own id.
    pub number: &'static str,
    /// Display name.
    pub name: &'static str,
    /// E-mail address.
    pub email: &'static str,
    /// Whether the clinic has verified it.
    pub email_verified: bool,
    /// Groups.
    pub groups: &'static [&'static str],
    /// Language tag.
    pub locale: &'static str,
    /// The next appointment, for the page.
    pub appointment: &'static str,
}

/// Everybody there is.
pub const PATIENTS: [Patient; 2] = [
    Patient {
        login: "maya",
        password: "harbour-light",
        number: "P20417",
        name: "Maya Lindgren",
        email: "maya.lindgren@example.org",
        email_verified: true,
        groups: &["patients"],
        locale: "en-IE",
        appointment: "Tuesday, 10:40, Cardiology",
    },
    Patient {
        login: "zoe",
        password: "tall-ship",
        number: "P31188",
        name: "Zoë Okafor",
        email: "zoe@example.net",
        email_verified: false,
        groups: &["patients", "physio"],
        locale: "fr-BE",
        appointment: "Thursday, 14:15, Physiotherapy",
    },
];

impl Patient {
    /// The patient of this name and password.
    #[must_use]
    pub fn with(login: &str, password: &str) -> Option<&'static Self> {
        let fits = |p: &&Self| p.login == login && secret::same(p.password.as_bytes(), password.as_bytes());
        PATIENTS.iter().find(fits)
    }
}

/// What the session store holds of a visitor, under one key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SignedIn {
    number: String,
    since: UnixTime,
    until: UnixTime,
}

impl SignedIn {
    const KEY: &'static str = "visitor";

    /// Signs a patient in for this long.
    ///
    /// # Errors
    /// The store's.
    pub async fn begin(session: &Session, patient: &Patient, clock: &Clock, span: Duration) -> Result<(), Error> {
        let since = clock.now();
        let visitor = Self { number: patient.number.to_owned(), since, until: since.plus(span) };
        session.insert(Self::KEY, visitor).await
    }

    /// Who holds this session, if it still runs.
    pub async fn of(session: &Session, clock: &Clock) -> Option<(Self, &'static Patient)> {
        let found = session.get::<Self>(Self::KEY).await.ok().flatten();
        let found = found.filter(|visitor| clock.now() < visitor.until)?;
        let patient = PATIENTS.iter().find(|patient| patient.number == found.number)?;
        Some((found, patient))
    }

    /// What the clinic's session endpoint says.
    #[must_use]
    pub fn describe(&self, patient: &Patient) -> Value {
        json!({
            "sub": patient.number, "name": patient.name, "email": patient.email,
            "email_verified": patient.email_verified, "groups": patient.groups, "locale": patient.locale,
            "auth_time": self.since, "exp": self.until,
        })
    }
}
