//! Why a source found nobody, for the operator: a word for metrics and records, and a sentence for the log. Neither holds a
//! name, a token, a cookie's value or what an endpoint said; the page learns nothing of it.

use std::fmt;

/// Why a source found nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Nobody {
    /// The request carries nothing that the source looks at: an anonymous visitor.
    #[error("the request carries no {0}")]
    Nothing(Credential),
    /// The cookie is there and cannot be what the host makes.
    #[error("the cookie {0} is none that was made here")]
    BadCookie(String),
    /// Identity headers without the header that proves who wrote them.
    #[error("identity headers without {0}: does the proxy add it, and is this listener reached past the proxy?")]
    ProofMissing(String),
    /// Identity headers with another proof.
    #[error("identity headers with a wrong {0}: does the proxy hold the same secret?")]
    ProofWrong(String),
    /// Identity headers from a peer that is no proxy of ours.
    #[error("identity headers from a peer that is not in TRUSTED_PROXIES")]
    ProofPeer,
    /// The header that says who somebody is cannot be read.
    #[error("the header {header} {why}")]
    Unreadable {
        /// Which.
        header: String,
        /// What is wrong, to be read after its name.
        why: &'static str,
    },
    /// The endpoint says that nobody is logged in.
    #[error("the endpoint answered {status}{}", location.as_deref().map(|host| format!(" to {host}")).unwrap_or_default())]
    SaidNo {
        /// Its status.
        status: u16,
        /// The host that a redirect leads to.
        location: Option<String>,
    },
    /// The endpoint's answer is empty, which is how some say that nobody is logged in.
    #[error("the endpoint's answer names nobody: it is {0}")]
    Anonymous(&'static str),
    /// Nothing stands where the setting says that the visitor's id stands, or nothing that can be one.
    #[error("{setting}: {why}{pointer}")]
    NoSubject {
        /// The setting.
        setting: &'static str,
        /// Where it looked.
        pointer: String,
        /// What is wrong there, to be read before the pointer.
        why: &'static str,
    },
    /// There is no such session.
    #[error("there is no such session: it has ended or never was")]
    UnknownSession,
    /// The session's own end has come.
    #[error("the session has ended")]
    Expired,
    /// It was ended for its subject, and nothing says that it began after that.
    #[error("everything of this subject was revoked")]
    Revoked,
    /// The record was not written by us.
    #[error("the session's record is not sealed with SESSION_STORE_KEY, or with what stands in for it")]
    NotSealed,
    /// What the session stood on has changed.
    #[error("{why}")]
    Fallen {
        /// The word.
        reason: &'static str,
        /// The sentence.
        why: String,
    },
    /// A token is not believed.
    #[error("the token was refused: {why}")]
    Token {
        /// The step it failed.
        reason: &'static str,
        /// The step in a sentence.
        why: String,
    },
    /// Two sources say different things.
    #[error("{one} and {other} differ about who the visitor is")]
    Differ {
        /// The first.
        one: &'static str,
        /// The other.
        other: &'static str,
    },
}

/// What a request can carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// One of these cookies.
    Cookie(String),
    /// This header.
    Header(String),
}

impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cookie(names) => write!(f, "cookie {names}"),
            Self::Header(name) => write!(f, "header {name}"),
        }
    }
}

impl Nobody {
    /// A cookie is missing.
    #[must_use]
    pub fn no_cookie(names: &str) -> Self {
        Self::Nothing(Credential::Cookie(names.to_owned()))
    }

    /// A header is missing.
    #[must_use]
    pub fn no_header(name: &impl ToString) -> Self {
        Self::Nothing(Credential::Header(name.to_string()))
    }

    /// Whether there was nothing to judge: an anonymous visitor, and nothing that anybody has to look into.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        matches!(self, Self::Nothing(_))
    }

    /// Whether it is what happens to people every day, and nothing that anybody has to look into.
    #[must_use]
    pub fn is_ordinary(&self) -> bool {
        matches!(
            self,
            Self::Nothing(_) | Self::SaidNo { .. } | Self::Anonymous(_) | Self::UnknownSession | Self::Expired
        )
    }

    /// The word for logs, metrics and records. These words do not change.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Nothing(Credential::Cookie(_)) => "no_cookie",
            Self::Nothing(Credential::Header(_)) => "no_session",
            Self::BadCookie(_) => "bad_cookie",
            Self::ProofMissing(_) => "proof_missing",
            Self::ProofWrong(_) => "proof_wrong",
            Self::ProofPeer => "proof_peer",
            Self::Unreadable { .. } => "identity_unreadable",
            Self::SaidNo { .. } => "endpoint_said_no",
            Self::Anonymous(_) => "anonymous_answer",
            Self::NoSubject { .. } => "no_subject",
            Self::UnknownSession => "unknown_session",
            Self::Expired => "session_expired",
            Self::Revoked => "revoked",
            Self::NotSealed => "record_not_sealed",
            Self::Fallen { reason, .. } | Self::Token { reason, .. } => reason,
            Self::Differ { .. } => "sources_differ",
        }
    }
}
