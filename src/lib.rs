//! countersign: draft of the tour.

pub mod claims;
pub mod clock;
pub mod env;
pub mod identity;
pub mod outbound;
pub mod peer;
pub mod secret;
pub mod session;
pub mod ticket;
