//! OAuth 2.0 Token Introspection (RFC 7662): asking the authorization server what an opaque token is worth.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use secrecy::SecretString;
use serde_json::Value;
use url::Url;
use url::form_urlencoded::Serializer;

use crate::base::availability::INTROSPECTION;
use crate::base::clock::Clock;
use crate::base::json;
use crate::jose::jwks::remote::Unavailable;
use crate::net::basic;
use crate::net::outbound::{Call, Limits, Outbound, Reply, Target, Visitor, retry_after};
use crate::net::verdicts::Verdicts;

/// Where to ask, and as whom.
#[derive(Debug, Clone)]
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
    verdicts: Option<Verdicts<Verdict>>,
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
        let target = Target::new(outbound, &endpoint.url, Limits::DEFAULT, clock.clone())?.watched(INTROSPECTION);
        let authorization = basic::authorization(&endpoint.client_id, &endpoint.client_secret);
        let verdicts = (!endpoint.cache.is_zero()).then(|| Verdicts::new(endpoint.cache, clock.clone()));
        Ok(Self { url: endpoint.url.clone(), target, authorization, clock, verdicts })
    }

    /// What the server says of this token, now or a moment ago. Whoever asks checks the claims anew every time (CA-1).
    ///
    /// # Errors
    /// [`Unavailable`] when the server cannot be asked or does not make sense.
    pub(super) async fn ask(&self, token: &[u8], address: Option<IpAddr>) -> Result<Verdict, Unavailable> {
        let visitor = Visitor { credential: token, address };
        let Some(verdicts) = &self.verdicts else { return self.call(visitor).await };
        let name = verdicts.key(token);
        if let Some(verdict) = verdicts.get(&name) {
            return Ok(verdict);
        }
        let verdict = self.call(visitor).await?;
        verdicts.put(name, verdict.clone(), verdict.is_some());
        Ok(verdict)
    }

    async fn call(&self, visitor: Visitor<'_>) -> Result<Verdict, Unavailable> {
        let body = Serializer::new(String::new())
            .append_pair("token", std::str::from_utf8(visitor.credential).unwrap_or_default())
            .append_pair("token_type_hint", "access_token")
            .finish();
        let headers = HeaderMap::from_iter([
            (header::ACCEPT, HeaderValue::from_static("application/json")),
            (header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded")),
            (header::AUTHORIZATION, self.authorization.clone()),
        ]);
        let call = Call { method: Method::POST, url: self.url.clone(), headers, body: Bytes::from(body) };
        let verdict = self.understand(&self.target.call_for(call, visitor).await?)?;
        if verdict.is_some() {
            self.target.know(visitor);
        }
        Ok(verdict)
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
