//! From settings to what requests are answered with: here clients, stores and keys begin to live, and whatever can fail at
//! a start fails. What a change of settings leaves as it was is handed on alive.

use std::sync::Arc;

use super::StartError;
use crate::app::config::{LOGIN, NETWORK, Settings};
use crate::base::clock::Clock;
use crate::http::guard::Guard;
use crate::http::introspect;
use crate::http::state::Snapshot;
use crate::issuance::introspection::Introspection;
use crate::issuance::revocation::Revocations;
use crate::issuance::{Issuer, Widgets, verifier};
use crate::jose::keyring::key_set;
use crate::login::{self, LoginLimits, LoginService};
use crate::sources::plan::Collaborators;
use crate::sources::{Chain, part_of};
use crate::store::Stores;
use crate::widget::{self, Widget};

/// What outlives every change of settings.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lasting<'a> {
    /// How often somebody may try to log in.
    pub(super) limits: &'a Arc<LoginLimits>,
    /// The stores that are open.
    pub(super) stores: &'a Stores,
    /// Time.
    pub(super) clock: &'a Clock,
}

/// The snapshot of these settings. What lives in `before` and has not changed is used on: clients, key sets, verdicts,
/// breakers.
pub(super) fn snapshot(
    settings: Settings,
    lasting: Lasting<'_>,
    before: Option<&Snapshot>,
) -> Result<Snapshot, StartError> {
    test_keys(&settings, lasting.clock)?;
    let is_same = |parts: &[&str]| before.filter(|before| settings.reading.is_same(&before.reading, parts));
    let login = match (&settings.login, is_same(&[NETWORK, LOGIN]).and_then(|before| before.login.clone())) {
        (None, _) => None,
        (Some(_), Some(living)) => Some(living),
        (Some(wanted), None) => Some(build_login(wanted, lasting)?),
    };
    let with = Collaborators {
        outbound: &settings.shared.outbound,
        proxies: &settings.proxies,
        clock: lasting.clock,
        login: login.as_ref().map(|login| &login.sessions),
    };
    let chain = settings.sources.build(&with, &|name| {
        // The sessions of our own login are the login's, whatever became of that.
        let before = is_same(&[NETWORK, &part_of(name)]).filter(|_| name != crate::sources::login::NAME)?;
        before.issuer.chain().get(name).cloned()
    });
    let chain = chain.map_err(|(name, problem)| StartError::Source { name, problem })?;
    let living = |widget: &widget::Settings| {
        is_same(&[NETWORK, &widget.part()]).and_then(|before| before.widgets.get(Some(&widget.name)))
    };
    let widgets = settings.widgets.iter().map(|widget| {
        let made = Widget::new(widget.clone(), &settings.shared.outbound, lasting.clock, living(widget));
        made.map_err(|problem| StartError::Widget { name: widget.name.clone(), problem })
    });
    let widgets: Vec<Widget> = widgets.collect::<Result<_, _>>()?;
    let store = settings.place.as_ref().map(|place| lasting.stores.at(place, lasting.clock));
    let revocations =
        store.clone().map(|store| Arc::new(Revocations::new(store, settings.skew, lasting.clock.clone())));
    let introspection = settings.introspection.clone().zip(store.clone()).zip(revocations.clone()).map(
        |((introspect::Settings { callers, one_time }, store), revocations)| {
            (callers, Introspection { one_time, store, revocations, clock: lasting.clock.clone() })
        },
    );
    let mut origins = settings.origins.clone();
    origins.page_headers = chain.sent_by_pages().chain(settings.token.required_header().cloned()).collect();
    Ok(Snapshot {
        mount: settings.mount(),
        login,
        introspection,
        revokers: settings.revokers,
        revocations,
        store,
        guard: Guard::new(chain.guarded()),
        heads: settings.heads,
        tls: settings.tls,
        key_set: key_set(widgets.iter().filter_map(|widget| widget.keyring())).to_string(),
        issuer: Issuer::new(chain, lasting.clock.clone(), settings.skew),
        widgets: Widgets::new(widgets),
        origins,
        token: settings.token,
        routes: settings.routes,
        proxies: settings.proxies,
        reading: settings.reading,
    })
}

/// The session sources alone, for a command that asks what they go by. Nothing is fetched or opened.
///
/// # Errors
/// [`StartError`] when one of them cannot work.
pub fn chain(settings: &Settings, clock: &Clock) -> Result<Chain, StartError> {
    let store = |login: &login::Settings| login.sessions(Stores::default().at(&login.place, clock), clock.clone());
    let sessions = settings.login.as_ref().map(store);
    let (outbound, proxies) = (&settings.shared.outbound, &settings.proxies);
    let with = Collaborators { outbound, proxies, clock, login: sessions.as_ref() };
    settings.sources.build(&with, &|_| None).map_err(|(name, problem)| StartError::Source { name, problem })
}

fn test_keys(settings: &Settings, clock: &Clock) -> Result<(), StartError> {
    settings.widgets.iter().try_for_each(|widget| {
        let tested = verifier::self_test(widget, clock);
        tested.map_err(|problem| StartError::SelfTest(format!("widget `{}`: {problem}", widget.name)))
    })
}

fn build_login(settings: &login::Settings, lasting: Lasting<'_>) -> Result<Arc<LoginService>, StartError> {
    let store = lasting.stores.at(&settings.place, lasting.clock);
    let sessions = settings.sessions(store, lasting.clock.clone());
    let service = LoginService::new(settings.clone(), sessions, lasting.limits, lasting.clock);
    service.map(Arc::new).map_err(StartError::Login)
}
