//! The network's words: outbound calls, cookies, origins, addresses of clients.

pub mod cookies;
pub mod origin;
pub mod outbound;
pub mod peer;
