//! Who may have a widget's token, besides being logged in.

use std::time::Duration;

use crate::base::clock::UnixTime;
use crate::config::env::Env;
use crate::config::read::names;
use crate::session::Session;
use crate::session::identity::{Identity, Subject, email_domain};

crate::settings! {
    pub vars VARS {
        WIDGET_REQUIRED_GROUPS("", "patients,staff"),
            "Only visitors in at least one of these groups get a token. Compared exactly.";
        WIDGET_REQUIRE_VERIFIED_EMAIL("false", "true"),
            "Only visitors whose e-mail address the host says it has verified get a token.";
        WIDGET_EMAIL_DOMAINS("", "example.org"),
            "Only visitors with a verified e-mail address in exactly one of these domains get a token.";
        WIDGET_MAX_SESSION_AGE("", "12h"),
            "Only visitors who logged in at most this long ago get a token; sources that do not report when are refused.";
    }
}

/// The rules of one widget. All that are set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// Any one of these groups.
    pub groups: Vec<String>,
    /// The e-mail address is verified.
    pub verified_email: bool,
    /// Any one of these domains, lower-case.
    pub email_domains: Vec<String>,
    /// The login is at most this old.
    pub max_session_age: Option<Duration>,
}

/// The rule a visitor does not meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// In none of the required groups.
    #[error("group")]
    Group,
    /// The e-mail address is absent or not verified.
    #[error("email_unverified")]
    EmailUnverified,
    /// The e-mail address is in none of the domains.
    #[error("email_domain")]
    EmailDomain,
    /// The login is too old, or its age is not known.
    #[error("session_age")]
    SessionAge,
}

/// How far the host's clock may be ahead of ours.
const CLOCKS_APART: Duration = Duration::from_secs(30);

impl Policy {
    /// Reads the rules of the widget being read, and proves of each that it refuses somebody.
    pub fn read(env: &mut Env) -> Self {
        let domains: Vec<String> = env.list(&WIDGET_EMAIL_DOMAINS);
        if domains.iter().any(|d| d.contains('@') || d.contains('*') || !d.contains('.')) {
            env.mistake_in(&WIDGET_EMAIL_DOMAINS, "takes plain domains such as example.org");
        }
        let policy = Self {
            groups: names(env, &WIDGET_REQUIRED_GROUPS).unwrap_or_default(),
            verified_email: env.flag(&WIDGET_REQUIRE_VERIFIED_EMAIL),
            email_domains: domains.iter().map(|d| d.to_ascii_lowercase()).collect(),
            max_session_age: env.duration(&WIDGET_MAX_SESSION_AGE),
        };
        if !policy.refuses_the_unknown() {
            env.mistake_in(&WIDGET_REQUIRED_GROUPS, "the configured rules refuse nobody, so they are not in force");
        }
        policy
    }

    /// Whether this session meets every rule at `now`.
    ///
    /// # Errors
    /// The first rule it does not meet.
    pub fn check(&self, session: &Session, now: UnixTime) -> Result<(), Denied> {
        let identity = &session.identity;
        let verified = identity.email_verified == Some(true) && identity.email.is_some();
        let rules = [
            (self.groups.is_empty() || identity.groups.iter().any(|g| self.groups.contains(g)), Denied::Group),
            (verified || !self.verified_email && self.email_domains.is_empty(), Denied::EmailUnverified),
            (self.email_domains.is_empty() || self.is_in_domain(identity), Denied::EmailDomain),
            (self.is_recent(session, now), Denied::SessionAge),
        ];
        rules.into_iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, denied)| Err(denied))
    }

    fn is_in_domain(&self, identity: &Identity) -> bool {
        let domain = identity.email.as_deref().and_then(email_domain);
        domain.is_some_and(|domain| self.email_domains.contains(&domain))
    }

    fn is_recent(&self, session: &Session, now: UnixTime) -> bool {
        let Some(most) = self.max_session_age else { return true };
        // A login that is yet to come is none that was lately.
        session.authenticated_at.is_some_and(|at| at <= now.plus(CLOCKS_APART) && now.since(at) <= most)
    }

    /// Exercises every configured rule on a visitor of whom nothing is known (AZ-1): a rule that lets this one through
    /// is not a rule.
    fn refuses_the_unknown(&self) -> bool {
        let Ok(subject) = Subject::new("anybody") else { return false };
        let anybody = Session::of(Identity::new(subject), "self-check");
        let alone = [
            Self { groups: self.groups.clone(), ..Self::default() },
            Self { verified_email: self.verified_email, ..Self::default() },
            Self { email_domains: self.email_domains.clone(), ..Self::default() },
            Self { max_session_age: self.max_session_age, ..Self::default() },
        ];
        alone.iter().filter(|rule| **rule != Self::default()).all(|rule| rule.check(&anybody, UnixTime(0)).is_err())
    }
}
