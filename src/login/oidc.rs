//! Login at the organisation's own identity provider: `OpenID` Connect, authorization code with proof key (O-1 to O-6).
//!
//! It speaks to the provider and to nobody else: it makes the address to send the visitor to, and turns what they
//! bring back into somebody who has proved who they are. Cookies, pages and sessions are the front's.

pub mod logout;
pub mod settings;
pub mod wire;

use std::fmt;

use aws_lc_rs::digest;
use data_encoding::BASE64URL_NOPAD;
use secrecy::SecretString;
use serde_json::Value;
use url::Url;

use crate::base::clock::{Clock, UnixTime};
use crate::base::secret;
use crate::jose::jwks::Keys;
use crate::jose::jwks::discovery::{Metadata, Provider};
use crate::jose::jwks::remote::Unavailable;
use crate::jose::jws::Verifier;
use crate::jose::jws::rejected::{Failure, Rejected};
use crate::jose::jws::rules::{Audience, Rules};
use crate::jose::jws::times::SKEW;
use crate::login::oidc::settings::{Ask, Settings};
use crate::login::oidc::wire::{Client, Tokens, UserInfo};
use crate::login::sessions::record::{NewLogin, ProviderSession};
use crate::login::transaction::Transaction;
use crate::net::outbound::Outbound;
use crate::session::mapping::Unmapped;

/// How this login is called in records.
pub const METHOD: &str = "oidc";

/// Attributes of every session, where the provider states them: how somebody proved who they are.
pub const ALWAYS: [&str; 2] = ["acr", "amr"];

/// Longest code or text of an answer that is looked at.
const ANSWER_MAX: usize = 4096;

/// Claims that belong to the ID token itself. What the userinfo endpoint says under these names is not listened to.
const OF_THE_TOKEN: [&str; 14] =
    ["iss", "aud", "exp", "iat", "nbf", "jti", "azp", "nonce", "auth_time", "acr", "amr", "sid", "at_hash", "events"];

/// Why nobody has logged in. Says which step failed, and nothing that somebody else said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failed {
    /// The provider says that the visitor did not want to, or may not.
    Declined(&'static str),
    /// What came back does not hold.
    Rejected(&'static str),
    /// The provider could not be asked.
    Outage(&'static str),
}

impl Failed {
    /// Whether another attempt may end otherwise: this login was too old, too weak or used before. Everything else that is
    /// refused will be refused again, until the operator or the provider mends it.
    #[must_use]
    pub fn is_the_visitors(self) -> bool {
        const AGAIN: [&str; 7] = ["no_code", "code_refused", "nonce", "max_age", "acr", "amr", "expired"];
        AGAIN.contains(&self.reason())
    }

    /// The word for logs and metrics.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Declined(reason) | Self::Rejected(reason) | Self::Outage(reason) => reason,
        }
    }
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Rejected(rejected) => Self::Rejected(rejected.reason()),
            Failure::Unavailable(unavailable) => unavailable.into(),
        }
    }
}

impl From<Unavailable> for Failed {
    fn from(unavailable: Unavailable) -> Self {
        tracing::warn!(reason = unavailable.reason, "the identity provider's documents cannot be had");
        Self::Outage("provider_documents")
    }
}

impl From<Rejected> for Failed {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected.reason())
    }
}

/// What the provider's redirect carried (RFC 6749 section 4.1.2, RFC 9207).
#[derive(Clone, Default)]
pub struct Answer {
    /// The code.
    pub code: Option<String>,
    /// Which login it answers.
    pub state: Option<String>,
    /// Whose answer it is.
    pub issuer: Option<String>,
    /// What went wrong.
    pub error: Option<String>,
}

/// Redacted: a code is as good as a password for a minute.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("code", &self.code.is_some()).finish_non_exhaustive()
    }
}

impl Answer {
    /// Reads a query; `None` when a name stands twice in it, or something is longer than any provider makes it.
    #[must_use]
    pub fn read(query: &str) -> Option<Self> {
        let mut answer = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let slot = match name.as_ref() {
                "code" => &mut answer.code,
                "state" => &mut answer.state,
                "iss" => &mut answer.issuer,
                "error" => &mut answer.error,
                _ => continue,
            };
            if value.len() > ANSWER_MAX || slot.replace(value.into_owned()).is_some() {
                return None;
            }
        }
        Some(answer)
    }
}

/// A client of one identity provider.
#[derive(Debug)]
pub struct Oidc {
    settings: Settings,
    provider: Provider,
    id_tokens: Verifier,
    logout_tokens: Verifier,
    client: Client,
    redirect_uri: String,
    clock: Clock,
}

impl Oidc {
    /// A client of the provider of these settings. Nothing is fetched yet.
    ///
    /// # Errors
    /// A sentence for the operator when the issuer may not be called.
    pub fn new(settings: Settings, base: &str, outbound: &Outbound, clock: &Clock) -> Result<Self, String> {
        let provider = Provider::new(&settings.issuer, outbound, clock.clone())?;
        let (id, trusted) = (settings.client_id.clone(), settings.trusted_audiences.clone());
        let audience = Audience::Client { id, trusted };
        let rules = Rules::new(settings.algorithms.clone(), &settings.issuer, audience);
        let longest = Some(logout::LONGEST);
        let logout_rules = Rules { types: logout::TYPES, max_age: longest, without_exp: longest, ..rules.clone() };
        let keys = Keys::of(provider.clone());
        Ok(Self {
            id_tokens: Verifier::new(rules, keys.clone(), clock.clone()),
            logout_tokens: Verifier::new(logout_rules, keys, clock.clone()),
            client: Client::new(&settings, outbound.clone(), clock.clone()),
            redirect_uri: format!("{base}/login/callback"),
            provider,
            settings,
            clock: clock.clone(),
        })
    }

    /// The redirect address to be registered with the provider.
    #[must_use]
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// Fetches the provider's documents before the first login, for readiness.
    ///
    /// # Errors
    /// [`Failed::Outage`].
    pub async fn warm(&self) -> Result<(), Failed> {
        Ok(self.id_tokens.warm().await?)
    }

    /// Where to send the visitor.
    ///
    /// # Errors
    /// [`Failed::Outage`] when the provider does not say.
    pub async fn begin(&self, transaction: &Transaction) -> Result<Url, Failed> {
        let metadata = self.provider.metadata().await?;
        let endpoint = metadata.endpoint("authorization_endpoint");
        let mut address = endpoint.ok_or(Failed::Outage("no_authorization_endpoint"))?;
        address
            .query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", &self.redirect_uri)
            .append_pair("scope", &self.settings.scopes)
            .append_pair("state", &transaction.state)
            .append_pair("nonce", &transaction.nonce)
            .append_pair("code_challenge", &challenge(&transaction.verifier))
            .append_pair("code_challenge_method", "S256")
            .extend_pairs(self.settings.extra_pairs());
        Ok(address)
    }

    /// Who it is that came back.
    ///
    /// # Errors
    /// [`Failed`].
    pub async fn finish(&self, answer: &Answer, transaction: &Transaction) -> Result<NewLogin, Failed> {
        let metadata = self.provider.metadata().await?;
        self.check_issuer(answer, &metadata)?;
        if let Some(error) = &answer.error {
            return Err(declined(error));
        }
        let code = answer.code.as_ref().filter(|code| !code.is_empty()).ok_or(Failed::Rejected("no_code"))?;
        let code = SecretString::from(code.as_str());
        let tokens = self.client.exchange(&metadata, &code, &self.redirect_uri, &transaction.verifier).await?;
        let verified = self.id_tokens.verify(secrecy::ExposeSecret::expose_secret(&tokens.id_token).as_bytes()).await?;
        let claims = verified.claims;
        check_nonce(&claims, &transaction.nonce)?;
        self.check_strength(&claims)?;
        let authenticated_at = self.check_age(&claims)?;
        let everything = self.with_userinfo(&metadata, claims.clone(), &tokens).await?;
        self.new_login(&claims, &everything, authenticated_at, tokens)
    }

    /// Two providers and one client must not be confused (RFC 9207): whoever says that it names itself must do so.
    fn check_issuer(&self, answer: &Answer, metadata: &Metadata) -> Result<(), Failed> {
        let promised = metadata.flag("authorization_response_iss_parameter_supported");
        match &answer.issuer {
            Some(issuer) if *issuer == self.settings.issuer => Ok(()),
            None if !promised => Ok(()),
            _ => Err(Failed::Rejected("answer_issuer")),
        }
    }

    fn check_strength(&self, claims: &Value) -> Result<(), Failed> {
        let says = |name: &str, wanted: &[String]| match claims.get(name) {
            Some(Value::String(own)) => wanted.contains(own),
            Some(Value::Array(own)) => own.iter().filter_map(Value::as_str).any(|own| wanted.iter().any(|w| w == own)),
            _ => false,
        };
        let Settings { acr, amr, .. } = &self.settings;
        if !acr.is_empty() && !says("acr", acr) {
            return Err(Failed::Rejected("acr"));
        }
        if amr.is_empty() || says("amr", amr) { Ok(()) } else { Err(Failed::Rejected("amr")) }
    }

    /// When the visitor proved who they are: as the provider says, and not too long ago where that matters.
    /// Where it does not matter, a time that cannot be read, or is yet to come, is as good as none.
    fn check_age(&self, claims: &Value) -> Result<UnixTime, Failed> {
        let now = self.clock.now();
        let stated = self.settings.mapping.authenticated_at(claims);
        let stated = stated.map(|time| time.filter(|time| *time <= now.plus(SKEW)));
        let Some(most) = self.settings.max_age else {
            return Ok(stated.ok().flatten().map_or(now, |time| time.min(now)));
        };
        let time = stated.map_err(|_| Failed::Rejected("auth_time"))?.ok_or(Failed::Rejected("max_age"))?;
        if now <= time.plus(most).plus(SKEW) { Ok(time.min(now)) } else { Err(Failed::Rejected("max_age")) }
    }

    /// The ID token's claims, and what the userinfo endpoint adds about the same person (`OpenID` Connect Core 1.0 section
    /// 5.3). Where both say something, the signed word counts.
    async fn with_userinfo(&self, metadata: &Metadata, mut claims: Value, tokens: &Tokens) -> Result<Value, Failed> {
        let endpoint = metadata.endpoint("userinfo_endpoint").filter(|_| self.settings.userinfo == Ask::Auto);
        let (Some(endpoint), Some(access)) = (endpoint, &tokens.access_token) else { return Ok(claims) };
        let more = match self.client.userinfo(&endpoint, access).await? {
            UserInfo::Plain(members) => members,
            UserInfo::Signed(text) => self.signed_userinfo(&text).await?,
        };
        let same = more.get("sub").and_then(Value::as_str).is_some_and(|sub| claims.get("sub") == Some(&sub.into()));
        if !same {
            return Err(Failed::Rejected("userinfo_subject"));
        }
        if let (Value::Object(claims), Value::Object(more)) = (&mut claims, more) {
            for (name, value) in more.into_iter().filter(|(name, _)| !OF_THE_TOKEN.contains(&name.as_str())) {
                claims.entry(name).or_insert(value);
            }
        }
        Ok(claims)
    }

    /// Section 5.3.2: signed, it should say by whom and for whom; where it does, that must be them and us.
    async fn signed_userinfo(&self, text: &[u8]) -> Result<Value, Failed> {
        let members = self.id_tokens.statement(text).await?;
        let issuer = members.get("iss").is_none_or(|issuer| issuer.as_str() == Some(&self.settings.issuer));
        let audience = Audience::Includes(vec![self.settings.client_id.clone()]);
        let ours = members.get("aud").is_none_or(|_| audience.check(&members).is_ok());
        if issuer && ours { Ok(members) } else { Err(Failed::Rejected("userinfo_of_another")) }
    }

    fn new_login(
        &self,
        claims: &Value,
        everything: &Value,
        authenticated_at: UnixTime,
        tokens: Tokens,
    ) -> Result<NewLogin, Failed> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let subject = text("sub").filter(|sub| sub.len() <= 255).ok_or(Rejected::Subject)?.to_owned();
        let session = text("sid").map(str::to_owned);
        let mapped = self.settings.mapping.apply(everything).map_err(unmapped)?;
        let mut identity = mapped.identity;
        for name in ALWAYS {
            let stated = claims.get(name).filter(|value| value.to_string().len() <= 1024).cloned();
            identity.attributes.extend(stated.map(|value| (name.to_owned(), value)));
        }
        let issuer = self.settings.issuer.clone();
        let provider = ProviderSession { issuer, subject, session, id_token: tokens.id_token };
        Ok(NewLogin {
            identity,
            method: METHOD,
            authenticated_at,
            ends_at: mapped.expires_at,
            provider: Some(provider),
        })
    }
}

/// Who logs in cannot be read from what the provider says: the operator learns which setting to look at.
fn unmapped(unmapped: Unmapped) -> Failed {
    match unmapped {
        Unmapped::Nobody(nobody) => {
            tracing::error!(reason = "subject", "the identity provider's answer names nobody: {nobody}");
            Failed::Rejected("subject")
        }
        Unmapped::Misfit(misfit) => {
            tracing::error!(reason = "misfit", "the identity provider's answer cannot be read: {misfit}");
            Failed::Rejected("misfit")
        }
    }
}

/// RFC 7636 section 4.2.
fn challenge(verifier: &str) -> String {
    BASE64URL_NOPAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()).as_ref())
}

fn check_nonce(claims: &Value, nonce: &str) -> Result<(), Failed> {
    let sent = claims.get("nonce").and_then(Value::as_str).unwrap_or_default();
    if secret::same(sent.as_bytes(), nonce.as_bytes()) { Ok(()) } else { Err(Failed::Rejected("nonce")) }
}

/// The provider's error in a word of ours: its own text goes nowhere.
fn declined(error: &str) -> Failed {
    match error {
        "access_denied" => Failed::Declined("access_denied"),
        "login_required" | "interaction_required" | "account_selection_required" | "consent_required" => {
            Failed::Declined("interaction_required")
        }
        "unmet_authentication_requirements" => Failed::Declined("acr"),
        "server_error" | "temporarily_unavailable" => Failed::Outage("provider_error"),
        _ => Failed::Rejected("provider_refused"),
    }
}
