//! What seals what we hand out or keep elsewhere: session records in the store, logins under way in a cookie.
//!
//! Whoever can write to the store, or plant a cookie, can be nobody by it: what was not sealed here, for exactly this place,
//! is passed over. Every replica must hold the same keys, and so must the next start. `SESSION_STORE_KEY` is such a key;
//! without it one is made of a secret that all replicas share anyway and the store never sees: the client secret at the
//! identity provider, or the hash of the account's own password.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::base::clock::random_bytes;
use crate::base::secret::is_placeholder;
use crate::base::siv::Key;
use crate::config::env::{Env, Var};
use crate::login::accounts::store::AccountStore;
use crate::session::identity::Subject;

crate::settings! {
    pub vars VARS {
        SESSION_STORE_KEY(secret),
            "Secret that session records and logins under way are sealed with, the same on every replica, so that whoever can write to the store can be nobody by it. At least 32 characters. Not set, it is made of OIDC_CLIENT_SECRET, or of the accounts' password hashes. Records that were not sealed with it are passed over: their visitors log in again.";
        SESSION_STORE_KEY_NEXT(secret; after("SESSION_STORE_KEY")),
            "The next SESSION_STORE_KEY, accepted already. To rotate without ending sessions: give every replica the new key here, then the old one as SESSION_STORE_KEY_PREVIOUS, then put the new one into SESSION_STORE_KEY, and remove the old one after LOGIN_SESSION_ABSOLUTE.";
        SESSION_STORE_KEY_PREVIOUS(secret; after("SESSION_STORE_KEY")),
            "The SESSION_STORE_KEY before: what was sealed with it is still accepted.";
    }
}

/// Shortest key.
const LEAST: usize = 32;
/// Characters of the name that a sealed text begins with.
const NAME: usize = 8;
/// What the keys are derived for.
const PURPOSE: &str = "sessions of our own login";

/// The keys: the first seals, all of them open.
pub struct Seals(Vec<Seal>);

struct Seal {
    name: String,
    key: Key,
    /// Whose records it seals, where everybody's have a key of their own.
    owner: Option<Subject>,
}

/// Names only.
impl fmt::Debug for Seals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|seal| &seal.name)).finish()
    }
}

impl Seal {
    fn of(secret: &[u8], owner: Option<Subject>) -> Self {
        let key = Key::derive(secret, PURPOSE);
        Self { name: key.fingerprint(), key, owner }
    }
}

impl Seals {
    /// Reads the keys; `None` when none is set, or after naming what is wrong.
    pub fn read(env: &mut Env) -> Option<Self> {
        let keys = VARS.iter().filter_map(|var| read_key(env, var)).collect::<Vec<_>>();
        for second in [&SESSION_STORE_KEY_NEXT, &SESSION_STORE_KEY_PREVIOUS] {
            if env.is_set(second) && !env.is_set(&SESSION_STORE_KEY) {
                env.mistake_in(second, "is a second key, and SESSION_STORE_KEY is not set");
            }
        }
        (!keys.is_empty())
            .then(|| Self(keys.iter().map(|key| Seal::of(key.expose_secret().as_bytes(), None)).collect()))
    }

    /// A key made of a secret that replicas share.
    #[must_use]
    pub fn derived(secret: &SecretString) -> Self {
        Self(vec![Seal::of(secret.expose_secret().as_bytes(), None)])
    }

    /// A key for each account, made of its password's hash: a password that changes takes its sessions with it.
    #[must_use]
    pub fn of_accounts(accounts: &AccountStore) -> Self {
        let seals = accounts.all_open().map(|(subject, account)| {
            Seal::of(format!("{}\0{}", subject.as_str(), account.credential()).as_bytes(), Some(subject.clone()))
        });
        let seals: Vec<Seal> = seals.collect();
        // With no account there is nothing to seal that anybody will open.
        if seals.is_empty() { Self::of_this_process() } else { Self(seals) }
    }

    /// A key that ends with the process.
    #[must_use]
    pub fn of_this_process() -> Self {
        Self(vec![Seal::of(&random_bytes::<32>(), None)])
    }

    /// Seals a text of this owner for this place: letters, digits, `-` and `_`.
    #[must_use]
    pub fn seal<const N: usize>(&self, owner: Option<&Subject>, place: [&[u8]; N], text: &[u8]) -> String {
        let own = self.0.iter().find(|seal| seal.owner.is_some() && seal.owner.as_ref() == owner);
        let seal = own.or(self.0.first()).map(|seal| (seal.name.as_str(), seal.key.seal(place, text)));
        let (name, sealed) = seal.unwrap_or_default();
        format!("{name}{}", BASE64URL_NOPAD.encode(sealed.as_ref()))
    }

    /// What was sealed for this place; `None` for everything else.
    #[must_use]
    pub fn open<const N: usize>(&self, place: [&[u8]; N], sealed: &str) -> Option<Zeroizing<Vec<u8>>> {
        let (name, sealed) = sealed.split_at_checked(NAME)?;
        let sealed = BASE64URL_NOPAD.decode(sealed.as_ref()).ok()?;
        self.0.iter().filter(|seal| seal.name == name).find_map(|seal| seal.key.open(place, &sealed))
    }
}

fn read_key(env: &mut Env, var: &Var) -> Option<SecretString> {
    if !env.is_set(var) {
        return None;
    }
    let key = env.secret(var)?;
    let length = key.expose_secret().chars().count();
    if length < LEAST {
        env.mistake_in(
            var,
            &format!("has {length} characters; at least {LEAST} are needed. `countersign keygen` makes one"),
        );
        return None;
    }
    if is_placeholder(key.expose_secret()) {
        env.mistake_in(var, "is a placeholder, or the same few characters over and over");
        return None;
    }
    Some(key)
}
