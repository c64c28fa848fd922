//! countersign: draft of the tour.

pub mod audit;
pub mod claims;
pub mod clock;
pub mod cookies;
pub mod env;
pub mod identity;
pub mod issuance;
pub mod keyring;
pub mod mapping;
pub mod origin;
pub mod outbound;
pub mod peer;
pub mod policy;
pub mod presets;
pub mod secret;
pub mod session;
pub mod signing;
pub mod sources;
pub mod ticket;
pub mod verifier;
pub mod widget;
