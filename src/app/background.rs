//! What runs beside the requests: a task that ends, for whatever reason, says so and begins anew, and its heartbeat is a
//! metric, so that one that hangs is seen too.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::http::state::AppState;
use crate::observe::metrics::TaskLabels;

/// How long a task that ended rests before it begins anew.
const REST: Duration = Duration::from_secs(1);

/// Runs a task that is not to end, again and again.
pub(super) async fn supervised<T: Future<Output = ()>>(state: &AppState, task: &'static str, begin: impl Fn() -> T) {
    loop {
        let ended = AssertUnwindSafe(begin()).catch_unwind().await;
        state.metrics.task_restarts.get_or_create(&TaskLabels { task }).inc();
        tracing::error!(task, panicked = ended.is_err(), "a background task ended; it begins anew");
        tokio::time::sleep(REST).await;
    }
}

/// Says that a task is alive.
pub(super) fn beat(state: &AppState, task: &'static str) {
    let now = i64::try_from(state.clock.now().0).unwrap_or(i64::MAX);
    state.metrics.task_heartbeats.get_or_create(&TaskLabels { task }).set(now);
}

/// SIGHUP, which asks us to read and open everything anew.
pub(super) struct Hangups(Option<Signal>);

impl Hangups {
    pub(super) fn listen() -> Self {
        Self(signal(SignalKind::hangup()).ok())
    }

    /// Waits for one, but no longer than `most`; whether one came.
    pub(super) async fn within(&mut self, most: Duration) -> bool {
        let Some(signal) = &mut self.0 else {
            tokio::time::sleep(most).await;
            return false;
        };
        tokio::time::timeout(most, signal.recv()).await.is_ok()
    }
}
