//! Tells vendors that a visitor's tokens are to end, and writes down what came of it.

use std::sync::Arc;

use futures_util::future::join_all;

use crate::connector::ConnectorFault;
use crate::http::state::{AppState, Snapshot};
use crate::issuance::vendor_revocation::VendorRevocation;
use crate::observe::audit::Event;
use crate::session::identity::Subject;
use crate::sources::login;

/// Tells every vendor that can be told, while nobody waits: the visitor has been logged out here already.
pub fn begin(state: &Arc<AppState>, snapshot: &Snapshot, by: &'static str, subject: Option<&Subject>) {
    let Some(subject) = subject else {
        let untold = snapshot.widgets.iter().filter(|widget| widget.revokes());
        return untold.for_each(|widget| report(state, by, None, &widget.name, ("refused", "subject_unknown")));
    };
    for call in VendorRevocation::of(snapshot.widgets.iter(), subject, &[login::NAME], state.clock.now()) {
        let (its_state, subject) = (state.clone(), subject.clone());
        state.vendor_calls.begin(async move {
            let _ = send(&its_state, by, &subject, &call).await;
        });
    }
}

/// Tells every vendor that can be told, for whoever waits to hear what came of it: the widget, and `granted` or the reason.
pub async fn all(state: &AppState, snapshot: &Snapshot, subject: &Subject) -> Vec<(String, &'static str)> {
    let sources: Vec<&'static str> = snapshot.issuer.chain().names().collect();
    let calls = VendorRevocation::of(snapshot.widgets.iter(), subject, &sources, state.clock.now());
    let told = async |call: &VendorRevocation| {
        let result = send(state, "admin", subject, call).await;
        (call.widget.clone(), result.err().map_or("granted", ConnectorFault::reason))
    };
    join_all(calls.iter().map(told)).await
}

async fn send(
    state: &AppState,
    by: &'static str,
    subject: &Subject,
    call: &VendorRevocation,
) -> Result<(), ConnectorFault> {
    let result = call.send().await;
    let (outcome, reason) = match result {
        Ok(()) => ("granted", ""),
        Err(fault @ ConnectorFault::Rejected(_)) => ("refused", fault.reason()),
        Err(fault) => ("unavailable", fault.reason()),
    };
    report(state, by, Some(subject), &call.widget, (outcome, reason));
    result
}

fn report(
    state: &AppState,
    method: &'static str,
    subject: Option<&Subject>,
    widget: &str,
    (outcome, reason): (&'static str, &'static str),
) {
    if !reason.is_empty() {
        tracing::warn!(
            widget,
            reason,
            "the vendor could not be told to end a visitor's tokens; there they are good until they end"
        );
    }
    let what = "vendor_revocation";
    state.report(&Event { request_id: "", what, outcome, reason, method, subject, widget, client: None });
}
