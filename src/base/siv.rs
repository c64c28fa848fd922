//! Deterministic authenticated encryption: AES-256-SIV (RFC 5297).
//!
//! The same key, context and text always give the same bytes, on every replica and after every restart; and no byte of
//! the result, of the context or of the key can change without [`Key::open`] noticing. No nonce has to be kept anywhere.

use std::fmt;

use aes_siv::KeyInit as _;
use aes_siv::siv::Aes256Siv;
use aws_lc_rs::hkdf;
use zeroize::Zeroizing;

use crate::base::secret::fingerprint;

/// Bytes of a key: one AES-256 key to authenticate with and one to encrypt with (RFC 5297 section 2.2).
pub const KEY_BYTES: usize = 64;
/// Bytes that sealing adds to a text.
pub const TAG_BYTES: usize = aes_siv::siv::IV_SIZE;

/// A key. Zeroed when dropped, redacted when printed.
pub struct Key(Box<Zeroizing<[u8; KEY_BYTES]>>);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.fingerprint())
    }
}

/// Length of what HKDF is asked for.
struct Length;

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        KEY_BYTES
    }
}

impl Key {
    /// Takes key bytes as they are; `None` when there are not exactly [`KEY_BYTES`] of them.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut key = Self::blank();
        (bytes.len() == KEY_BYTES).then(|| key.0.copy_from_slice(bytes))?;
        Some(key)
    }

    /// Makes a key for one purpose from a secret that has another: HKDF-SHA-256 (RFC 5869) with the purpose as `info`,
    /// so that neither use says anything about the other.
    ///
    /// # Panics
    /// Never: HKDF-SHA-256 refuses only more than 255 * 32 bytes.
    #[must_use]
    #[expect(clippy::expect_used, reason = "64 bytes are within what HKDF-SHA-256 gives")]
    pub fn derive(secret: &[u8], purpose: &str) -> Self {
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, b"countersign").extract(secret);
        let info = [purpose.as_bytes()];
        let okm = prk.expand(&info, Length).expect("the length is within bounds");
        let mut key = Self::blank();
        okm.fill(key.0.as_mut_slice()).expect("the buffer has the length asked for");
        key
    }

    /// Filled where it stands, so that no copy of the key stays behind on the stack.
    fn blank() -> Self {
        Self(Box::new(Zeroizing::new([0; KEY_BYTES])))
    }

    /// Names the key without showing it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        fingerprint(self.0.as_slice())
    }

    /// Encrypts `text` and binds it to `context`, item by item: `["a", "bc"]` is another context than `["ab", "c"]`.
    ///
    /// # Panics
    /// Never: the cipher refuses only contexts of more than 126 items (RFC 5297 section 7), and ours have `N`.
    #[must_use]
    #[expect(clippy::expect_used, reason = "the number of context items is checked when this is compiled")]
    pub fn seal<const N: usize>(&self, context: [&[u8]; N], text: &[u8]) -> Vec<u8> {
        const { assert!(N <= aes_siv::siv::MAX_HEADERS, "RFC 5297 section 7") };
        self.cipher().encrypt(context, text).expect("the context has few items")
    }

    /// What was sealed with this key in this context; `None` for everything else.
    #[must_use]
    pub fn open<const N: usize>(&self, context: [&[u8]; N], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.cipher().decrypt(context, sealed).ok().map(Zeroizing::new)
    }

    fn cipher(&self) -> Aes256Siv {
        Aes256Siv::new((&**self.0).into())
    }
}
