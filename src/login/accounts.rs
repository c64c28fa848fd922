//! Local accounts: for organisations without a login of their own, and for trying things out.

pub mod file;
pub mod name;
pub mod password;
pub mod store;
pub mod throttle;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::Semaphore;

use crate::config::env::Env;
use crate::login::accounts::password::PASSWORD_MOST;
use crate::login::accounts::store::AccountStore;
use crate::login::accounts::throttle::LoginThrottle;
use crate::session::identity::Identity;

crate::settings! {
    pub vars VARS {
        ACCOUNTS(secret),
            "The accounts of LOGIN=accounts, one JSON object per line. Give it as ACCOUNTS_FILE; `countersign accounts add` writes that file, and a change takes effect without a restart.";
    }
}

/// How this login is called in records.
pub const METHOD: &str = "accounts";

/// Hashes that are worked on at once. Each takes a core, and 19 MiB, for some 20 ms.
const AT_ONCE: usize = 2;
/// Attempts that may wait for their turn: a second's worth. Whoever comes later is told so at once.
const WAITING: usize = 64;

/// Why an attempt came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// Name or password is wrong; which of them, nobody is told.
    Wrong,
    /// Too many attempts.
    TooMany(Duration),
    /// Too many are logging in at this moment.
    Busy,
}

/// The accounts, and who may try when.
#[derive(Debug, Clone)]
pub struct Accounts {
    store: Arc<AccountStore>,
    gate: Gate,
}

/// What outlives a change of the accounts: attempts that were made, and those being made.
#[derive(Debug, Clone)]
pub struct Gate {
    /// Who has tried how often.
    pub throttle: Arc<LoginThrottle>,
    working: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Gate {
    /// Nobody has tried anything yet.
    #[must_use]
    pub fn new(throttle: LoginThrottle) -> Self {
        let working = Arc::new(Semaphore::new(AT_ONCE));
        Self { throttle: Arc::new(throttle), working, waiting: Arc::new(Semaphore::new(AT_ONCE + WAITING)) }
    }
}

impl Accounts {
    /// Reads the accounts; `None` after naming what is wrong.
    pub fn read(env: &mut Env) -> Option<Arc<AccountStore>> {
        let Some(text) = env.text(&ACCOUNTS) else {
            env.mistake_in(
                &ACCOUNTS,
                "is required for LOGIN=accounts: name the file that `countersign accounts add` writes in ACCOUNTS_FILE",
            );
            return None;
        };
        match AccountStore::parse(&text) {
            Ok(store) if store.accounts().is_empty() => {
                env.mistake_in(&ACCOUNTS, "holds no account; `countersign accounts add` adds one");
                None
            }
            Ok(store) => Some(Arc::new(store)),
            Err(problem) => {
                env.mistake_in(&ACCOUNTS, &problem.to_string());
                None
            }
        }
    }

    /// These accounts behind this gate.
    #[must_use]
    pub fn new(store: Arc<AccountStore>, gate: Gate) -> Self {
        Self { store, gate }
    }

    /// Whose name and password these are.
    ///
    /// # Errors
    /// [`Denied`]. An attempt that is denied for being one too many is not looked at: its answer says nothing about the
    /// password.
    pub async fn check(
        &self,
        username: &str,
        password: SecretString,
        address: Option<IpAddr>,
    ) -> Result<Identity, Denied> {
        let place = self.gate.waiting.clone().try_acquire_owned().map_err(|_| Denied::Busy)?;
        let attempt = self.gate.throttle.admit(username, address).map_err(Denied::TooMany)?;
        let turn = self.gate.working.clone().acquire_owned().await.map_err(|_| Denied::Busy)?;
        let (store, name) = (self.store.clone(), username.to_owned());
        // The work goes on when the visitor hangs up, so it is the work that holds the place and the turn.
        let work = move || {
            let _held = (place, turn);
            store.check(&name, &password)
        };
        let checked = tokio::task::spawn_blocking(work).await;
        let identity = checked.ok().flatten().ok_or(Denied::Wrong)?;
        attempt.forgive();
        Ok(identity)
    }
}

/// Whether these can be a name and a password at all. Nothing else is hashed, and nothing empty is ever asked about.
#[must_use]
pub fn is_plausible(username: &str, password: &str) -> bool {
    let name = (1..=1024).contains(&username.trim().len());
    name && (1..=PASSWORD_MOST).contains(&password.len())
}
