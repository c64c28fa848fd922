//! What a token of ours is worth at present: verified, not revoked, and, where it counts once, not used before.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::Widgets;
use super::revocation::Revocations;
use super::verifier::{expectation, opened};
use crate::base::clock::{Clock, UnixTime};
use crate::jose::jws::examine::verify;
use crate::jose::jws::rejected::Rejected;
use crate::jose::jws::times::{SKEW_MAX, numeric_date};
use crate::store::{Down, Key, Store};
use crate::widget::Widget;

/// What has no end is remembered as used until 9999.
const FOR_EVER: UnixTime = UnixTime(253_402_300_799);

/// Answers whether tokens count.
#[derive(Debug, Clone)]
pub struct Introspection {
    /// Whether a token counts for whoever asks first, and for nobody after that.
    pub one_time: bool,
    /// Where uses are remembered, the same for every replica.
    pub store: Store,
    /// Whose tokens count no longer.
    pub revocations: Arc<Revocations>,
    /// Time.
    pub clock: Clock,
}

/// A token that counts.
#[derive(Debug)]
pub struct ActiveToken<'a> {
    /// Whose format and keys it has.
    pub widget: &'a Widget,
    /// What it says.
    pub claims: Map<String, Value>,
}

/// Why a token does not count, for the log and the records. Whoever asks is told that it does not, and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Inactive {
    /// It does not hold.
    #[error("{0}")]
    Rejected(#[from] Rejected),
    /// Its subject's tokens were revoked after it was made.
    #[error("the subject's tokens were revoked")]
    Revoked,
    /// Somebody has used it before.
    #[error("it counts once and was used before")]
    Used,
}

impl Inactive {
    /// The word for logs, metrics and records. These words do not change.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Rejected(rejected) => rejected.reason(),
            Self::Revoked => "revoked",
            Self::Used => "used",
        }
    }
}

/// A token that does not count, and the widget whose format it has, as far as that can be told.
#[derive(Debug, Clone, Copy)]
pub struct InactiveToken<'a> {
    /// The widget.
    pub widget: Option<&'a Widget>,
    /// Why.
    pub why: Inactive,
}

impl Introspection {
    /// Whether a token of `widget`, or of any of the widgets, counts; where it counts once, this was its use.
    ///
    /// # Errors
    /// [`Down`] when it cannot be found out. That is no answer: a token that counts must not be taken for one that does not.
    pub async fn ask<'a>(
        &self,
        widgets: &'a Widgets,
        widget: Option<&'a Widget>,
        token: &str,
    ) -> Result<Result<ActiveToken<'a>, InactiveToken<'a>>, Down> {
        let now = self.clock.now();
        let Recognised { widget, signed, claims } = match recognised(widgets, widget, token, now) {
            Ok(found) => found,
            Err(inactive) => return Ok(Err(inactive)),
        };
        let inactive = |why| Ok(Err(InactiveToken { widget: Some(widget), why }));
        if self.revocations.include(widget, &claims).await? {
            return inactive(Inactive::Revoked);
        }
        if self.one_time && !self.store.first(&used(widget, &signed, &claims), until(&claims)).await? {
            return inactive(Inactive::Used);
        }
        Ok(Ok(ActiveToken { widget, claims }))
    }
}

/// A token that holds: whose it is, what was signed, and what that says.
struct Recognised<'a, 't> {
    widget: &'a Widget,
    signed: Cow<'t, str>,
    claims: Map<String, Value>,
}

/// The widget whose token this is, the signed token out of its encryption, and what it says. Where none of them has signed it, the first one's reason is as good as any.
fn recognised<'a, 't>(
    widgets: &'a Widgets,
    asked: Option<&'a Widget>,
    token: &'t str,
    now: UnixTime,
) -> Result<Recognised<'a, 't>, InactiveToken<'a>> {
    let candidates: Vec<&Widget> = asked.map_or_else(|| widgets.iter().collect(), |widget| vec![widget]);
    let mut nearest: Option<InactiveToken<'a>> = None;
    for widget in candidates {
        let Some(expected) = expectation(widget, now) else { continue };
        match opened(widget, token).and_then(|signed| verify(&signed, &expected, now).map(|claims| (signed, claims))) {
            Ok((signed, claims)) => return Ok(Recognised { widget, signed, claims }),
            Err(fault) if fault.is_of_signed() => {
                nearest = Some(InactiveToken { widget: Some(widget), why: fault.into() });
            }
            Err(fault) => nearest = nearest.or(Some(InactiveToken { widget: asked, why: fault.into() })),
        }
    }
    Err(nearest.unwrap_or(InactiveToken { widget: asked, why: Rejected::UnknownKey.into() }))
}

/// The mark of a use: by `jti`, or by everything that was signed where a format has none.
fn used(widget: &Widget, token: &str, claims: &Map<String, Value>) -> Key {
    match claims.get("jti").and_then(Value::as_str) {
        Some(id) => Key::of("token used", &[&widget.name, id]),
        None => Key::of("text used", &[&widget.name, token.rsplit_once('.').map_or(token, |(signed, _)| signed)]),
    }
}

/// How long a use is remembered: as long as any verifier's clock lets the token pass.
fn until(claims: &Map<String, Value>) -> UnixTime {
    let end = claims.get("exp").and_then(numeric_date);
    end.map_or(FOR_EVER, |end| end.plus(SKEW_MAX + Duration::from_secs(1)))
}
