//! countersign: the host-side identity issuer for embedded chat.
//!
//! An organisation runs it behind its own login. A page asks it for a token; it checks the visitor's own logged-in session
//! and answers with a short-lived signed proof of identity in exactly the format the chat widget's vendor verifies. Secrets
//! never reach the browser.
//!
//! # A request's way
//!
//! ```text
//! request head -> Session -> (Ticket) -> Claims -> Proof -> response
//! ```
//!
//! Each step can be made only from the step before it.
//!
//! 1. `http/listen.rs` accepts the connection, within bounds of number and time, and notes who the peer is.
//! 2. `http/service.rs` takes one snapshot for the whole request, finds its route, and lets `http/guard.rs` refuse headers
//!    that could be read two ways, the same for every route.
//! 3. `http/token.rs` asks `http/origin.rs` whether this page may ask.
//! 4. [`issuance`] asks the [`sources`], in their order, for a [`session`]: somebody until a moment, nobody, or an outage,
//!    which the types keep apart. JSON of others becomes an identity by a mapping.
//! 5. What somebody else signed is verified in [`jose`]; whoever must be called is called through [`net`], within a deadline.
//!    Where nobody is logged in yet, [`login`] is a login of our own, with its sessions in the [`store`].
//! 6. The [`widget`], a vendor's profile bound to this organisation's keys, says by its policy who may have a token, and the
//!    allowance in the [`store`] whether it is too soon for another.
//! 7. A [`connector`] fetches the vendor's own token for the conversation, where the widget has one.
//! 8. [`claims`] fills the template, pure and typed, and lays the registered claims over it; the subject may become a pseudonym.
//! 9. [`jose`]'s signer, which alone holds private keys, turns the claims into a proof.
//! 10. `http/token.rs` writes its text into the answer, or `http/problem.rs` the refusal; [`observe`] records and counts it.
//!
//! # A token's way back
//!
//! A widget's server verifies a token by itself, with [`jose::jws::examine`] or any other verifier, or asks `http/introspect.rs`:
//! [`issuance::introspection`] verifies it, looks for a revocation, and marks its use in the [`store`] where it counts once.
//! [`issuance::revocation`] ends everything of one subject, for `cli/revoke.rs` and `http/admin/revoke.rs`;
//! [`issuance::vendor_revocation`] tells the vendors that can end their tokens, then and at a logout.
//!
//! # A setting's way
//!
//! 1. Its wing declares it once, by [`settings!`]: the variable, its default, a sample, what it means, and in most wings how it
//!    is read ([`config`]); the nine of a source's mapping by [`mapping!`].
//! 2. `main.rs` hands the process environment to [`cli`], which puts the file of `--env-file` under it.
//! 3. [`config::env`] finds the value, under any of its names, or in the file that `NAME_FILE` names.
//! 4. The wing makes a typed value of it, or names what is wrong; reading goes on, so that one start names all mistakes.
//! 5. `app/config.rs` puts the wings' plain settings together and checks what depends on several of them.
//! 6. `check` and `preview` stop here: nothing has been opened, called or written.
//! 7. `app/build.rs` makes a snapshot of them: clients, stores and key sets begin to live, and keys are tested.
//! 8. `http` takes one snapshot for each request as it comes in.
//! 9. When a file that a setting names changes, all of this is done again: a source, login or connector whose settings are the
//!    same is handed on alive, and the snapshot is swapped as a whole, or not at all. What `at_start()` declares needs a restart.
//! 10. `.env.example` and `countersign settings` are printed from the declarations; `tests/it/docs.rs` keeps them the same.
//!
//! # Powers that one module each has
//!
//! Kept by clippy's bans: time and chance ([`base::clock`]), the process environment (`main.rs` hands it to [`config::env`]),
//! the outbound network ([`net::outbound`]), private keys ([`jose::signer`]), a token's text (`http/token.rs` and
//! `cli/mint.rs`), secret text ([`base::secret`]), and the status of an answer (`http/problem.rs`).
//!
//! # From the outside in
//!
//! [`cli`] has one file per command. [`app`] composes every wing's settings and turns them into a running service; every
//! start-up failure happens there. [`http`] is what the network sees. [`demo`] is a host site and a chat vendor to try
//! everything out. [`base`] is what everything stands on.
//!
//! `tests/it/floorplan.rs` holds the order of the wings: a wing imports from those below it only, and no files import each
//! other in a circle. [`threat_model`] is what all of this is for: who attacks what, the rules against it, and their tests.

// The future of a request is deep: its layout is more queries than the compiler allows unasked.
#![recursion_limit = "256"]

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
