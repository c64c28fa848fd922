//! Signing and verifying: keys, signatures, key sets, tokens of others.

pub mod jwks;
pub mod jws;
pub mod keyring;
pub mod signer;
