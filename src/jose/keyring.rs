//! The keys of one widget: the one that signs, and the public halves that verifiers should know.
//!
//! Reading a key is where its encoding, its strength and its fitness for the algorithm are checked, so that a weak or
//! mistyped secret stops the start and never a request.

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::Jwk;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde_json::{Value, json};

use crate::base::secret::{Encoding, fingerprint};
use crate::config::env::{Env, Var};
use crate::jose::pem;
use crate::jose::signer::{Algorithm, HeaderOptions, Signer};

/// The shared secret of a symmetric algorithm.
pub const SECRET: Var = Var::secret(
    "WIDGET_SECRET",
    "The secret shared with the chat vendor (HS256, HS384, HS512), as the vendor's console shows it.",
);
/// The healthcare agent's secret, under the names its documents have given it.
pub const APP_SECRET: Var = Var::secret(
    "WIDGET_APP_SECRET",
    "`healthcare-agent`: the service's app_secret, as its Integration > Secrets page shows it.",
)
.or(&["APP_SECRET", "AUTH_JWT_SECRET", "END_USER_AUTH_JWT_SECRET"]);
/// How the secret's text becomes key bytes.
pub const SECRET_ENCODING: Var = Var::new(
    "WIDGET_SECRET_ENCODING",
    "",
    "base64url",
    "How the secret's text becomes key bytes: utf8, base64, base64url, hex. Each preset knows its vendor's; `custom` and `userinfo` default to utf8.",
);
/// The private key of an asymmetric algorithm.
pub const PRIVATE_KEY: Var = Var::secret(
    "WIDGET_PRIVATE_KEY",
    "PEM private key for RS*, PS*, ES* and EdDSA. Best given as WIDGET_PRIVATE_KEY_FILE.",
);
/// The private key that will sign next.
pub const PRIVATE_KEY_NEXT: Var = Var::secret(
    "WIDGET_PRIVATE_KEY_NEXT",
    "PEM private key that will sign after the next rotation: published in the key set, never used to sign.",
)
.after("WIDGET_PRIVATE_KEY");
/// The private key that signed before.
pub const PRIVATE_KEY_PREVIOUS: Var = Var::secret(
    "WIDGET_PRIVATE_KEY_PREVIOUS",
    "PEM private key that signed before the last rotation: stays published until its last token has ended.",
)
.after("WIDGET_PRIVATE_KEY");
/// The algorithm.
pub const ALGORITHM: Var = Var::new(
    "WIDGET_ALGORITHM",
    "",
    "ES256",
    "Signature algorithm, where the preset leaves a choice: HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, ES256, ES384, EdDSA.",
);
/// A key id for the JOSE header.
pub const KEY_ID: Var = Var::new(
    "WIDGET_KEY_ID",
    "",
    "app_5f1c",
    "`kid` in the token's header, where the vendor names its secrets. Asymmetric keys carry their RFC 7638 thumbprint unless this is set.",
);
/// The next key's id.
pub const KEY_ID_NEXT: Var = Var::new(
    "WIDGET_KEY_ID_NEXT",
    "",
    "app_60aa",
    "The WIDGET_KEY_ID that WIDGET_PRIVATE_KEY_NEXT will have when it signs; its RFC 7638 thumbprint when not set.",
);
/// The previous key's id.
pub const KEY_ID_PREVIOUS: Var = Var::new(
    "WIDGET_KEY_ID_PREVIOUS",
    "",
    "app_4b90",
    "The WIDGET_KEY_ID that WIDGET_PRIVATE_KEY_PREVIOUS had when it signed; its RFC 7638 thumbprint when not set.",
);
/// Accept a short secret.
pub const ALLOW_WEAK: Var = Var::new(
    "WIDGET_ALLOW_WEAK_SECRET",
    "false",
    "true",
    "Accept a secret shorter than RFC 7518 section 3.2 asks for, because the vendor issues no longer one.",
);

/// The keys of one widget.
#[derive(Debug)]
pub struct Keyring {
    /// The key that signs.
    pub signer: Signer,
    /// What a verifier of this widget's tokens checks with. For shared secrets this can also sign: it never leaves.
    checker: DecodingKey,
    published: Vec<Value>,
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
    let encoding = env.parse(&SECRET_ENCODING).unwrap_or(policy.encoding);
    let allow_weak = env.flag(&ALLOW_WEAK);
    if !env.is_set(policy.secret) {
        env.mistake_in(policy.secret, &format!("is required: the secret shared with the vendor ({what}, {encoding})"));
    }
    let text = env.secret(policy.secret)?;
    let name = env.name_of(policy.secret);
    let Ok(bytes) = encoding.decode(&text).map_err(|problem| {
        let setting = env.name_of(&SECRET_ENCODING);
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

impl Keyring {
    /// The settings of this room.
    pub const VARS: &[&Var] = &[
        &SECRET,
        &APP_SECRET,
        &SECRET_ENCODING,
        &PRIVATE_KEY,
        &PRIVATE_KEY_NEXT,
        &PRIVATE_KEY_PREVIOUS,
        &ALGORITHM,
        &KEY_ID,
        &KEY_ID_NEXT,
        &KEY_ID_PREVIOUS,
        &ALLOW_WEAK,
    ];

    /// Reads the keys of the widget being read; `None` after naming what is wrong.
    pub fn read(env: &mut Env, policy: KeyPolicy<'_>, options: &HeaderOptions) -> Option<Self> {
        let algorithm = read_algorithm(env, policy.algorithms)?;
        let options = HeaderOptions { kid: env.text(&KEY_ID), ..options.clone() };
        if algorithm.is_symmetric() {
            Self::shared(env, policy, algorithm, &options)
        } else {
            Self::pair(env, policy, algorithm, &options)
        }
    }

    /// The public keys a verifier should know: active, next, previous. Empty for shared secrets.
    #[must_use]
    pub fn published(&self) -> &[Value] {
        &self.published
    }

    /// The key to check this widget's own tokens with.
    #[must_use]
    pub fn checker(&self) -> &DecodingKey {
        &self.checker
    }

    fn shared(env: &mut Env, policy: KeyPolicy<'_>, algorithm: Algorithm, options: &HeaderOptions) -> Option<Self> {
        if env.is_set(&PRIVATE_KEY) {
            env.mistake_in(&PRIVATE_KEY, &format!("is set, but {algorithm} signs with a shared secret"));
        }
        let bytes = read_secret(env, policy, algorithm.name(), algorithm.least_secret_bytes())?;
        let name = env.name_of(policy.secret);
        let signer = Signer::new(algorithm, &bytes, options).map_err(|e| env.mistake(&name, &e.to_string())).ok()?;
        let checker = DecodingKey::from_secret(bytes.expose_secret());
        Some(Self { signer, checker, published: Vec::new(), fingerprint: fingerprint(bytes.expose_secret()) })
    }

    fn pair(env: &mut Env, policy: KeyPolicy<'_>, algorithm: Algorithm, options: &HeaderOptions) -> Option<Self> {
        if env.is_set(policy.secret) {
            env.mistake_in(policy.secret, &format!("is set, but {algorithm} signs with WIDGET_PRIVATE_KEY"));
        }
        if !env.is_set(&PRIVATE_KEY) {
            let hint = format!("is required for {algorithm}; `countersign keygen --algorithm {algorithm}` makes one");
            env.mistake_in(&PRIVATE_KEY, &hint);
        }
        let others = [(&PRIVATE_KEY_NEXT, &KEY_ID_NEXT), (&PRIVATE_KEY_PREVIOUS, &KEY_ID_PREVIOUS)];
        let others = others.map(|(key, id)| read_published(env, key, id, algorithm, options));
        let signer = read_pem(env, &PRIVATE_KEY, algorithm, options)?;
        let public = signer.public_jwk().cloned()?;
        let jwk: Jwk = serde_json::from_value(public.clone()).ok()?;
        let checker = DecodingKey::from_jwk(&jwk).ok()?;
        let mut published = vec![with_kid(public.clone(), options.kid.as_deref())];
        published.extend(others.into_iter().flatten());
        check_ids(env, &published);
        let fingerprint = fingerprint(public.to_string().as_bytes());
        Some(Self { signer, checker, published, fingerprint })
    }
}

/// The JSON Web Key Set (RFC 7517 section 5) of all widgets' public keys, each once.
#[must_use]
pub fn key_set<'a>(keyrings: impl Iterator<Item = &'a Keyring>) -> Value {
    let mut keys: Vec<Value> = Vec::new();
    for key in keyrings.flat_map(Keyring::published) {
        if !keys.contains(key) {
            keys.push(key.clone());
        }
    }
    json!({ "keys": keys })
}

/// A key published under the name its tokens carry.
fn with_kid(mut jwk: Value, kid: Option<&str>) -> Value {
    if let Some(kid) = kid {
        jwk["kid"] = Value::from(kid);
    }
    jwk
}

/// A key that does not sign, under the id that its own tokens will name, or have named.
fn read_published(env: &mut Env, key: &Var, id: &Var, algorithm: Algorithm, options: &HeaderOptions) -> Option<Value> {
    let kid = env.text(id);
    let public = read_pem(env, key, algorithm, options)?.public_jwk().cloned()?;
    if options.kid.is_some() && kid.is_none() {
        let name = env.name_of(id);
        env.warn(
            &name,
            "is not set though WIDGET_KEY_ID is: the key is published under its thumbprint, which its tokens must name",
        );
    }
    Some(with_kid(public, kid.as_deref()))
}

/// Two different keys under one id would make every verifier that has kept the one refuse the tokens of the other.
fn check_ids(env: &mut Env, published: &[Value]) {
    let same_id = |a: &Value, b: &Value| a["kid"] == b["kid"] && a != b;
    let clash = published.iter().enumerate().any(|(at, key)| published[..at].iter().any(|other| same_id(key, other)));
    if clash {
        env.mistake_in(
            &KEY_ID,
            "is the id of two published keys; give each its own (WIDGET_KEY_ID_NEXT, WIDGET_KEY_ID_PREVIOUS)",
        );
    }
}

fn read_algorithm(env: &mut Env, offered: &[&'static str]) -> Option<Algorithm> {
    let chosen = if env.is_set(&ALGORITHM) {
        let words: Vec<(&'static str, &'static str)> = offered.iter().map(|name| (*name, *name)).collect();
        env.choice(&ALGORITHM, &words)?
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
    let setting = env.name_of(&ALLOW_WEAK);
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
