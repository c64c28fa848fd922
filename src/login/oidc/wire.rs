//! Calls to the provider: code against tokens, access token against userinfo.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;
use url::form_urlencoded::Serializer;

use crate::base::availability::PROVIDER;
use crate::base::clock::Clock;
use crate::base::json;
use crate::jose::jwks::discovery::Metadata;
use crate::login::oidc::Failed;
use crate::login::oidc::settings::{Settings, TokenAuth};
use crate::net::basic;
use crate::net::field::media_type;
use crate::net::outbound::{Call, Fault, Limits, Outbound, Reply, Target};

/// A visitor is waiting, but a login that fails costs them more than another second.
const LIMITS: Limits = Limits { deadline: Duration::from_secs(5), ..Limits::DEFAULT };

/// What the provider gave for a code.
#[derive(Debug)]
pub struct Tokens {
    /// Who logged in, unverified.
    pub id_token: SecretString,
    /// For the userinfo endpoint.
    pub access_token: Option<SecretString>,
}

/// Us, at the provider.
pub struct Client {
    id: String,
    secret: SecretString,
    auth: TokenAuth,
    outbound: Outbound,
    clock: Clock,
    targets: Mutex<Vec<(Url, Arc<Target>)>>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Client {
    pub(super) fn new(settings: &Settings, outbound: Outbound, clock: Clock) -> Self {
        Self {
            id: settings.client_id.clone(),
            secret: settings.client_secret.clone(),
            auth: settings.token_auth,
            outbound,
            clock,
            targets: Mutex::default(),
        }
    }

    /// Turns a code into tokens (RFC 6749 section 4.1.3, RFC 7636 section 4.5).
    pub(super) async fn exchange(
        &self,
        metadata: &Metadata,
        code: &SecretString,
        redirect_uri: &str,
        verifier: &str,
    ) -> Result<Tokens, Failed> {
        let endpoint = metadata.endpoint("token_endpoint").ok_or(Failed::Outage("no_token_endpoint"))?;
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code.expose_secret()),
            ("redirect_uri", redirect_uri),
            ("code_verifier", verifier),
        ];
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        if self.uses_header(metadata) {
            headers.insert(AUTHORIZATION, basic::authorization(&self.id, &self.secret));
        } else {
            fields.extend([("client_id", self.id.as_str()), ("client_secret", self.secret.expose_secret())]);
        }
        let body = Bytes::from(Serializer::new(String::new()).extend_pairs(fields).finish());
        let reply = self.call(Call { method: Method::POST, url: endpoint, headers, body }).await?;
        read_tokens(&reply)
    }

    /// Asks who the owner of an access token is (`OpenID` Connect Core 1.0 section 5.3).
    pub(super) async fn userinfo(&self, endpoint: &Url, access: &SecretString) -> Result<UserInfo, Failed> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, application/jwt;q=0.5"));
        headers.insert(AUTHORIZATION, sensitive(&format!("Bearer {}", access.expose_secret()))?);
        let call = Call { method: Method::GET, url: endpoint.clone(), headers, body: Bytes::new() };
        let reply = self.call(call).await?;
        match reply.status {
            StatusCode::OK => read_userinfo(&reply),
            status => Err(of_status(status, "userinfo_refused")),
        }
    }

    /// RFC 8414 section 2: a provider that says nothing takes the header.
    fn uses_header(&self, metadata: &Metadata) -> bool {
        let methods = metadata.list("token_endpoint_auth_methods_supported");
        match self.auth {
            TokenAuth::Basic => true,
            TokenAuth::Post => false,
            TokenAuth::Auto => methods.is_empty() || methods.contains(&"client_secret_basic"),
        }
    }

    async fn call(&self, call: Call) -> Result<Reply, Failed> {
        let target = self.target(&call.url)?;
        target.call(call).await.map_err(|fault| Failed::Outage(word(fault)))
    }

    /// One target per endpoint, so that a broken userinfo endpoint does not stop the token endpoint.
    fn target(&self, url: &Url) -> Result<Arc<Target>, Failed> {
        let mut targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = targets.iter().find(|(known, _)| known == url) {
            return Ok(known.clone());
        }
        let fresh = Target::new(&self.outbound, url, LIMITS, self.clock.clone());
        let fresh = Arc::new(fresh.map_err(|_| Failed::Outage("endpoint_off_limits"))?.watched(PROVIDER));
        // Endpoints change about never; should they, the ones of yesterday are not kept.
        targets.truncate(3);
        targets.insert(0, (url.clone(), fresh.clone()));
        Ok(fresh)
    }
}

/// What the userinfo endpoint answered.
pub(super) enum UserInfo {
    /// Its members.
    Plain(Value),
    /// A signed text, which is still to be checked.
    Signed(Bytes),
}

/// What is JSON is taken as such whatever it is called; what is called JSON, or is none, must be.
fn read_userinfo(reply: &Reply) -> Result<UserInfo, Failed> {
    let parts = reply.body.split(|b| *b == b'.').count();
    if reply.body.starts_with(b"eyJ") && parts == 3 {
        return Ok(UserInfo::Signed(reply.body.clone()));
    }
    let word = if is_json(&reply.headers) { "userinfo_unreadable" } else { "userinfo_not_json" };
    json::unique_object(&reply.body).map(UserInfo::Plain).map_err(|_| Failed::Rejected(word))
}

fn read_tokens(reply: &Reply) -> Result<Tokens, Failed> {
    if reply.status != StatusCode::OK {
        return Err(of_token_error(reply));
    }
    let members = json::unique_object(&reply.body).map_err(|_| Failed::Rejected("token_answer_unreadable"))?;
    let text = |name: &str| members.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    if !text("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("bearer")) {
        return Err(Failed::Rejected("token_type"));
    }
    let id_token = text("id_token").ok_or(Failed::Rejected("no_id_token"))?.into();
    Ok(Tokens { id_token, access_token: text("access_token").map(SecretString::from) })
}

/// A refusal of the code is the visitor's bad luck; a refusal of the client is the operator's business.
fn of_token_error(reply: &Reply) -> Failed {
    let members = json::unique_object(&reply.body).unwrap_or_default();
    let error = members.get("error").and_then(Value::as_str);
    if reply.status == StatusCode::UNAUTHORIZED || matches!(error, Some("invalid_client" | "unauthorized_client")) {
        tracing::error!("the identity provider refuses our client id or secret: check OIDC_CLIENT_SECRET");
        return Failed::Outage("client_refused");
    }
    of_status(reply.status, "code_refused")
}

fn of_status(status: StatusCode, refused: &'static str) -> Failed {
    let busy = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
    if busy { Failed::Outage("provider_error") } else { Failed::Rejected(refused) }
}

fn word(fault: Fault) -> &'static str {
    match fault {
        Fault::Busy | Fault::Strangers { .. } => "provider_busy",
        Fault::Resting { .. } => "provider_resting",
        Fault::Connect => "provider_no_connection",
        Fault::Deadline => "provider_deadline",
        Fault::TooLarge => "provider_too_large",
        Fault::Broken => "provider_broken_answer",
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let media = headers.get(CONTENT_TYPE).map(|value| media_type(value.as_bytes()));
    media.is_some_and(|media| media.eq_ignore_ascii_case(b"application/json"))
}

fn sensitive(text: &str) -> Result<HeaderValue, Failed> {
    let mut value = HeaderValue::try_from(text).map_err(|_| Failed::Rejected("token_unusable"))?;
    value.set_sensitive(true);
    Ok(value)
}
