//! One secret, or two while they are rotated, and a refusal that is remembered: a secret that is refused stays refused
//! until somebody acts, so after a few refusals in a row the vendor is asked only now and then.

use std::sync::atomic::{AtomicUsize, Ordering};

use secrecy::SecretString;

use crate::base::clock::Clock;
use crate::connector::{ConnectorFault, Rejection};
use crate::net::outbound::{Breaker, Outcome};

/// The secrets of one widget's vendor.
#[derive(Debug)]
pub struct Secrets {
    /// One or two; never empty.
    list: Vec<SecretString>,
    /// Index of the one that was accepted last.
    accepted: AtomicUsize,
    breaker: Breaker,
}

impl Secrets {
    /// These secrets, of which the first is tried first; `None` without any.
    #[must_use]
    pub fn new(list: Vec<SecretString>, clock: &Clock) -> Option<Self> {
        let breaker = Breaker::new(clock.clone());
        (!list.is_empty()).then_some(Self { list, accepted: AtomicUsize::new(0), breaker })
    }

    /// The secrets in the order in which they are to be tried.
    pub fn in_order(&self) -> impl Iterator<Item = (usize, &SecretString)> + Send {
        let first = self.accepted.load(Ordering::Relaxed);
        (0..self.list.len()).map(move |step| (first + step) % self.list.len()).map(|index| (index, &self.list[index]))
    }

    /// Remembers which secret the vendor accepts.
    pub fn accept(&self, index: usize) {
        if self.accepted.swap(index, Ordering::Relaxed) != index {
            tracing::warn!("the vendor refuses one of the two API keys; the other one is used from now on");
        }
    }

    /// Runs an exchange unless secrets keep being refused.
    ///
    /// # Errors
    /// The exchange's own, or that it is not tried at present.
    pub async fn guard<T>(
        &self,
        exchange: impl Future<Output = Result<T, ConnectorFault>>,
    ) -> Result<T, ConnectorFault> {
        const REFUSED: ConnectorFault = ConnectorFault::Rejected(Rejection::BadSecret);
        let Ok(turn) = self.breaker.admit() else { return Err(REFUSED) };
        let result = exchange.await;
        match &result {
            Ok(_) => turn.settle(Outcome::Well),
            Err(fault) if *fault == REFUSED => turn.settle(Outcome::Failed),
            Err(_) => drop(turn),
        }
        result
    }

    /// Whether they are known to be refused.
    #[must_use]
    pub fn is_resting(&self) -> bool {
        self.breaker.is_open()
    }
}
