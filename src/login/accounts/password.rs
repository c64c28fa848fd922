//! Passwords and their hashes: argon2id (RFC 9106) in PHC notation.

use argon2::password_hash::phc::PasswordHash;
use argon2::{
    Algorithm, Argon2, CustomizedPasswordHasher as _, Params, PasswordHasher as _, PasswordVerifier as _, Version,
};
use secrecy::{ExposeSecret, SecretString};
use unicode_normalization::UnicodeNormalization as _;

use crate::base::clock::random_bytes;
use crate::base::secret::is_placeholder;
use crate::login::accounts::name::canonical;

/// Shortest password that is taken, in characters.
pub const PASSWORD_LEAST: usize = 12;
/// Longest password that is looked at, in bytes: hashing takes longer the longer it is.
pub const PASSWORD_MOST: usize = 1024;
/// Memory (KiB) and passes of a new hash: OWASP's first recommendation for argon2id.
const MEMORY: u32 = 19 * 1024;
const PASSES: u32 = 2;
/// Most memory and passes that a hash in the file may ask for, or one line could stop the service.
const MEMORY_MOST: u32 = 256 * 1024;
const PASSES_MOST: u32 = 16;

/// Why a password or a hash cannot be used. Goes on after "the password".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(pub &'static str);

/// Whether a password that somebody wants to have is good enough.
///
/// # Errors
/// [`Unusable`].
pub fn check(password: &SecretString, username: &str) -> Result<(), Unusable> {
    let text = password.expose_secret();
    let name = canonical(username).unwrap_or_else(|_| username.to_lowercase());
    let problem = match () {
        () if text.chars().count() < PASSWORD_LEAST => "is shorter than 12 characters",
        () if text.len() > PASSWORD_MOST => "is longer than 1024 bytes",
        () if text.to_lowercase().nfc().collect::<String>().contains(&name) => "contains the user name",
        () if is_placeholder(text) => "is a placeholder, or the same few characters over and over",
        () => return Ok(()),
    };
    Err(Unusable(problem))
}

/// The hash of a password that was chosen.
///
/// # Errors
/// [`Unusable`].
pub fn hash(password: &SecretString) -> Result<String, Unusable> {
    const CANNOT: Unusable = Unusable("cannot be hashed");
    let params = Params::new(MEMORY, PASSES, 1, None).map_err(|_| CANNOT)?;
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash: Result<PasswordHash, _> =
        argon.hash_password_with_salt(normal(password).expose_secret().as_bytes(), &random_bytes::<16>());
    hash.map(|hash| hash.to_string()).map_err(|_| CANNOT)
}

/// Whether it is the password of this hash.
#[must_use]
pub fn verify(password: &SecretString, hash: &str) -> bool {
    Argon2::default().verify_password(normal(password).expose_secret().as_bytes(), hash).is_ok()
}

/// The same work for nothing.
pub fn verify_nobodys(password: &SecretString, cost: &Params) {
    let salt = random_bytes::<16>();
    let password = normal(password);
    let password = password.expose_secret().as_bytes();
    drop(std::hint::black_box(Argon2::default().hash_password_with_params(password, &salt, cost.clone())));
}

/// The cost of a hash; an error for one that is not argon2id or costs more than any login may.
///
/// # Errors
/// [`Unusable`].
pub fn params_of(hash: &str) -> Result<Params, Unusable> {
    const UNFIT: Unusable = Unusable("is not an argon2id hash in PHC notation; `countersign accounts add` makes one");
    let hash = PasswordHash::new(hash).map_err(|_| UNFIT)?;
    let params = Params::try_from(&hash).map_err(|_| UNFIT)?;
    let whole = hash.algorithm.as_str() == "argon2id" && hash.salt.is_some() && hash.hash.is_some();
    let bounded = params.m_cost() <= MEMORY_MOST && params.t_cost() <= PASSES_MOST && params.p_cost() <= 8;
    if whole && bounded { Ok(params) } else { Err(UNFIT) }
}

/// How much work a hash of this cost is, to compare.
#[must_use]
pub fn work(params: &Params) -> u64 {
    u64::from(params.m_cost()) * u64::from(params.t_cost())
}

/// The password as it is hashed: the same whichever keyboard composed its letters (RFC 8265 section 4.2).
fn normal(password: &SecretString) -> SecretString {
    password.expose_secret().nfc().collect::<String>().into()
}
