//! What a session of our own login stands on: the way in that is configured now, and the account as it is now.
//!
//! A session outlives none of these: whoever logged in with a password that was changed since, at a provider that is no
//! longer ours, or by another way in, is logged out. What an account says of its owner is read at every request, so that
//! whoever is taken out of a group is out of it.

use std::fmt;
use std::sync::Arc;

use crate::login::accounts::store::{Account, AccountStore};
use crate::login::sessions::record::LoginSession;
use crate::session::identity::{Identity, Subject};
use crate::store::Key;
use data_encoding::HEXLOWER;

/// Why a session stands no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fallen {
    /// `LOGIN` is another way in.
    #[error("the session began by another way in than LOGIN is now")]
    Method,
    /// Another provider, client or claim says who somebody is.
    #[error("the session began at another identity provider, client or subject claim than is configured now")]
    Provider,
    /// There is no such account, or it is closed.
    #[error("the account is closed or gone")]
    Account,
    /// The password was changed.
    #[error("the account's password has changed since")]
    Password,
}

impl Fallen {
    /// The word for logs and metrics.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Method => "login_method_changed",
            Self::Provider => "provider_changed",
            Self::Account => "account_closed",
            Self::Password => "password_changed",
        }
    }
}

/// What sessions that begin now stand on.
#[derive(Clone)]
pub struct Standing {
    method: &'static str,
    ground: Ground,
}

#[derive(Clone)]
enum Ground {
    Provider(String),
    Accounts(Arc<AccountStore>),
}

impl fmt::Debug for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Standing").field("method", &self.method).finish_non_exhaustive()
    }
}

impl Standing {
    /// On this provider: its issuer, our client there, and the claim that says who somebody is.
    #[must_use]
    pub fn provider(method: &'static str, issuer: &str, client: &str, subject: &str) -> Self {
        Self { method, ground: Ground::Provider(name_of("provider", &[issuer, client, subject])) }
    }

    /// On these accounts.
    #[must_use]
    pub fn accounts(method: &'static str, accounts: Arc<AccountStore>) -> Self {
        Self { method, ground: Ground::Accounts(accounts) }
    }

    /// The ground under somebody who logs in now, to be kept with the session.
    #[must_use]
    pub fn under(&self, identity: &Identity) -> String {
        match &self.ground {
            Ground::Provider(name) => name.clone(),
            Ground::Accounts(accounts) => accounts
                .open(&identity.subject)
                .map(|account| credential(&identity.subject, account))
                .unwrap_or_default(),
        }
    }

    /// The session as it is now.
    ///
    /// # Errors
    /// [`Fallen`] when it stands no longer.
    pub fn now(&self, session: LoginSession) -> Result<LoginSession, Fallen> {
        if session.method != self.method {
            return Err(Fallen::Method);
        }
        match &self.ground {
            Ground::Provider(name) if *name == session.ground => Ok(session),
            Ground::Provider(_) => Err(Fallen::Provider),
            Ground::Accounts(accounts) => {
                let account = accounts.open(&session.identity.subject).ok_or(Fallen::Account)?;
                if credential(&session.identity.subject, account) != session.ground {
                    return Err(Fallen::Password);
                }
                let identity = account.identity().map_err(|_| Fallen::Account)?;
                Ok(LoginSession { identity, ..session })
            }
        }
    }
}

/// Names the password without being of use to anybody who wants to guess it: its hash is salted.
fn credential(subject: &Subject, account: &Account) -> String {
    name_of("credential", &[subject.as_str(), account.credential()])
}

fn name_of(kind: &str, parts: &[&str]) -> String {
    HEXLOWER.encode(Key::of(kind, parts).as_bytes())
}
