//! What the server of a widget expects of its tokens: for `countersign verify`, and for the start-up self-test.

use std::borrow::Cow;

use crate::base::clock::{Clock, UnixTime};
use crate::claims::{PageInput, Scope, Stamp};
use crate::connector::ticket::Ticket;
use crate::jose::jwe::is_encrypted;
use crate::jose::jws::examine::{Expectation, verify};
use crate::jose::jws::rejected::Rejected;
use crate::jose::jws::times::SKEW;
use crate::jose::keyring::Keyring;
use crate::session::Session;
use crate::session::identity::{Identity, Subject};
use crate::widget;

/// What the server of this widget expects at this time; `None` when its proof is no signed token.
///
/// While a shared secret changes, tokens of the one before are good until they have ended, and those of the next as early as a
/// replica whose clock is ahead makes them.
#[must_use]
pub fn expectation(widget: &widget::Settings, now: UnixTime) -> Option<Expectation<'_>> {
    let keyring = widget.keyring()?;
    let Some((next, moment)) = keyring.next().zip(keyring.takes_over()) else { return Some(by(widget, keyring)) };
    let (in_force, other) = if now < moment { (keyring, next) } else { (next, keyring) };
    let mut expected = by(widget, in_force);
    let others_count = if now < moment { moment.minus(SKEW) <= now } else { now < moment.plus(widget.lifetime + SKEW) };
    if others_count {
        expected.keys.push(other.checker());
    }
    Some(expected)
}

fn by<'a>(widget: &'a widget::Settings, keyring: &'a Keyring) -> Expectation<'a> {
    let registered = widget.template.registered();
    let (signer, header) = (&keyring.signer, keyring.signer.header());
    Expectation {
        typ: header.typ.as_deref(),
        cty: header.cty.as_deref(),
        issuer: registered.issuer.as_deref(),
        audience: &registered.audience,
        required: registered.stamped.iter().map(|stamped| stamped.name()).collect(),
        ..Expectation::of(signer.algorithm(), vec![keyring.checker()])
    }
}

/// The signed token, out of its encryption where it has one. What the reader has opened already is taken as it is: the signature
/// is what counts.
///
/// # Errors
/// [`Rejected::Sealed`] when it cannot be opened here: another key's, or one for the reader's private half alone.
pub fn opened<'a>(widget: &widget::Settings, token: &'a str) -> Result<Cow<'a, str>, Rejected> {
    let Some(encryption) = widget.encryption.as_ref().filter(|_| is_encrypted(token)) else { return Ok(token.into()) };
    let decryption = encryption.decryption().ok_or(Rejected::Sealed)?;
    decryption.open(token).map(Cow::Owned).map_err(|_| Rejected::Sealed)
}

/// Signs a made-up visitor's claims with the widget's key and verifies the result.
///
/// # Errors
/// A sentence about the key. The visitor is made up, so claims that this one lacks are no fault.
pub fn self_test(widget: &widget::Settings, clock: &Clock) -> Result<(), String> {
    let Some(keyring) = widget.keyring() else { return Ok(()) };
    let subject = Subject::new("selftest").map_err(|e| e.to_string())?;
    let mut identity = Identity::new(subject);
    identity.name = Some("Self Test".to_owned());
    identity.email = Some("selftest@example.org".to_owned());
    let session = Session { authenticated_at: Some(clock.now()), ..Session::of(identity, "self-test") };
    let written = widget.subject(&session);
    let page = PageInput::default();
    let ticket = Ticket::stand_in();
    let scope = Scope {
        session: &session,
        subject: &written,
        widget: &widget.name,
        ticket: Some(&ticket),
        agent: false,
        page: &page,
    };
    let stamp = Stamp::new(clock.now(), widget.lifetime, std::time::Duration::ZERO, None).ok_or("lifetime is zero")?;
    let Ok(claims) = widget.template.fill(&scope, &stamp) else { return Ok(()) };
    for keyring in [Some(keyring), keyring.next()].into_iter().flatten() {
        let proof = keyring.signer.sign(&claims).map_err(|e| e.to_string())?;
        let holds = verify(proof.reveal(), &by(widget, keyring), clock.now());
        holds.map_err(|e| format!("its own token fails: {e}"))?;
        if let Some(encryption) = &widget.encryption {
            encryption.around(&proof).map_err(|e| format!("its token cannot be encrypted: {e}"))?;
        }
    }
    Ok(())
}
