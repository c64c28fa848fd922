//! From a configuration to a running service. Every start-up failure happens here, before the first visitor.

mod background;
pub mod build;
pub mod changes;
pub mod config;
pub mod descriptors;
pub mod supervisor;
mod sweeps;

use std::collections::BTreeSet;
use std::future::{Future, pending};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::background::Hangups;
use self::build::Lasting;
use self::changes::Change;
use self::supervisor::{Inherited, Supervisor};
use self::sweeps::{SWEEPS, sweeps};
use crate::app::config::Settings;
use crate::base::clock::Clock;
use crate::config::env::{Mistake, Mistakes};
use crate::http::admin::Admin;
use crate::http::listen::{Address, ConnectionLimits, Listener, ListenerOptions, ReceivedRequest, serve};
use crate::http::service::HttpService;
use crate::http::state::{AppState, Snapshot};
use crate::login::LoginLimits;
use crate::observe::audit::settings::AUDIT_LOG;
use crate::observe::audit::{Audit, Change as AuditChange};
use crate::observe::metrics::ReloadLabels;
use crate::store::limits::Limiter;
use crate::store::{Store, Stores};

/// How often files are looked at. Reading and comparing survives what notifications do not: symlinks that are swapped,
/// and file systems that send none.
const RELOAD_EVERY: Duration = Duration::from_secs(5);
/// How long a file must stay as it is before it is read: what is still being written is not the new value.
const SETTLED_FOR: Duration = Duration::from_millis(300);
/// How often a change is looked at before it is left to the next round.
const LOOKS: u32 = 10;
/// How long a reload waits for those whom sources must ask. It does not depend on them: a secret that must not be used any
/// more is out of use even while an identity provider is down.
const WARM_FOR: Duration = Duration::from_secs(3);

/// How long the end takes after the last request: audit log, stores, and a little.
pub const END_WITHIN: Duration = Duration::from_secs(10);
/// The operations side's places, which visitors cannot take.
const ADMIN_CONNECTIONS: usize = 128;

/// A service that is ready to listen.
#[derive(Debug)]
pub struct App {
    /// The public side.
    pub state: Arc<AppState>,
    /// Its routes.
    pub service: HttpService,
    /// The operations side.
    pub admin: Admin,
    /// The shared state, where there is any.
    pub store: Option<Store>,
    /// Who is told how things stand.
    pub supervisor: Arc<Supervisor>,
    limits: ConnectionLimits,
    shutdown_delay: Duration,
    files: BTreeSet<PathBuf>,
}

/// Why a checked configuration still cannot run.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is wrong.
    #[error(transparent)]
    Mistakes(#[from] Mistakes),
    /// A key does not do what it must.
    #[error("self-test failed: {0}")]
    SelfTest(String),
    /// The session store cannot be used.
    #[error("SESSION_STORE: {0}")]
    Store(String),
    /// Our own login cannot work.
    #[error("LOGIN: {0}")]
    Login(String),
    /// A session source cannot work.
    #[error("SESSION_SOURCES: {name}: {problem}")]
    Source {
        /// Its name.
        name: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// A widget cannot work.
    #[error("widget `{name}`: {problem}")]
    Widget {
        /// Its name.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// An address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] std::io::Error),
}

impl App {
    /// Puts the parts together and tests every key.
    ///
    /// # Errors
    /// [`StartError::SelfTest`] when a key does not sign what its own verifier accepts.
    pub fn new(settings: Settings, clock: &Clock) -> Result<Self, StartError> {
        let files = settings.reading.files.clone();
        let (names, shutdown_delay, limits) =
            (settings.admin_names.clone(), settings.shutdown_delay, settings.connections);
        let (audit, limiter) = (settings.audit.clone(), Limiter::new(settings.rate, clock));
        let (logins, stores) = (Arc::new(LoginLimits::new(clock)), Stores::default());
        let snapshot = build::snapshot(settings, Lasting { limits: &logins, stores: &stores, clock }, None)?;
        let audit = Audit::start(&audit, clock.clone()).map_err(no_audit)?;
        let store = snapshot.store.clone();
        let state = Arc::new(AppState::new(snapshot, audit, limiter, logins, stores, clock.clone()));
        changes::show_keys(&state);
        let service = HttpService::new(state.clone());
        let admin = Admin::new(state.clone(), names);
        let supervisor = Arc::default();
        Ok(Self { state, service, admin, store, supervisor, limits, shutdown_delay, files })
    }

    /// Serves both listeners until `stop` completes.
    ///
    /// # Errors
    /// [`StartError::Listen`] when an address is taken or not ours.
    pub async fn serve(
        self,
        listeners: Listeners,
        reread: ReadSettings,
        stop: impl Future<Output = ()>,
    ) -> Result<(), StartError> {
        if let Some(store) = &self.store {
            store.open().await.map_err(StartError::Store)?;
        }
        let (stopping, stopped) = watch::channel(false);
        let (closing, closed) = watch::channel(false);
        let public = self.serve_public(listeners.public, stopped);
        let admin = listeners.admin.map(|listener| self.serve_admin(listener, closed));
        self.state.audit.change(&AuditChange { what: "start", outcome: "done", ..AuditChange::default() });
        let chores = tokio::spawn(look_after(self.state.clone(), self.supervisor.clone(), self.files, reread));
        self.supervisor.ready();
        // Until every dependency has answered once, visitors are better sent elsewhere. Never again after that: an
        // identity provider that is down for a moment must not take every replica with it.
        tokio::select! {
            () = stop => {}
            () = async {
                warm(&self.state, &self.admin).await;
                pending::<()>().await;
            } => {}
        }
        self.supervisor.stopping(self.shutdown_delay + self.limits.grace + END_WITHIN);
        // Probes see "not ready" first, while requests that already came are still answered.
        self.admin.set_ready(false);
        tokio::time::sleep(self.shutdown_delay).await;
        let _ = stopping.send(true);
        let _ = public.await;
        let _ = tokio::time::timeout(END_WITHIN / 2, self.state.vendor_calls.wait()).await;
        // Operations can look on until the last visitor has gone.
        let _ = closing.send(true);
        if let Some(admin) = admin {
            let _ = admin.await;
        }
        chores.abort();
        self.state.audit.change(&AuditChange { what: "stop", outcome: "done", ..AuditChange::default() });
        self.state.audit.flush();
        Ok(())
    }

    fn serve_public(&self, listener: Listener, stopped: watch::Receiver<bool>) -> JoinHandle<()> {
        let service = self.service.clone();
        let answer = move |received| {
            let service = service.clone();
            async move { service.answer(received).await }
        };
        let state = self.state.clone();
        let options = ListenerOptions {
            limits: ConnectionLimits { most: descriptors::places(self.limits.most), ..self.limits },
            heads: self.state.snapshot().heads,
            counts: self.state.metrics.connections.clone(),
            is_proxy: {
                let state = state.clone();
                Arc::new(move |peer| state.snapshot().proxies.speaks_for_many(peer))
            },
            tls: Arc::new(move || state.snapshot().tls.clone()),
        };
        tokio::spawn(serve(listener, options, answer, said(stopped)))
    }

    fn serve_admin(&self, listener: Listener, stopped: watch::Receiver<bool>) -> JoinHandle<()> {
        let admin = self.admin.clone();
        let answer = move |received: ReceivedRequest| {
            let admin = admin.clone();
            async move {
                match received {
                    Ok(request) => admin.handle(request).await,
                    Err(refused) => refused.response(),
                }
            }
        };
        let limits = ConnectionLimits { most: ADMIN_CONNECTIONS, ..ConnectionLimits::DEFAULT };
        tokio::spawn(serve(listener, ListenerOptions { limits, ..ListenerOptions::default() }, answer, said(stopped)))
    }
}

/// Waits until it is said, or nobody is left to say it.
async fn said(mut word: watch::Receiver<bool>) {
    let _ = word.wait_for(|said| *said).await;
}

/// How soon what could not be fetched is asked for again; after the last of them, every time.
const WARM_AGAIN: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(5), Duration::from_secs(15)];

/// Fetches what can be fetched before the first visitor comes, and does not give up.
async fn warm(state: &AppState, admin: &Admin) {
    let mut pauses = WARM_AGAIN.into_iter().chain(std::iter::repeat(WARM_AGAIN[3]));
    loop {
        let missing = warm_once(&state.snapshot()).await;
        let ready = missing.is_empty();
        admin.wait_for(missing);
        if ready {
            return;
        }
        tokio::time::sleep(pauses.next().unwrap_or_default()).await;
    }
}

/// Which session sources, and whether the login, still lack what they need from others, and why.
async fn warm_once(snapshot: &Snapshot) -> Vec<String> {
    let outages = snapshot.issuer.chain().warm().await.err().unwrap_or_default();
    let mut missing: Vec<_> = outages.iter().map(|outage| (outage.source_name, outage.reason)).collect();
    if let Some(service) = &snapshot.login {
        missing.extend(service.warm().await.err().map(|reason| ("login", reason)));
    }
    if let Some(store) = snapshot.store.as_ref().filter(|_| snapshot.login.is_none()) {
        missing.extend(store.ping().await.err().map(|down| ("session store", down.reason())));
    }
    for (source, reason) in &missing {
        tracing::warn!(source, reason, "a session source could not be reached; it is tried again");
    }
    missing.into_iter().map(|(source, reason)| format!("source {source} ({reason})")).collect()
}

/// The bound listeners.
#[derive(Debug)]
pub struct Listeners {
    /// For visitors.
    pub public: Listener,
    /// For operations.
    pub admin: Option<Listener>,
}

impl Listeners {
    /// Binds what the settings name, but for what the service manager hands over.
    ///
    /// # Errors
    /// The system's, with the address; or sockets that are not what the settings name.
    pub fn bind(settings: &Settings, inherited: Inherited) -> std::io::Result<Self> {
        let opened = |address: &Address, inherited: Option<OwnedFd>| match inherited {
            Some(socket) => Listener::inherit(socket, address),
            None => Listener::bind(address),
        };
        let public = opened(&settings.listen, inherited.public)?;
        let admin = settings.admin_listen.as_ref().map(|address| opened(address, inherited.admin)).transpose()?;
        Ok(Self { public, admin })
    }
}

fn no_audit(problem: String) -> Mistakes {
    Mistakes(vec![Mistake::of(AUDIT_LOG.name, problem)])
}

/// How the settings are read again when a file has changed.
pub type ReadSettings = Box<dyn Fn() -> Result<Settings, Mistakes> + Send + Sync>;

/// Its name in metrics and in the log.
const CHORES: &str = "chores";

async fn look_after(state: Arc<AppState>, supervisor: Arc<Supervisor>, files: BTreeSet<PathBuf>, reread: ReadSettings) {
    tokio::join!(
        supervisor.stay_alive(),
        background::supervised(&state, CHORES, || chores(&state, &supervisor, files.clone(), &reread)),
        background::supervised(&state, SWEEPS, || sweeps(&state)),
    );
}

async fn chores(state: &AppState, supervisor: &Supervisor, mut files: BTreeSet<PathBuf>, reread: &ReadSettings) {
    let mut hangups = Hangups::listen();
    let mut seen = fingerprint(&files).await;
    loop {
        background::beat(state, CHORES);
        let asked = hangups.within(RELOAD_EVERY).await;
        if asked {
            tracing::info!("asked to read and open everything anew");
            supervisor.reloading();
            state.audit.reopen();
        }
        state.metrics.beat(state.clock.now());
        if fingerprint(&files).await != seen || asked {
            let Some(now) = settled(&files).await else {
                supervisor.ready();
                continue;
            };
            // What changes while the change is being read is another change, so it is the old look that counts as seen.
            seen = now;
            if let Some(new_files) = reload(state, reread).await {
                files = new_files;
            }
        }
        if asked {
            supervisor.ready();
        }
    }
}

/// The fingerprint of the files once they have stayed as they are for a moment.
async fn settled(files: &BTreeSet<PathBuf>) -> Option<Vec<u8>> {
    let mut last = fingerprint(files).await;
    for _ in 0..LOOKS {
        tokio::time::sleep(SETTLED_FOR).await;
        let now = fingerprint(files).await;
        if now == last {
            return Some(now);
        }
        last = now;
    }
    None
}

/// Validates the whole configuration again and swaps it in at once; keeps the old one when anything is wrong with the new.
pub async fn reload(state: &AppState, reread: &ReadSettings) -> Option<BTreeSet<PathBuf>> {
    let replaced = replace(state, reread).await;
    let outcome = if replaced.is_ok() { "applied" } else { "refused" };
    state.metrics.reloads.get_or_create(&ReloadLabels { outcome }).inc();
    state.metrics.last_reload.set(i64::try_from(state.clock.now().0).unwrap_or(i64::MAX));
    state.metrics.last_reload_success.set(replaced.is_ok().into());
    changes::show_keys(state);
    match replaced {
        Ok((files, changes)) => {
            changes::report(&changes);
            changes::record(&state.audit, &changes);
            Some(files)
        }
        Err(problem) => {
            let text = problem.to_string();
            let refused = AuditChange { what: "reload", outcome, problem: &text, ..AuditChange::default() };
            state.audit.change(&refused);
            tracing::error!(%problem, "changed files were refused; the old configuration stays in force");
            None
        }
    }
}

async fn replace(state: &AppState, reread: &ReadSettings) -> Result<(BTreeSet<PathBuf>, Vec<Change>), StartError> {
    let settings = reread()?;
    let files = settings.reading.files.clone();
    let before = state.snapshot();
    let changes = changes::between(&before.reading, &settings.reading);
    let lasting = Lasting { limits: &state.login_limits, stores: &state.stores, clock: &state.clock };
    let snapshot = build::snapshot(settings, lasting, Some(&before))?;
    if let Some(store) = &snapshot.store {
        store.open().await.map_err(StartError::Store)?;
    }
    let _ = tokio::time::timeout(WARM_FOR, warm_once(&snapshot)).await;
    state.replace(snapshot);
    Ok((files, changes))
}

async fn fingerprint(files: &BTreeSet<PathBuf>) -> Vec<u8> {
    let mut context = digest::Context::new(&digest::SHA256);
    for file in files {
        // A file that is being replaced may be missing for a moment; that too is a change, and the next look sees the end
        // of it.
        let bytes = tokio::fs::read(file).await.unwrap_or_default();
        context.update(digest::digest(&digest::SHA256, &bytes).as_ref());
    }
    context.finish().as_ref().to_vec()
}
