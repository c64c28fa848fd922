//! Ending a visitor's tokens at the vendors whose servers gave them, where a vendor can: at a logout and at a revocation.
//!
//! Only the subject is known there. That no more is needed for the call was seen to at start, by [`Plan`].

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;

use crate::base::clock::UnixTime;
use crate::claims::Stamp;
use crate::connector::exchange::{Exchange, Request};
use crate::connector::{ConnectorFault, Rejection};
use crate::session::Session;
use crate::session::identity::{Identity, Subject};
use crate::widget::Widget;
use crate::widget::exchange::Plan;
use crate::widget::mechanism::Mechanism;

/// One call to one vendor, about one visitor.
#[derive(Debug)]
pub struct VendorRevocation {
    /// The widget's name.
    pub widget: String,
    exchange: Arc<Exchange>,
    request: Option<Request>,
}

impl VendorRevocation {
    /// The calls for this subject, under every name by which a vendor may know them.
    pub fn of<'w>(
        widgets: impl Iterator<Item = &'w Widget>,
        subject: &Subject,
        sources: &[&'static str],
        now: UnixTime,
    ) -> Vec<Self> {
        let sessions: Vec<Session> =
            sources.iter().map(|source| Session::of(Identity::new(subject.clone()), source)).collect();
        widgets.flat_map(|widget| of_widget(widget, &sessions, now)).collect()
    }

    /// Makes the call.
    ///
    /// # Errors
    /// [`ConnectorFault`] when the vendor could not be told.
    pub async fn send(&self) -> Result<(), ConnectorFault> {
        // What cannot be filled is what the vendor would not accept.
        let request = self.request.as_ref().ok_or(ConnectorFault::Rejected(Rejection::Request))?;
        self.exchange.revoke(request).await
    }
}

fn of_widget(widget: &Widget, sessions: &[Session], now: UnixTime) -> Vec<VendorRevocation> {
    let (Mechanism::Exchange(plan), Some(exchange)) = (&widget.mechanism, &widget.exchange) else { return Vec::new() };
    if !widget.revokes() {
        return Vec::new();
    }
    let names: BTreeSet<String> = sessions.iter().map(|session| widget.subject(session).into_owned()).collect();
    let call = |name: String| VendorRevocation {
        widget: widget.name.clone(),
        exchange: exchange.clone(),
        request: filled(widget, plan, sessions, &name, now),
    };
    names.into_iter().map(call).collect()
}

fn filled(widget: &Widget, plan: &Plan, sessions: &[Session], name: &str, now: UnixTime) -> Option<Request> {
    let stamp = Stamp::new(now, widget.lifetime, Duration::ZERO, None)?;
    plan.revocation(sessions.first()?, name, &widget.name, &stamp).ok().flatten()
}

/// Calls on their way that nobody waits for, but for a shutdown. How many there are is bounded by each vendor's bulkhead, and how
/// long they take by its deadline.
#[derive(Debug, Default)]
pub struct InFlight(Mutex<JoinSet<()>>);

impl InFlight {
    /// Begins something.
    pub fn begin(&self, call: impl Future<Output = ()> + Send + 'static) {
        let mut calls = self.lock();
        while calls.try_join_next().is_some() {}
        calls.spawn(call);
    }

    /// Waits until everything that was begun has ended.
    pub async fn wait(&self) {
        let calls = std::mem::take(&mut *self.lock());
        calls.join_all().await;
    }

    fn lock(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
