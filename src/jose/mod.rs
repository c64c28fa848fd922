//! Signing and verifying: keys, signatures, key sets, tokens of others.

pub mod algorithm;
mod ascii;
pub mod certificate;
pub mod digest;
pub mod jwe;
pub mod jwks;
pub mod jws;
pub mod keyring;
pub mod pem;
pub mod signer;
