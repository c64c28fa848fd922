//! Why a token is not believed: one word per step, and never a word out of the token.

use crate::jose::jwks::NoKey;
use crate::jose::jwks::key::NoMatch;
use crate::jose::jwks::remote::Unavailable;
use crate::session::Unfound;
use crate::session::nobody::Nobody;

/// Why a token is not believed. Says which step it failed, and nothing that stands in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Rejected {
    /// Longer than [`TOKEN_MAX`](super::compact::TOKEN_MAX).
    #[error("the token is too long")]
    TooLarge,
    /// The header field that carries it came more than once.
    #[error("more than one token was sent")]
    Several,
    /// Not three parts of base64url.
    #[error("the token is not in compact serialization")]
    Malformed,
    /// It is encrypted, and cannot be opened with the key that is here.
    #[error("it is encrypted, and the key that is here does not open it")]
    Sealed,
    /// The protected header is not a JSON object, or its members are of the wrong type.
    #[error("the protected header cannot be read")]
    Header,
    /// A name stands twice in one object of the protected header or of the claims.
    #[error("a name stands twice")]
    Duplicate,
    /// `alg` is missing or not one of this producer's.
    #[error("alg is missing or not one of this producer's")]
    Algorithm,
    /// `typ` or `cty` says that this is another kind of token.
    #[error("typ, cty, token_use or token_type says that it is another kind of token")]
    Type,
    /// `crit` or `zip` asks for something that is not done here.
    #[error("crit or zip asks for an extension")]
    Extension,
    /// Signed for somebody else: the producer's own mark of whom it signs for is missing or another's.
    #[error("signed for somebody else")]
    Signer,
    /// No key answers to its `kid` with its `alg`.
    #[error("no key answers to its kid with its alg")]
    UnknownKey,
    /// Several keys do.
    #[error("several keys fit its kid and alg")]
    AmbiguousKey,
    /// The signature does not hold.
    #[error("the signature does not hold")]
    Signature,
    /// The claims are not a JSON object.
    #[error("the claims cannot be read")]
    Claims,
    /// `iss` is missing or another's.
    #[error("iss is missing or names another issuer")]
    Issuer,
    /// `aud` is missing, malformed, or does not mean us.
    #[error("aud is missing or does not name us")]
    Audience,
    /// Issued to a client that is not one of those accepted.
    #[error("azp, client_id or appid names another client, or is missing")]
    Client,
    /// A time is missing where one is required, or is no time.
    #[error("exp, nbf, iat or auth_time is missing where it is required, or is no time")]
    Time,
    /// `exp` has passed.
    #[error("exp has passed")]
    Expired,
    /// `nbf` or `iat` is still to come.
    #[error("nbf or iat is still to come")]
    Early,
    /// Issued too long ago.
    #[error("iat is too long ago")]
    TooOld,
    /// A claim that must have a certain value has not.
    #[error("a claim or a scope that is required is missing or has another value")]
    Requirement,
    /// Bound to a key that its sender has not shown (`cnf`, RFC 7800).
    #[error("cnf binds it to a key that its sender has not shown")]
    Bound,
    /// The authorization server says that it is worth nothing.
    #[error("the authorization server says that it is not active")]
    Inactive,
    /// It names nobody, or in a way that cannot be a subject.
    #[error("it names nobody")]
    Subject,
}

impl Rejected {
    /// Whether the signature holds, and what was signed does not.
    #[must_use]
    pub fn is_of_signed(self) -> bool {
        matches!(
            self,
            Self::Issuer
                | Self::Audience
                | Self::Time
                | Self::Expired
                | Self::Early
                | Self::TooOld
                | Self::Requirement
                | Self::Subject
        )
    }

    /// The reason in one word, for logs and metrics. These words do not change.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::Several => "several",
            Self::Malformed => "malformed",
            Self::Sealed => "encryption",
            Self::Header => "header",
            Self::Duplicate => "duplicate_member",
            Self::Algorithm => "algorithm",
            Self::Type => "token_type",
            Self::Extension => "extension",
            Self::Signer => "signer",
            Self::UnknownKey => "unknown_key",
            Self::AmbiguousKey => "ambiguous_key",
            Self::Signature => "signature",
            Self::Claims => "claims",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Client => "client",
            Self::Time => "time",
            Self::Expired => "expired",
            Self::Early => "early",
            Self::TooOld => "too_old",
            Self::Requirement => "requirement",
            Self::Bound => "bound",
            Self::Inactive => "inactive",
            Self::Subject => "subject",
        }
    }
}

/// Why there is nothing verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The token is not believed.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// It could not be found out whether to believe it.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl From<NoKey> for Failure {
    fn from(none: NoKey) -> Self {
        match none {
            NoKey::NoMatch(NoMatch::Unknown) => Rejected::UnknownKey.into(),
            NoKey::NoMatch(NoMatch::Ambiguous) => Rejected::AmbiguousKey.into(),
            NoKey::Unavailable(unavailable) => unavailable.into(),
        }
    }
}

impl Failure {
    /// What a session source has to say of it: nobody, or an outage.
    #[must_use]
    pub fn of(self, source_name: &'static str) -> Unfound {
        match self {
            Self::Rejected(rejected) => Nobody::Token { reason: rejected.reason(), why: rejected.to_string() }.into(),
            Self::Unavailable(unavailable) => unavailable.outage(source_name).into(),
        }
    }
}
