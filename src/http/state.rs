//! What requests are answered with: the snapshot that a reload replaces, and what lives on.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arc_swap::ArcSwap;

use super::bearer::BearerSecrets;
use super::guard::Guard;
use super::head::HeadLimits;
use super::inspection::Inspections;
use super::listen::tls::Tls;
use super::origin::OriginRules;
use super::refusals::Refusals;
use super::request_id::RequestIds;
use super::routes::Routes;
use super::rules::TokenRules;
use crate::base::clock::Clock;
use crate::config::env::Reading;
use crate::issuance::introspection::Introspection;
use crate::issuance::revocation::Revocations;
use crate::issuance::vendor_revocation::InFlight;
use crate::issuance::{Issuer, Widgets};
use crate::login::{LoginLimits, LoginService};
use crate::net::peer::TrustedProxies;
use crate::observe::audit::{Audit, Event};
use crate::observe::metrics::{LoginLabels, Metrics};
use crate::store::limits::Limiter;
use crate::store::{Store, Stores};

/// Everything that a change of files can change. Replaced as a whole, never in part.
#[derive(Debug)]
pub struct Snapshot {
    /// Who decides.
    pub issuer: Issuer,
    /// For which widgets.
    pub widgets: Widgets,
    /// What no request may carry.
    pub guard: Guard,
    /// What the listener shows and asks for; `None` for plain HTTP.
    pub tls: Option<Arc<Tls>>,
    /// How much a request may carry.
    pub heads: HeadLimits,
    /// Which pages may ask.
    pub origins: OriginRules,
    /// How they must ask.
    pub token: TokenRules,
    /// Where every path leads.
    pub routes: Routes,
    /// Whose word about addresses counts.
    pub proxies: TrustedProxies,
    /// The key set, ready to send.
    pub key_set: String,
    /// The path under which the organisation's site routes to us; empty at the root.
    pub mount: String,
    /// Who may ask about tokens, and what answers them; nothing when nobody may.
    pub introspection: Option<(BearerSecrets, Introspection)>,
    /// Who may end everything of a subject.
    pub revokers: Option<BearerSecrets>,
    /// Whose tokens and sessions have been ended; nothing where there is no store to remember it in.
    pub revocations: Option<Arc<Revocations>>,
    /// The shared state, where there is any.
    pub store: Option<Store>,
    /// Our own login, when there is one.
    pub login: Option<Arc<LoginService>>,
    /// What took effect, and what to know about it, for the console.
    pub reading: Reading,
}

/// The public side of the service.
#[derive(Debug)]
pub struct AppState {
    snapshot: ArcSwap<Snapshot>,
    /// One record per decision.
    pub audit: Audit,
    /// What is counted.
    pub metrics: Metrics,
    /// How often one visitor may ask. Not part of what reloads, so that touching a file gives nobody a new allowance.
    pub limiter: Limiter,
    /// Time.
    pub clock: Clock,
    /// How often somebody may try to log in. Not part of what reloads either.
    pub login_limits: Arc<LoginLimits>,
    /// The stores that are open. Not part of what reloads either.
    pub stores: Stores,
    /// Names for requests.
    pub ids: RequestIds,
    /// What reaches us of an operator's own requests.
    pub inspections: Inspections,
    /// The latest refusals, for an operator who asks why.
    pub refusals: Refusals,
    /// Calls to vendors that nobody waits for.
    pub vendor_calls: InFlight,
    /// Whether somebody has been told that visitors look for us elsewhere.
    pub hinted: AtomicBool,
}

impl AppState {
    /// Puts it together.
    #[must_use]
    pub fn new(
        snapshot: Snapshot,
        audit: Audit,
        limiter: Limiter,
        login_limits: Arc<LoginLimits>,
        stores: Stores,
        clock: Clock,
    ) -> Self {
        let (metrics, ids) = (Metrics::new(audit.counts()), RequestIds::default());
        know(&metrics, &snapshot);
        let snapshot = ArcSwap::from_pointee(snapshot);
        let (inspections, refusals, hinted) = (Inspections::default(), Refusals::default(), AtomicBool::new(false));
        let vendor_calls = InFlight::default();
        Self {
            snapshot,
            audit,
            metrics,
            limiter,
            clock,
            login_limits,
            stores,
            ids,
            inspections,
            refusals,
            vendor_calls,
            hinted,
        }
    }

    /// The snapshot in force. A request keeps those it began with.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Puts another snapshot in force for requests that begin from now on.
    pub fn replace(&self, snapshot: Snapshot) {
        know(&self.metrics, &snapshot);
        self.snapshot.store(Arc::new(snapshot));
    }

    /// Writes down and counts what happens at our own login.
    pub fn report(&self, event: &Event<'_>) {
        let labels = LoginLabels { what: event.what, outcome: event.outcome, reason: event.reason };
        self.metrics.logins.get_or_create(&labels).inc();
        self.audit.event(event);
    }
}

/// Puts the series of what there is at nought.
fn know(metrics: &Metrics, snapshot: &Snapshot) {
    let widgets: Vec<&str> = snapshot.widgets.iter().map(|widget| widget.name.as_str()).collect();
    let sources: Vec<&'static str> = snapshot.issuer.chain().names().collect();
    metrics.know(&widgets, &sources);
}
