//! One request on its way: the snapshot it is answered with, and what becomes of it when nobody waits for the answer.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;

use super::problem::Problem;
use super::refusals::Refused;
use super::request_id::RequestId;
use super::routes::Route;
use super::state::{AppState, Snapshot};
use crate::net::peer::Peer;
use crate::observe::audit::Record;

/// A request that is being answered.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// What lives on.
    pub state: &'a Arc<AppState>,
    /// What it is answered with, from the first look at it to the last.
    pub snapshot: &'a Snapshot,
    /// Its name.
    pub id: &'a RequestId,
    /// When it came.
    pub began: Duration,
    /// Whence it came.
    pub client: Option<IpAddr>,
}

impl<'a> Call<'a> {
    /// This request, at this moment.
    #[must_use]
    pub fn new(state: &'a Arc<AppState>, snapshot: &'a Snapshot, id: &'a RequestId, request: &Request) -> Self {
        let peer = request.extensions().get::<Peer>();
        let client = peer.map(|peer| snapshot.proxies.client(*peer, request.headers()));
        if client.is_some_and(|client| client.contradiction) {
            state.metrics.forwarded_contradictions.inc();
        }
        let client = client.and_then(|client| client.address);
        Self { state, snapshot, id, began: state.clock.monotonic(), client }
    }

    /// How long it has taken so far.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.state.clock.monotonic().saturating_sub(self.began)
    }

    /// Counts a refusal, and keeps it for whoever asks why there was no token. `source` is who had found somebody, if one had.
    pub fn refused(&self, widget: &str, source: &'static str, problem: &Problem) {
        self.state.metrics.refused(widget, problem.code(), problem.reason());
        let status = Some(problem.status().as_u16());
        let answer = (status, problem.code(), problem.reason());
        self.state.refusals.note(Refused { source, why: problem.why(), ..self.unanswered(widget, answer) });
    }

    fn unanswered(&self, widget: &str, (status, code, reason): (Option<u16>, &'static str, &'static str)) -> Refused {
        let (request, widget) = (self.id.as_str().to_owned(), widget.to_owned());
        let (at, took) = (self.state.clock.now(), self.took());
        Refused { request, at, widget, source: "", status, code, reason, why: String::new(), took }
    }

    /// A record of what came of it.
    #[must_use]
    pub fn record<'r>(&'r self, widget: &'r str, outcome: &'static str, reason: &'static str) -> Record<'r> {
        Record {
            request_id: self.id.as_str(),
            outcome,
            reason,
            widget,
            source: "",
            subject: None,
            token_id: "",
            token_hash: "",
            key_id: "",
            expires_at: 0,
            client: self.client,
            took: self.took(),
        }
    }
}

/// Holds a request's place among those being answered. Dropped before [`Flight::land`], it means that the visitor has hung up.
#[derive(Debug)]
pub struct Flight<'a> {
    call: Call<'a>,
    route: Route,
    landed: bool,
}

impl<'a> Flight<'a> {
    /// Begins to answer.
    #[must_use]
    pub fn begin(call: Call<'a>, route: Route) -> Self {
        call.state.metrics.in_flight.inc();
        Self { call, route, landed: false }
    }

    /// There is an answer.
    pub fn land(mut self) {
        self.landed = true;
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let Call { state, snapshot, .. } = self.call;
        state.metrics.in_flight.dec();
        if self.landed {
            return;
        }
        let widget = self.route.widget().and_then(|at| snapshot.widgets.at(at)).map(|widget| widget.name.as_str());
        state.metrics.refused(widget.unwrap_or_default(), "hung_up", "client_closed");
        state.refusals.note(self.call.unanswered(widget.unwrap_or_default(), (None, "hung_up", "client_closed")));
        if let Some(widget) = widget {
            state.audit.record(&self.call.record(widget, "hung_up", "client_closed"));
        }
    }
}
