//! From a configuration to a running service. Every start-up failure happens here, before the first visitor.

mod background;
pub mod changes;
pub mod config;

use std::collections::BTreeSet;
use std::future::{Future, pending};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use tokio::sync::watch;

use self::background::Hangups;
use self::changes::Change;
use crate::app::config::Config;
use crate::base::clock::Clock;
use crate::config::env::{Mistake, Mistakes};
use crate::http::admin::Admin;
use crate::http::guard::Guard;
use crate::http::listen::{Listener, Timeouts, serve};
use crate::http::service::HttpService;
use crate::http::state::{AppState, Snapshot};
use crate::issuance::Widgets;
use crate::issuance::verifier;
use crate::jose::keyring::key_set;
use crate::login::{LoginLimits, LoginService};
use crate::observe::audit::Audit;
use crate::observe::audit::settings::{AUDIT_LOG, AuditSettings};
use crate::observe::metrics::ReloadLabels;
use crate::store::Store;
use crate::widget::Widget;

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
/// How often idle visitors are forgotten.
const SWEEP_EVERY: Duration = Duration::from_mins(1);

/// A service that is ready to listen.
#[derive(Debug)]
pub struct App {
    /// The public side.
    pub state: Arc<AppState>,
    /// Its routes.
    pub service: HttpService,
    /// The operations side.
    pub admin: Admin,
    /// The sessions of our own login, when there is one.
    pub store: Option<Store>,
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
    /// An address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] std::io::Error),
}

impl App {
    /// Puts the parts together and tests every key.
    ///
    /// # Errors
    /// [`StartError::SelfTest`] when a key does not sign what its own verifier accepts.
    pub fn new(config: Config, clock: &Clock) -> Result<Self, StartError> {
        let files = config.reading.files.clone();
        let names = config.admin_names.clone();
        let limits = Arc::new(LoginLimits::new(clock));
        let (snapshot, audit, limiter) = take_apart(config, &limits, clock)?;
        let audit = Audit::start(&audit, clock.clone()).map_err(no_audit)?;
        let store = snapshot.login.as_ref().map(|login| login.sessions.store().clone());
        let state = Arc::new(AppState::new(snapshot, audit, limiter, limits, clock.clone()));
        let service = HttpService::new(state.clone());
        let admin = Admin::new(state.clone(), names);
        Ok(Self { state, service, admin, store, files })
    }

    /// Serves both listeners until `stop` completes.
    ///
    /// # Errors
    /// [`StartError::Listen`] when an address is taken or not ours.
    pub async fn serve(
        self,
        listeners: Listeners,
        reread: ReadConfig,
        stop: impl Future<Output = ()>,
    ) -> Result<(), StartError> {
        if let Some(store) = &self.store {
            store.open().await.map_err(StartError::Store)?;
        }
        let (stopping, stopped) = watch::channel(false);
        let wait = |mut stopped: watch::Receiver<bool>| async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        };
        let service = self.service.clone();
        let state = tokio::spawn(serve(
            listeners.public,
            Timeouts::DEFAULT,
            move |request| {
                let service = service.clone();
                async move { service.handle(request).await }
            },
            wait(stopped.clone()),
        ));
        let admin = listeners.admin.map(|listener| {
            let admin = self.admin.clone();
            let answer = move |request| {
                let admin = admin.clone();
                async move { admin.handle(request).await }
            };
            tokio::spawn(serve(listener, Timeouts::DEFAULT, answer, wait(stopped.clone())))
        });
        let chores = tokio::spawn(look_after(self.state.clone(), self.files, reread));
        // Until everybody who must be asked has answered once, visitors are better sent elsewhere. Never again after that: an
        // identity provider that is down for a moment must not take every replica with it.
        tokio::select! {
            () = stop => {}
            () = async {
                warm(&self.state).await;
                self.admin.set_ready(true);
                pending::<()>().await;
            } => {}
        }
        // Probes see "not ready" first, while requests that already came are still answered.
        self.admin.set_ready(false);
        let _ = stopping.send(true);
        let _ = state.await;
        if let Some(admin) = admin {
            let _ = admin.await;
        }
        chores.abort();
        self.state.audit.flush();
        Ok(())
    }
}

/// How soon what could not be fetched is asked for again; after the last of them, every time.
const WARM_AGAIN: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(5), Duration::from_secs(15)];

/// Fetches what can be fetched before the first visitor comes, and does not give up.
async fn warm(state: &AppState) {
    let mut pauses = WARM_AGAIN.into_iter().chain(std::iter::repeat(WARM_AGAIN[3]));
    while !warm_once(&state.snapshot()).await {
        tokio::time::sleep(pauses.next().unwrap_or_default()).await;
    }
}

/// Whether everybody who must be asked about visitors has answered.
async fn warm_once(snapshot: &Snapshot) -> bool {
    let sources = snapshot.issuer.chain().warm().await.map_err(|outage| (outage.source_name, outage.reason));
    let login = match &snapshot.login {
        Some(service) => service.warm().await.map_err(|reason| ("login", reason)),
        None => Ok(()),
    };
    let warmed = sources.and(login);
    if let Err((source, reason)) = warmed {
        tracing::warn!(source, reason, "who must be asked about visitors could not be asked");
    }
    warmed.is_ok()
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
    /// Binds what the configuration names.
    ///
    /// # Errors
    /// The system's, with the address.
    pub async fn bind(config: &Config) -> std::io::Result<Self> {
        let public = Listener::bind(&config.listen).await?;
        let admin = match &config.admin_listen {
            Some(address) => Some(Listener::bind(address).await?),
            None => None,
        };
        Ok(Self { public, admin })
    }
}

fn no_audit(problem: String) -> Mistakes {
    Mistakes(vec![Mistake { variable: AUDIT_LOG.name.to_owned(), problem }])
}

type Taken = (Snapshot, AuditSettings, crate::store::limits::Limiter);

fn take_apart(config: Config, limits: &Arc<LoginLimits>, clock: &Clock) -> Result<Taken, StartError> {
    for widget in &config.widgets {
        let tested = verifier::self_test(widget, clock);
        tested.map_err(|problem| StartError::SelfTest(format!("widget `{}`: {problem}", widget.name)))?;
    }
    let mount = config.mount();
    let login = config.login.map(|login| LoginService::new(login.settings, login.sessions, limits, clock));
    let login = login.transpose().map_err(StartError::Login)?.map(Arc::new);
    let snapshot = Snapshot {
        mount,
        login,
        guard: Guard::new(config.issuer.chain().guarded()),
        key_set: key_set(config.widgets.iter().filter_map(Widget::keyring)).to_string(),
        issuer: config.issuer,
        widgets: Widgets::new(config.widgets),
        origins: config.origins,
        token: config.token,
        routes: config.routes,
        proxies: config.proxies,
        reading: config.reading,
    };
    Ok((snapshot, config.audit, config.limiter))
}

/// How the configuration is read again when a file has changed.
pub type ReadConfig = Box<dyn Fn() -> Result<Config, Mistakes> + Send + Sync>;

/// Its name in metrics and in the log.
const CHORES: &str = "chores";

async fn look_after(state: Arc<AppState>, files: BTreeSet<PathBuf>, reread: ReadConfig) {
    background::supervised(&state, CHORES, || chores(&state, files.clone(), &reread)).await;
}

async fn chores(state: &AppState, mut files: BTreeSet<PathBuf>, reread: &ReadConfig) {
    let mut hangups = Hangups::listen();
    let mut seen = fingerprint(&files).await;
    let mut since_sweep = Duration::ZERO;
    loop {
        background::beat(state, CHORES);
        let asked = hangups.within(RELOAD_EVERY).await;
        if asked {
            tracing::info!("asked to read and open everything anew");
            state.audit.reopen();
        }
        state.metrics.beat(state.clock.now());
        since_sweep += RELOAD_EVERY;
        if since_sweep >= SWEEP_EVERY {
            since_sweep = Duration::ZERO;
            state.limiter.forget_idle();
            sweep(state).await;
        }
        if fingerprint(&files).await != seen || asked {
            let Some(now) = settled(&files).await else { continue };
            // What changes while the change is being read is another change, so it is the old look that counts as seen.
            seen = now;
            if let Some(new_files) = reload(state, reread).await {
                files = new_files;
            }
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
pub async fn reload(state: &AppState, reread: &ReadConfig) -> Option<BTreeSet<PathBuf>> {
    let replaced = replace(state, reread).await;
    let outcome = if replaced.is_ok() { "applied" } else { "refused" };
    state.metrics.reloads.get_or_create(&ReloadLabels { outcome }).inc();
    match replaced {
        Ok((files, changes)) => {
            changes::report(&changes);
            Some(files)
        }
        Err(problem) => {
            tracing::error!(%problem, "changed files were refused; the old configuration stays in force");
            None
        }
    }
}

async fn replace(state: &AppState, reread: &ReadConfig) -> Result<(BTreeSet<PathBuf>, Vec<Change>), StartError> {
    let config = reread()?;
    let files = config.reading.files.clone();
    let changes = changes::between(&state.snapshot().reading, &config.reading);
    let (snapshot, ..) = take_apart(config, &state.login_limits, &state.clock)?;
    if let Some(login) = &snapshot.login {
        login.sessions.store().open().await.map_err(StartError::Store)?;
    }
    let _ = tokio::time::timeout(WARM_FOR, warm_once(&snapshot)).await;
    state.replace(snapshot);
    Ok((files, changes))
}

/// Forgets sessions that have ended and attempts that are long past.
async fn sweep(state: &AppState) {
    state.login_limits.forget_idle();
    let Some(login) = &state.snapshot().login else { return };
    if let Err(down) = login.sessions.store().sweep().await {
        tracing::warn!(reason = down.reason(), "ended sessions could not be swept");
    }
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
