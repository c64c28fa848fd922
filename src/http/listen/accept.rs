//! When no connection can be accepted: said once when it begins and once when it is over, and tried without haste in between.

use std::io;
use std::time::Duration;

use tokio::time::Instant;

use super::places::Places;

/// How soon it is tried again. Trying at once would take a whole core and bring nothing.
const AGAIN: Duration = Duration::from_millis(50);
/// How long it must have worked until it is over: a descriptor that comes free at the limit lets one connection in, and no more.
const CALM: Duration = Duration::from_secs(5);

/// Whether connections can be accepted at present.
#[derive(Debug, Default)]
pub(super) struct Accepting {
    /// When it last failed, until that is over.
    failed: Option<Instant>,
}

impl Accepting {
    /// One was accepted.
    pub(super) fn works(&mut self, places: &Places) {
        if self.failed.is_some_and(|failed| failed.elapsed() >= CALM) {
            self.failed = None;
            places.set_scarce(false);
            tracing::info!("connections can be accepted again");
        }
    }

    /// One was not.
    pub(super) async fn fails(&mut self, problem: &io::Error, places: &Places) {
        // The other side's doing, and no concern of those that wait behind it.
        if matches!(problem.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
            return;
        }
        places.counts().accept_errors.inc();
        if self.failed.is_none() {
            // Resting connections hold what is short, descriptors in nearly all cases.
            places.set_scarce(true);
            tracing::error!(%problem, "no connection can be accepted: raise the limit of open files (LimitNOFILE, ulimit -n) or lower CONNECTIONS_MAX");
        }
        self.failed = Some(Instant::now());
        tokio::time::sleep(AGAIN).await;
    }
}
