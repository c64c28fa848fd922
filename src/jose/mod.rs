//! Signing and verifying: keys, signatures, key sets, tokens of others.

pub mod digest;
pub mod jwks;
pub mod jws;
pub mod keyring;
pub mod pem;
pub mod signer;
