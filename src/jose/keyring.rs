//! The keys of one widget: the one that signs, and the public halves that verifiers should know.
//!
//! Reading a key is where its encoding, its strength and its fitness for the algorithm are checked, so that a weak or
//! mistyped secret stops the start and never a request.

use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde_json::{Value, json};

use crate::base::clock::UnixTime;
use crate::base::moment;
use crate::base::secret::{Encoding, fingerprint};
use crate::config::env::{Env, Var};
use crate::jose::algorithm::Algorithm;
use crate::jose::jwks::key::{Key, KeySet};
use crate::jose::pem;
use crate::jose::signer::{HeaderOptions, Signer};

crate::settings! {
    pub vars VARS {
        WIDGET_SECRET(secret),
            "The secret shared with the chat vendor (HS256, HS384, HS512), as the vendor's console shows it.";
        WIDGET_SECRET_NEXT(secret; after("WIDGET_SECRET")),
            "The secret that signs from WIDGET_SECRET_NEXT_AT on, without a reload: for vendors that know one secret, which changes at one moment.";
        WIDGET_SECRET_NEXT_AT("", "2026-12-01T03:00:00Z"; after("WIDGET_SECRET")),
            "When WIDGET_SECRET_NEXT takes over (activates_at): RFC 3339, or seconds since 1970. The moment at which the vendor's console is switched.";
        WIDGET_APP_SECRET(secret; or(&["APP_SECRET", "AUTH_JWT_SECRET", "END_USER_AUTH_JWT_SECRET"])),
            "`healthcare-agent`: the service's app_secret, as its Integration > Secrets page shows it.";
        WIDGET_SECRET_ENCODING("", "base64url"),
            "How the secret's text becomes key bytes: utf8, base64, base64url, hex. Each preset knows its vendor's; `custom` and `userinfo` default to utf8.";
        WIDGET_PRIVATE_KEY(secret),
            "PEM private key for RS*, PS*, ES* and EdDSA. Best given as WIDGET_PRIVATE_KEY_FILE.";
        WIDGET_PRIVATE_KEY_NEXT(secret; after("WIDGET_PRIVATE_KEY")),
            "PEM private key that will sign after the next rotation: published in the key set, never used to sign.";
        WIDGET_PRIVATE_KEY_PREVIOUS(secret; after("WIDGET_PRIVATE_KEY")),
            "PEM private key that signed before the last rotation: stays published until its last token has ended.";
        WIDGET_ALGORITHM("", "ES256"),
            "Signature algorithm, where the preset leaves a choice: HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, ES256, ES384, EdDSA.";
        WIDGET_KEY_ID("", "app_5f1c"),
            "`kid` in the token's header, where the vendor names its secrets. Asymmetric keys carry their RFC 7638 thumbprint unless this is set.";
        WIDGET_KEY_ID_NEXT("", "app_60aa"; after("WIDGET_KEY_ID")),
            "The WIDGET_KEY_ID that WIDGET_PRIVATE_KEY_NEXT will have when it signs; its RFC 7638 thumbprint when not set.";
        WIDGET_KEY_ID_PREVIOUS("", "app_4b90"; after("WIDGET_KEY_ID")),
            "The WIDGET_KEY_ID that WIDGET_PRIVATE_KEY_PREVIOUS had when it signed; its RFC 7638 thumbprint when not set.";
        WIDGET_ENCRYPTION_KEY(secret),
            "`userinfo` and `custom`: encrypts the signed token for its reader (JWE with `A256GCM`): 32 bytes in base64 or base64url, which the reader has too (`dir`), or the reader's RSA public key in PEM (`RSA-OAEP-256`). Only for a reader that decrypts: the signature alone is what proves who the visitor is.";
        WIDGET_ALLOW_WEAK_SECRET("false", "true"),
            "Accept a secret shorter than RFC 7518 section 3.2 asks for, because the vendor issues no longer one.";
    }
}

/// The keys of one widget.
#[derive(Debug)]
pub struct Keyring {
    /// The key that signs.
    pub signer: Signer,
    key_id: String,
    /// What a verifier of this widget's tokens checks with. For shared secrets this can also sign: it never leaves.
    checker: KeySet,
    published: Vec<Published>,
    /// What takes over, and when.
    next: Option<(UnixTime, Box<Self>)>,
    /// Names the signing key in `check` and in the console.
    pub fingerprint: String,
}

/// What a preset fixes about keys.
#[derive(Debug, Clone, Copy)]
pub struct KeyPolicy<'a> {
    /// Algorithms the vendor verifies, the default first.
    pub algorithms: &'a [&'static str],
    /// How the vendor's console writes the secret.
    pub encoding: Encoding,
    /// The variable that holds the secret for this preset.
    pub secret: &'static Var,
    /// Least length in bytes of the secrets that the vendor issues, where they are shorter than RFC 7518 asks for.
    pub least: Option<usize>,
}

/// Reads a secret shared with the vendor as key bytes; `None` after naming what is wrong.
pub fn read_secret(env: &mut Env, policy: KeyPolicy<'_>, what: &str, least: usize) -> Option<SecretSlice<u8>> {
    let encoding = env.parse(&WIDGET_SECRET_ENCODING).unwrap_or(policy.encoding);
    let allow_weak = env.flag(&WIDGET_ALLOW_WEAK_SECRET);
    if !env.is_set(policy.secret) {
        env.mistake_in(policy.secret, &format!("is required: the secret shared with the vendor ({what}, {encoding})"));
    }
    let text = env.secret(policy.secret)?;
    let name = env.name_of(policy.secret);
    let Ok(bytes) = encoding.decode(&text).map_err(|problem| {
        let setting = env.name_of(&WIDGET_SECRET_ENCODING);
        let hint = other_alphabet(encoding, &text).map_or_else(
            || format!("the preset expects it so, {setting} changes that"),
            |other| format!("it is {other}; if the vendor's console writes it so, set {setting}={other}"),
        );
        env.mistake(&name, &format!("{problem}; {hint}"));
    }) else {
        return None;
    };
    let least = policy.least.unwrap_or(least);
    check_strength(env, &name, bytes.expose_secret().len(), what, least, allow_weak)?;
    Some(bytes)
}

/// Reads the secret that takes over, and when it does; nothing when there is none, or after naming what is wrong.
pub fn read_next(
    env: &mut Env,
    policy: KeyPolicy<'_>,
    what: &str,
    least: usize,
) -> Option<(UnixTime, SecretSlice<u8>)> {
    let at = env.text(&WIDGET_SECRET_NEXT_AT).filter(|text| !text.is_empty());
    // Its file may be named long before there is anything in it.
    if env.secret(&WIDGET_SECRET_NEXT).is_none() {
        if at.is_some() && !env.is_set(&WIDGET_SECRET_NEXT) {
            env.mistake_in(&WIDGET_SECRET_NEXT_AT, "is set without WIDGET_SECRET_NEXT");
        }
        return None;
    }
    let Some(at) = at else {
        let why = "is required with WIDGET_SECRET_NEXT: the vendor knows one secret at a time, so when it changes must be said";
        env.mistake_in(&WIDGET_SECRET_NEXT_AT, why);
        return None;
    };
    let read = moment::read_text(&at);
    let at = read.map_err(|problem| env.mistake_in(&WIDGET_SECRET_NEXT_AT, &format!("is no time: {problem}"))).ok()?;
    let bytes = read_secret(env, KeyPolicy { secret: &WIDGET_SECRET_NEXT, ..policy }, what, least)?;
    Some((at, bytes))
}

impl Keyring {
    /// Reads the keys of the widget being read; `None` after naming what is wrong.
    pub fn read(env: &mut Env, policy: KeyPolicy<'_>, options: &HeaderOptions) -> Option<Self> {
        let algorithm = read_algorithm(env, policy.algorithms)?;
        let options = HeaderOptions { kid: env.text(&WIDGET_KEY_ID), ..options.clone() };
        if algorithm.is_symmetric() {
            Self::shared(env, policy, algorithm, &options)
        } else {
            Self::pair(env, policy, algorithm, &options)
        }
    }

    /// The keys in force at this time.
    #[must_use]
    pub fn at(&self, now: UnixTime) -> &Self {
        self.next.as_ref().filter(|(at, _)| now >= *at).map_or(self, |(_, next)| next)
    }

    /// What takes over some day.
    #[must_use]
    pub fn next(&self) -> Option<&Self> {
        self.next.as_ref().map(|(_, next)| &**next)
    }

    /// When that is.
    #[must_use]
    pub fn takes_over(&self) -> Option<UnixTime> {
        self.next.as_ref().map(|(at, _)| *at)
    }

    /// `kid` in the tokens' headers, or the fingerprint where they have none.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The public keys a verifier should know: active, next, previous. Empty for shared secrets.
    #[must_use]
    pub fn published(&self) -> &[Published] {
        &self.published
    }

    /// The keys to check this widget's own tokens with.
    #[must_use]
    pub fn checker(&self) -> &KeySet {
        &self.checker
    }

    fn shared(env: &mut Env, policy: KeyPolicy<'_>, algorithm: Algorithm, options: &HeaderOptions) -> Option<Self> {
        if env.is_set(&WIDGET_PRIVATE_KEY) {
            env.mistake_in(&WIDGET_PRIVATE_KEY, &format!("is set, but {algorithm} signs with a shared secret"));
        }
        let next = read_next(env, policy, algorithm.name(), algorithm.least_secret_bytes());
        let next_id = env.text(&WIDGET_KEY_ID_NEXT).or_else(|| options.kid.clone());
        let next_options = HeaderOptions { kid: next_id, ..options.clone() };
        let later = KeyPolicy { secret: &WIDGET_SECRET_NEXT, ..policy };
        let next = next.and_then(|(at, bytes)| {
            Some((at, Box::new(Self::of_secret(env, later, &bytes, algorithm, &next_options)?)))
        });
        let bytes = read_secret(env, policy, algorithm.name(), algorithm.least_secret_bytes())?;
        Some(Self { next, ..Self::of_secret(env, policy, &bytes, algorithm, options)? })
    }

    fn of_secret(
        env: &mut Env,
        policy: KeyPolicy<'_>,
        bytes: &SecretSlice<u8>,
        algorithm: Algorithm,
        options: &HeaderOptions,
    ) -> Option<Self> {
        let name = env.name_of(policy.secret);
        let signer = Signer::new(algorithm, bytes, options).map_err(|e| env.mistake(&name, &e.to_string())).ok()?;
        let checker = KeySet::of(vec![Key::shared(bytes, algorithm)]);
        let fingerprint = fingerprint(bytes.expose_secret());
        env.show_key(policy.secret, &fingerprint);
        let key_id = options.kid.clone().unwrap_or_else(|| fingerprint.clone());
        Some(Self { signer, key_id, checker, published: Vec::new(), next: None, fingerprint })
    }

    fn pair(env: &mut Env, policy: KeyPolicy<'_>, algorithm: Algorithm, options: &HeaderOptions) -> Option<Self> {
        if env.is_set(policy.secret) {
            env.mistake_in(policy.secret, &format!("is set, but {algorithm} signs with WIDGET_PRIVATE_KEY"));
        }
        if env.is_set(&WIDGET_SECRET_NEXT) {
            env.mistake_in(&WIDGET_SECRET_NEXT, &format!("is set, but {algorithm} signs with WIDGET_PRIVATE_KEY"));
        }
        if !env.is_set(&WIDGET_PRIVATE_KEY) {
            let hint = format!("is required for {algorithm}; `countersign keygen --algorithm {algorithm}` makes one");
            env.mistake_in(&WIDGET_PRIVATE_KEY, &hint);
        }
        let others =
            [(&WIDGET_PRIVATE_KEY_NEXT, &WIDGET_KEY_ID_NEXT), (&WIDGET_PRIVATE_KEY_PREVIOUS, &WIDGET_KEY_ID_PREVIOUS)];
        let others = others.map(|(key, id)| read_published(env, key, id, algorithm, options));
        let signer = read_pem(env, &WIDGET_PRIVATE_KEY, algorithm, options)?;
        let public = signer.public_jwk().cloned()?;
        let mut published = vec![Published::of(&signer, options.kid.as_deref())?];
        published.extend(others.into_iter().flatten());
        check_ids(env, &published);
        // While keys change places by files, one of them may stand in two.
        let published = distinct(published);
        let checker = KeySet::of(published.iter().filter_map(|key| Key::from_jwk(&key.jwk)).collect());
        let fingerprint = fingerprint(public.to_string().as_bytes());
        env.show_key(&WIDGET_PRIVATE_KEY, &fingerprint);
        let key_id = published.first().map_or(fingerprint.as_str(), Published::id).to_owned();
        Some(Self { signer, key_id, checker, published, next: None, fingerprint })
    }
}

/// The JSON Web Key Set (RFC 7517 section 5) of all widgets' public keys, each once.
#[must_use]
pub fn key_set<'a>(keyrings: impl Iterator<Item = &'a Keyring>) -> Value {
    json!({ "keys": distinct(keyrings.flat_map(Keyring::published).map(|key| key.jwk.clone())) })
}

fn distinct<K: PartialEq>(keys: impl IntoIterator<Item = K>) -> Vec<K> {
    let mut all: Vec<K> = Vec::new();
    for key in keys {
        if !all.contains(&key) {
            all.push(key);
        }
    }
    all
}

/// A public key under the name its tokens carry.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// As a JWK (RFC 7517).
    pub jwk: Value,
    /// In PEM (RFC 7468 section 13).
    pub pem: String,
}

impl Published {
    fn of(signer: &Signer, kid: Option<&str>) -> Option<Self> {
        let mut jwk = signer.public_jwk()?.clone();
        if let Some(kid) = kid {
            jwk["kid"] = Value::from(kid);
        }
        Some(Self { jwk, pem: signer.public_pem()? })
    }

    /// Its `kid`.
    #[must_use]
    pub fn id(&self) -> &str {
        self.jwk["kid"].as_str().unwrap_or_default()
    }
}

/// A key that does not sign, under the id that its own tokens will name, or have named.
fn read_published(
    env: &mut Env,
    key: &Var,
    id: &Var,
    algorithm: Algorithm,
    options: &HeaderOptions,
) -> Option<Published> {
    let kid = env.text(id);
    let signer = read_pem(env, key, algorithm, options)?;
    env.show_key(key, &fingerprint(signer.public_jwk()?.to_string().as_bytes()));
    if options.kid.is_some() && kid.is_none() {
        let name = env.name_of(id);
        env.warn(
            &name,
            "is not set though WIDGET_KEY_ID is: the key is published under its thumbprint, which its tokens must name",
        );
    }
    Published::of(&signer, kid.as_deref())
}

/// Two different keys under one id would make every verifier that has kept the one refuse the tokens of the other.
fn check_ids(env: &mut Env, published: &[Published]) {
    let same_id = |a: &Published, b: &Published| a.id() == b.id() && a != b;
    let clash = published.iter().enumerate().any(|(at, key)| published[..at].iter().any(|other| same_id(key, other)));
    if clash {
        env.mistake_in(
            &WIDGET_KEY_ID,
            "is the id of two published keys; give each its own (WIDGET_KEY_ID_NEXT, WIDGET_KEY_ID_PREVIOUS)",
        );
    }
}

fn read_algorithm(env: &mut Env, offered: &[&'static str]) -> Option<Algorithm> {
    let chosen = if env.is_set(&WIDGET_ALGORITHM) {
        let words: Vec<(&'static str, &'static str)> = offered.iter().map(|name| (*name, *name)).collect();
        env.choice(&WIDGET_ALGORITHM, &words)?
    } else {
        offered.first()?
    };
    Algorithm::named(chosen)
}

fn check_strength(env: &mut Env, name: &str, bytes: usize, what: &str, least: usize, allow_weak: bool) -> Option<()> {
    if bytes >= least {
        return Some(());
    }
    if allow_weak && bytes > 0 {
        env.warn(name, &format!("is {bytes} bytes, weaker than the {least} that {what} asks for"));
        return Some(());
    }
    let setting = env.name_of(&WIDGET_ALLOW_WEAK_SECRET);
    let remedy = format!("ask the vendor for a longer one, or set {setting}=true if it issues none");
    env.mistake(
        name,
        &format!("decodes to {bytes} bytes; {what} needs at least {least} (RFC 7518 section 3.2): {remedy}"),
    );
    None
}

fn read_pem(env: &mut Env, var: &Var, algorithm: Algorithm, options: &HeaderOptions) -> Option<Signer> {
    let text = env.secret_lines(var)?;
    let key = pem::private_key(&text).map_err(|problem| env.mistake_in(var, &problem.to_string())).ok()?;
    let bytes = SecretSlice::from(key.expose_secret().as_bytes().to_vec());
    Signer::new(algorithm, &bytes, options).map_err(|problem| env.mistake_in(var, &problem.to_string())).ok()
}

/// The alphabet of base64 that the secret is written in, where it is not the one that is expected.
fn other_alphabet(expected: Encoding, text: &SecretString) -> Option<Encoding> {
    let other = match expected {
        Encoding::Base64 => Encoding::Base64Url,
        Encoding::Base64Url => Encoding::Base64,
        _ => return None,
    };
    other.decode(text).ok().map(|_| other)
}
