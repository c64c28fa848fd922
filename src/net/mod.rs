//! The network's words: outbound calls, text of fields, cookies, origins, addresses of clients.

pub mod basic;
pub mod cookies;
pub mod field;
pub mod origin;
pub mod outbound;
pub mod peer;
pub mod verdicts;
