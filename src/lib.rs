//! countersign: the host-side identity issuer for embedded chat.
//!
//! An organisation runs it behind its own login. A page asks it for a token; it checks the visitor's own logged-in session
//! and answers with a short-lived signed proof of identity in exactly the format the chat widget's vendor verifies. Secrets
//! never reach the browser.
//!
//! # The tour, in request order
//!
//! ```text
//! request head -> Session -> (Ticket) -> Claims -> Proof -> response
//! ```
//!
//! Each step can be made only from the step before it.
//!
//! 1. A request enters through [`http`]: its `listen` keeps connections bounded, its `guard` refuses requests that spell an
//!    identity header twice or otherwise, its `origin` decides which pages may ask, and its `token` is the one place that
//!    reveals a token's text. What the network's words mean is decided in [`net`]: cookies, origins, clients' addresses.
//! 2. [`issuance`] decides. It asks the [`sources`] for a [`session`]: an identity vouched for until a moment, nobody, or an
//!    outage, and the types keep the three apart. JSON of others becomes an identity by a mapping. Whatever somebody else
//!    signed is checked in one place, [`jose`], with keys that are kept current there.
//! 3. The [`widget`] is a vendor's profile (from the shelf of presets) bound to this organisation's keys and policy. A
//!    ticket is what a vendor's own server gave us for the conversation, through a [`connector`].
//! 4. [`claims`] fills the template: pure, typed, checked at start. [`jose`] holds the private keys and turns claims into a
//!    proof. The visitor's id may be a pseudonym that only this organisation can read back.
//! 5. Where nobody is logged in yet, [`login`] is a login of our own, with its sessions. What outlives a request is in the
//!    [`store`]: session records under hashed names, in a file or on a server, and the allowances of visitors.
//! 6. [`observe`] writes down every decision and counts.
//!
//! # The doors
//!
//! Seven powers have one door each, kept by clippy's bans: time and chance ([`base::clock`]), the process environment (`main.rs`
//! hands it to [`config::env`]), the outbound network ([`net::outbound`]), private keys ([`jose::signer`]), a token's text (`http/token.rs` and
//! `cli/mint.rs`), secret text ([`base::secret`]), and the status we answer with (`http/problem.rs`).
//!
//! # From the outside in
//!
//! [`cli`] has one file per command. [`app`] composes every wing's settings (read with [`config`]) and turns them into a
//! running service; every start-up failure happens there. [`demo`] is a host site and a chat vendor to try everything out.
//! [`base`] is what everything stands on.
//!
//! `tests/it/floorplan.rs` holds the order of the wings: a wing imports from those below it only, and no files import each
//! other in a circle. [`threat_model`] is what all of this is for: who attacks what, the rules against it, and their tests.

pub mod app;
pub mod base;
pub mod claims;
pub mod cli;
pub mod config;
pub mod connector;
#[cfg(feature = "demo")]
pub mod demo;
pub mod http;
pub mod issuance;
pub mod jose;
pub mod login;
pub mod net;
pub mod observe;
pub mod session;
pub mod sources;
pub mod store;
#[doc = include_str!("threat_model.md")]
pub mod threat_model {}
pub mod widget;
