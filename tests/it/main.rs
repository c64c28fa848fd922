//! The promises of the service. A module is named after the room it holds to its word; a test is named after the promise.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken promise ends the test")]
#![expect(unreachable_pub, reason = "a test binary has no outside")]

mod answers;
mod assertion;
mod audit;
mod bearer;
mod chain;
mod claims;
mod config;
mod console;
mod cookies;
mod deeds;
mod demo;
mod deploy;
mod digest;
mod direct_line;
mod docs;
mod double;
mod exchange;
mod floorplan;
mod forwarded;
mod healthcare;
mod jwks;
mod jws;
mod keys;
mod kit;
mod logging;
mod login;
mod logs;
mod moment;
mod origin;
mod outbound;
mod peer;
mod policy;
mod presets;
mod pseudonym;
mod publisher;
mod reasons;
mod records;
mod reload;
mod routes;
mod samples;
mod script;
mod serving;
mod session_route;
mod stage;
mod state;
mod store;
mod threats;
mod token;
mod tokens;
mod upstream;
