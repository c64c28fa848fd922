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
//! 1. A request enters through [`web`]: its `listen` keeps connections bounded, its `guard` refuses requests that spell an
//!    identity header twice or otherwise (with [`peer`] and [`cookies`] as its eyes), its `origin` decides which pages may
//!    ask (an [`origin`] is compared exactly), and its `token` is the one place that reveals a token's text.
//! 2. [`issuance`] decides. It asks the [`sources`] for a [`session`]: an [`identity`] vouched for until a moment, nobody, or
//!    an outage, and the types keep the three apart. JSON of others becomes an identity by a [`mapping`]. Whatever somebody
//!    else signed is checked in one place, [`jws`], with keys that [`jwks`] keeps current, and its [`json`] names nothing
//!    twice.
//! 3. The [`widget`] is a vendor's profile (from the shelf of [`presets`]) bound to this organisation's [`keyring`] and
//!    [`policy`]. A [`ticket`] is what a vendor's own server gave us for the conversation, through one of the
//!    [`connectors`].
//! 4. [`claims`] fills the template: pure, typed, checked at start. [`signing`] holds the private keys and turns claims into
//!    a proof. The [`verifier`] is the other side: it checks what we sign.
//!    The visitor's id may be a [`pseudonym`], sealed by [`siv`], that only this organisation can read back.
//! 5. Where nobody is logged in yet, [`login`] is a login of our own, and [`visits`] are its sessions. What outlives a
//!    request is in [`state`]: session records under hashed names, in a file or on a server.
//! 6. [`limits`] holds what one visitor may ask for; [`audit`] writes down every decision; [`metrics`] counts.
//!
//! # The doors
//!
//! Seven powers have one door each, kept by clippy's bans: time and chance ([`clock`]), the process environment (`main.rs`
//! hands it to [`env`](mod@env)), the outbound network ([`outbound`]), private keys ([`signing`]), a token's text (`web/token.rs` and
//! `cli/mint.rs`), secret text ([`secret`]), and the status we answer with (`web/problem.rs`).
//!
//! # From the outside in
//!
//! [`cli`] has one file per command. [`config`] composes every room's settings and is read by [`app`] and the command line
//! only; [`app`] turns it into a running service, and every start-up failure happens there. [`admin`] is the listener for
//! operations, [`telemetry`] the operational log, [`demo`] a host site and a chat vendor to try everything out.
//!
//! `tests/it/floorplan.rs` holds the floors: a room imports from lower floors only.

pub mod admin;
pub mod app;
pub mod audit;
pub mod claims;
pub mod cli;
pub mod clock;
pub mod config;
pub mod connectors;
pub mod cookies;
pub mod demo;
pub mod env;
pub mod identity;
pub mod issuance;
pub mod json;
pub mod jwks;
pub mod jws;
pub mod keyring;
pub mod limits;
pub mod login;
pub mod mapping;
pub mod metrics;
pub mod origin;
pub mod outbound;
pub mod peer;
pub mod policy;
pub mod presets;
pub mod pseudonym;
pub mod secret;
pub mod session;
pub mod signing;
pub mod siv;
pub mod sources;
pub mod state;
pub mod telemetry;
pub mod ticket;
pub mod verifier;
pub mod visits;
pub mod web;
pub mod widget;
