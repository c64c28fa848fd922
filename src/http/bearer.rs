//! Callers that are no browsers and show a secret of their own: the widget's server, and whoever revokes.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use secrecy::{ExposeSecret as _, SecretString};

use crate::base::secret;
use crate::config::env::{Env, Var};
use crate::config::read::header_secret;
use crate::jose::jws::compact::{bearer, sole_field};

/// The secrets that one endpoint accepts as a bearer token (RFC 6750 section 2.1): two while one is replaced.
#[derive(Debug, Clone)]
pub struct BearerSecrets(Vec<SecretString>);

impl BearerSecrets {
    /// Reads the secret and the one that follows it; `None` when the endpoint is off, or after naming what is wrong.
    pub fn read(env: &mut Env, now: &Var, next: &Var) -> Option<Self> {
        if !env.is_set(now) && env.is_set(next) {
            env.mistake_in(next, &format!("is set without {}", now.name));
        }
        let secrets: Vec<SecretString> = [now, next].into_iter().filter_map(|var| header_secret(env, var)).collect();
        (!secrets.is_empty()).then_some(Self(secrets))
    }

    /// Whether a request shows one of them. The time it takes tells nothing of which, or of how much was right.
    ///
    /// # Errors
    /// The word for the log; the caller is not told.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), &'static str> {
        let field = sole_field(headers, &AUTHORIZATION).map_err(|_| "credential_several")?;
        let shown = field.and_then(bearer).filter(|shown| !shown.is_empty()).ok_or("credential_missing")?;
        let same = |any, known: &SecretString| any | secret::same(known.expose_secret().as_bytes(), shown);
        self.0.iter().fold(false, same).then_some(()).ok_or("credential_wrong")
    }
}
