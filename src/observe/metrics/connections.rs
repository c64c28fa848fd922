//! What a listener counts.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Connections of one listener.
#[derive(Debug, Clone, Default)]
pub struct Connections {
    /// Open ones.
    pub open: Gauge,
    /// How many there may be.
    pub limit: Gauge,
    /// Bytes of heads that are not whole yet.
    pub head_bytes: Gauge,
    /// Attempts to accept one that failed for want of something.
    pub accept_errors: Counter,
    shed: Family<ShedLabels, Counter>,
}

/// Why somebody was turned away before a request was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shed {
    /// Every place is taken.
    Full,
    /// The address holds as many places as it may.
    Address,
    /// Unfinished heads take as much memory as they may.
    Memory,
}

impl Shed {
    fn labels(self) -> ShedLabels {
        let reason = match self {
            Self::Full => "full",
            Self::Address => "address",
            Self::Memory => "memory",
        };
        ShedLabels { reason }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ShedLabels {
    reason: &'static str,
}

impl Connections {
    /// At nought, in this registry.
    pub(super) fn added(to: &mut Registry) -> Self {
        let all = Self::default();
        to.register("http_connections", "Open connections of visitors", all.open.clone());
        to.register("http_connections_limit", "How many there may be", all.limit.clone());
        to.register("http_head_bytes", "Memory that unfinished heads take", all.head_bytes.clone());
        to.register("http_accept_errors", "Connections that could not be accepted", all.accept_errors.clone());
        to.register("http_shed", "Answered 503 because there was no room", all.shed.clone());
        for reason in [Shed::Full, Shed::Address, Shed::Memory] {
            all.shed.get_or_create_owned(&reason.labels());
        }
        all
    }

    /// Counts somebody who was turned away.
    pub fn shed(&self, why: Shed) {
        self.shed.get_or_create(&why.labels()).inc();
    }
}
