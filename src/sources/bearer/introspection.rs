//! OAuth 2.0 Token Introspection (RFC 7662): asking the authorization server what an opaque token is worth.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use moka::sync::Cache;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};

use crate::base::clock::{Clock, random_bytes};
use crate::base::json;
use crate::jose::jwks::remote::Unavailable;
use crate::net::outbound::{Call, Limits, Outbound, Reply, Target, retry_after};

/// Longest time a good answer may be remembered: within it a revoked token still counts (CA-3).
pub(super) const CACHE_MAX: Duration = Duration::from_secs(30);
/// Longest time a bad answer is remembered.
const CACHE_BAD: Duration = Duration::from_secs(2);
/// Most answers that are remembered.
const CACHED: u64 = 10_000;

/// Where to ask, and as whom.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) url: Url,
    pub(super) client_id: String,
    pub(super) client_secret: SecretString,
    /// How long a good answer is remembered; zero is not at all.
    pub(super) cache: Duration,
}

/// What the server says of a token: its claims, or that it is worth nothing.
type Verdict = Option<Value>;

/// Asks one authorization server.
pub(super) struct Introspection {
    url: Url,
    target: Target,
    authorization: HeaderValue,
    clock: Clock,
    cache: Duration,
    verdicts: Cache<[u8; 32], (Verdict, Duration)>,
    salt: [u8; 32],
}

impl fmt::Debug for Introspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspection").field("url", &self.url.as_str()).finish_non_exhaustive()
    }
}

impl Introspection {
    /// Puts the asker together.
    ///
    /// # Errors
    /// A sentence for the operator when the endpoint may not be called.
    pub(super) fn new(endpoint: &Endpoint, outbound: &Outbound, clock: Clock) -> Result<Self, String> {
        let target = Target::new(outbound, &endpoint.url, Limits::DEFAULT, clock.clone())?;
        let authorization = basic(&endpoint.client_id, &endpoint.client_secret)?;
        let (url, cache) = (endpoint.url.clone(), endpoint.cache);
        let verdicts = Cache::new(CACHED);
        Ok(Self { url, target, authorization, clock, cache, verdicts, salt: random_bytes() })
    }

    /// What the server says of this token, now or a moment ago. Whoever asks checks the claims anew every time (CA-1).
    ///
    /// # Errors
    /// [`Unavailable`] when the server cannot be asked or does not make sense.
    pub(super) async fn ask(&self, token: &[u8]) -> Result<Verdict, Unavailable> {
        if self.cache.is_zero() {
            return self.call(token).await;
        }
        let name = self.name_of(token);
        let remembered = self.verdicts.get(&name);
        if let Some((verdict, _)) = remembered.filter(|(_, until)| self.clock.monotonic() < *until) {
            return Ok(verdict);
        }
        let verdict = self.call(token).await?;
        let span = if verdict.is_some() { self.cache } else { self.cache.min(CACHE_BAD) };
        self.verdicts.insert(name, (verdict.clone(), self.clock.monotonic() + span));
        Ok(verdict)
    }

    /// What a token is remembered by: not the token, and nothing that could be computed from one outside this process. The
    /// memory belongs to this endpoint and these credentials alone (CA-2).
    fn name_of(&self, token: &[u8]) -> [u8; 32] {
        let mut hash = Context::new(&SHA256);
        hash.update(&self.salt);
        hash.update(token);
        let mut name = [0; 32];
        name.copy_from_slice(hash.finish().as_ref());
        name
    }

    async fn call(&self, token: &[u8]) -> Result<Verdict, Unavailable> {
        let token = std::str::from_utf8(token).unwrap_or_default();
        let body = Serializer::new(String::new())
            .append_pair("token", token)
            .append_pair("token_type_hint", "access_token")
            .finish();
        let headers = HeaderMap::from_iter([
            (header::ACCEPT, HeaderValue::from_static("application/json")),
            (header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded")),
            (header::AUTHORIZATION, self.authorization.clone()),
        ]);
        let call = Call { method: Method::POST, url: self.url.clone(), headers, body: Bytes::from(body) };
        let reply = self.target.call(call).await?;
        self.understand(&reply)
    }

    /// Every answer that is not plainly yes or no is an outage: a server in trouble must not log people out (C-3).
    fn understand(&self, reply: &Reply) -> Result<Verdict, Unavailable> {
        match reply.status {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(Unavailable::because("credentials_refused"));
            }
            _ => {
                let retry_after = retry_after(&reply.headers, &self.clock);
                let failure = Unavailable::because("error_status");
                return Err(Unavailable { retry_after, ..failure });
            }
        }
        let senseless = Unavailable::because("senseless_answer");
        let claims = json::unique_object(&reply.body).map_err(|_| senseless)?;
        match claims.get("active") {
            Some(Value::Bool(true)) => Ok(Some(claims)),
            Some(Value::Bool(false)) => Ok(None),
            _ => Err(senseless),
        }
    }
}

/// Client credentials for HTTP Basic: each form-encoded first (RFC 6749 section 2.3.1).
fn basic(id: &str, secret: &SecretString) -> Result<HeaderValue, String> {
    let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let pair = SecretString::from(format!("{}:{}", encode(id), encode(secret.expose_secret())));
    let field = format!("Basic {}", STANDARD.encode(pair.expose_secret()));
    let mut value = HeaderValue::try_from(field).map_err(|_| "the client's credentials fit no header".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}
