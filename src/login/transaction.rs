//! A login that has begun in one browser and not ended yet (L-2, S-3).
//!
//! It lives in a cookie of that browser and nowhere else, so that nobody can make us remember anything by starting logins.
//! The cookie is sealed: what was not begun here is nothing, whoever planted it, and what it says can be neither read nor
//! changed. What it says is checked again on the way back all the same, because settings change. The store remembers only
//! that a transaction has been used.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use tower_sessions::session::Id;

use crate::base::clock::{UnixTime, random_bytes};
use crate::base::secret;
use crate::login::seal::Seals;
use crate::net::cookies::{self, HOST_PREFIX, OwnCookie, SameSite};
use crate::store::{Down, Key, Store};

/// How long a login may take.
pub const LONGEST: Duration = Duration::from_mins(10);
/// How far the clock of the replica that began it may be ahead of ours.
const SKEW: Duration = Duration::from_secs(30);
/// Most logins under way in one browser. More would fill the request's headers until every server refuses them.
pub const MOST: usize = 4;
/// Characters of the state that name the cookie: enough that two tabs do not meet.
const NAMED_BY: usize = 8;
/// Length of `state`, `nonce` and verifier: 256 random bits as base64url.
const SECRET_LENGTH: usize = 43;

/// One login under way.
#[derive(Clone, Serialize, Deserialize)]
pub struct Transaction {
    /// Binds the answer to this browser: `state` of OAuth, the hidden field of our own form.
    #[serde(rename = "s")]
    pub state: String,
    /// Binds the ID token to this login.
    #[serde(rename = "n")]
    pub nonce: String,
    /// The proof key's secret (RFC 7636).
    #[serde(rename = "v")]
    pub verifier: String,
    /// When it began.
    #[serde(rename = "t")]
    pub began: UnixTime,
    /// Where the visitor wants to go; checked again when it is used.
    #[serde(rename = "r", default, skip_serializing_if = "String::is_empty")]
    pub return_to: String,
    /// The page that opened the login in a window of its own; checked again when it is used.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub opener: Option<String>,
    /// The session this browser had when the login began. The identity provider's redirect comes without its cookie.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
}

/// Redacted: whoever has these can end somebody's login.
impl std::fmt::Debug for Transaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transaction").field("began", &self.began).finish_non_exhaustive()
    }
}

impl Transaction {
    /// Begins a login.
    #[must_use]
    pub fn begin(now: UnixTime) -> Self {
        let secret = || BASE64URL_NOPAD.encode(random_bytes::<32>().as_ref());
        Self {
            state: secret(),
            nonce: secret(),
            verifier: secret(),
            began: now,
            return_to: String::new(),
            opener: None,
            before: None,
        }
    }

    /// The lines that set its cookie, and remove the oldest when there would be too many.
    #[must_use]
    pub fn cookies(&self, headers: &HeaderMap, seals: &Seals) -> Vec<HeaderValue> {
        let mut lines = remove_oldest(headers, seals);
        let text = serde_json::to_vec(self).map(zeroize::Zeroizing::new).unwrap_or_default();
        let sealed = |cookie: OwnCookie| cookie.set(&seals.seal(None, place(cookie.name()), &text), Some(LONGEST));
        lines.extend(cookie(&self.state).map(sealed));
        lines
    }

    /// The line that removes its cookie.
    #[must_use]
    pub fn remove(&self) -> Option<HeaderValue> {
        Some(cookie(&self.state)?.remove())
    }

    /// The login of this state that is under way in the browser that sent these headers.
    #[must_use]
    pub fn of(headers: &HeaderMap, state: &str, seals: &Seals, now: UnixTime) -> Option<Self> {
        let cookie = cookie(state)?;
        let transaction = read(cookie.name(), cookie.value(headers)?, seals)?;
        let young = now.since(transaction.began) < LONGEST && transaction.began <= now.plus(SKEW);
        (young && secret::same(transaction.state.as_bytes(), state.as_bytes())).then_some(transaction)
    }

    /// Uses it up; false when that was done before.
    ///
    /// # Errors
    /// [`Down`].
    pub async fn use_up(&self, store: &Store, now: UnixTime) -> Result<bool, Down> {
        store.first(&Key::of("login", &[&self.state]), now.plus(LONGEST)).await
    }

    /// The session this browser had when the login began.
    #[must_use]
    pub fn session_before(&self) -> Option<Id> {
        self.before.as_ref()?.parse().ok()
    }
}

const NAME: &str = "countersign-login-";

fn cookie(state: &str) -> Option<OwnCookie> {
    let sound = state.len() == SECRET_LENGTH && state.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    let name = format!("{HOST_PREFIX}{NAME}{}", state.get(..NAMED_BY)?);
    sound.then(|| OwnCookie::new(&name, SameSite::Lax)).flatten()
}

/// One cookie's value is worth nothing in another.
fn place(name: &str) -> [&[u8]; 2] {
    [b"login under way", name.as_bytes()]
}

fn read(name: &str, value: impl AsRef<[u8]>, seals: &Seals) -> Option<Transaction> {
    let value = std::str::from_utf8(value.as_ref()).ok()?;
    serde_json::from_slice(&seals.open(place(name), value)?).ok()
}

/// Makes room for one more: the oldest go, and first those that cannot be read.
fn remove_oldest(headers: &HeaderMap, seals: &Seals) -> Vec<HeaderValue> {
    let ours = cookies::pairs(headers).filter(|(name, _)| name.starts_with(&format!("{HOST_PREFIX}{NAME}")));
    let mut ages: Vec<(Option<UnixTime>, &str)> =
        ours.map(|(name, value)| (read(name, value, seals).map(|t| t.began), name)).collect();
    ages.sort_unstable();
    let too_many = (ages.len() + 1).saturating_sub(MOST);
    let oldest = ages.iter().take(too_many).filter_map(|(_, name)| OwnCookie::new(name, SameSite::Lax));
    oldest.map(|cookie| cookie.remove()).collect()
}
