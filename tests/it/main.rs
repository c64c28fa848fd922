//! The promises of the service. A module is named after the room it holds to its word; a test is named after the promise.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken promise ends the test")]
#![expect(unreachable_pub, reason = "a test binary has no outside")]

mod answers;
mod claims;
mod config;
mod deploy;
mod direct_line;
mod docs;
mod double;
mod floorplan;
mod forwarded;
mod keys;
mod kit;
mod origin;
mod peer;
mod policy;
mod pseudonym;
mod records;
mod stage;
mod token;
mod upstream;
