//! The accounts file: one JSON object per line, passwords as argon2id hashes (RFC 9106) in PHC notation.
//!
//! ```json
//! {"username":"anna","subject":"u4f9a…","name":"Anna Berg","groups":["nurses"],"password":"$argon2id$v=19$…"}
//! ```
//!
//! A line's `subject` is made when the account is added and never again, so that a name that is given to somebody else
//! does not inherit the first one's conversations.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::PathBuf;

use argon2::Params;
use data_encoding::HEXLOWER;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base::clock::random_bytes;
use crate::login::accounts::name::canonical;
use crate::login::accounts::password::{self, Unusable};
use crate::session::identity::{
    EMAIL_MAX, GROUPS_MAX, ITEM_MAX, Identity, NAME_MAX, SUBJECT_MAX, Subject, Unfit, tidy,
};

/// One line of the file.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// What is typed at login. Case does not matter.
    pub username: String,
    /// The visitor's stable id.
    pub subject: String,
    /// Display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// E-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Whether the address is verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email_verified: Option<bool>,
    /// Groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// BCP 47 language tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// Further values for claim templates.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Value>,
    /// Whether the account is closed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
    /// The password's hash.
    password: String,
}

/// Redacted: it is about a person, and ends with a hash.
impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("disabled", &self.disabled).finish_non_exhaustive()
    }
}

/// What is known of a person when their account is added.
#[derive(Debug, Clone, Default)]
pub struct NewAccount {
    /// What is typed at login.
    pub username: String,
    /// The stable id, when it must be a certain one; otherwise a random one is made.
    pub subject: Option<String>,
    /// Display name.
    pub name: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Groups.
    pub groups: Vec<String>,
}

/// Why an accounts file cannot be used or changed. Names lines and rules, never a password or a hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountStoreError {
    /// The file cannot be read or written.
    #[error("{path} cannot be {done} ({problem})")]
    File {
        /// Which file.
        path: PathBuf,
        /// What was being done with it.
        done: &'static str,
        /// What the system said.
        problem: String,
    },
    /// A line is not an account.
    #[error("line {line}: {problem}")]
    Line {
        /// Counted from one.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// There is such an account already.
    #[error("there is an account of this name already")]
    Taken,
    /// There is no such account.
    #[error("there is no account of this name")]
    Unknown,
    /// The name, or what else is said of the person, cannot be used.
    #[error("{0}")]
    Unfit(String),
    /// The password cannot be used.
    #[error("the password {0}")]
    Password(#[from] Unusable),
}

impl AccountStoreError {
    fn bad_name(unfit: Unfit) -> Self {
        Self::Unfit(format!("the user name cannot be used: {unfit}"))
    }
}

/// The accounts of a file.
#[derive(Debug, Default)]
pub struct AccountStore {
    accounts: Vec<Account>,
    by_name: HashMap<String, usize>,
    by_subject: HashMap<Subject, usize>,
    costliest: Params,
}

impl AccountStore {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// [`AccountStoreError::Line`] for the first line that is wrong.
    pub fn parse(text: &str) -> Result<Self, AccountStoreError> {
        let mut store = Self::default();
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let wrong = |problem: String| AccountStoreError::Line { line: at + 1, problem };
            // The parser's own words would quote the line.
            let account: Account =
                serde_json::from_str(line).map_err(|e| wrong(format!("not an account (column {})", e.column())))?;
            store.take(account).map_err(|problem| wrong(problem.to_string()))?;
        }
        Ok(store)
    }

    fn take(&mut self, account: Account) -> Result<(), AccountStoreError> {
        let cost = password::params_of(&account.password)?;
        let subject = account.identity()?.subject;
        let name = canonical(&account.username).map_err(AccountStoreError::bad_name)?;
        if self.by_name.insert(name, self.accounts.len()).is_some() {
            return Err(AccountStoreError::Taken);
        }
        if password::work(&cost) > password::work(&self.costliest) {
            self.costliest = cost;
        }
        // Two people of one subject would be one person to everybody we vouch to.
        if !account.disabled && self.by_subject.insert(subject, self.accounts.len()).is_some() {
            return Err(AccountStoreError::Unfit("there is an account with this subject already".to_owned()));
        }
        self.accounts.push(account);
        Ok(())
    }

    /// Every account, in the order of the file.
    #[must_use]
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// Whether this is the password of an account of this name that is open. Takes the same time whether there is such an
    /// account or not: tens of milliseconds, so not to be called where others wait.
    #[must_use]
    pub fn check(&self, username: &str, password: &SecretString) -> Option<Identity> {
        let Some(account) = self.known(username) else {
            password::verify_nobodys(password, &self.costliest);
            return None;
        };
        let right = password::verify(password, &account.password);
        if right && !account.disabled { account.identity().ok() } else { None }
    }

    /// Every account that is open, by its subject.
    pub fn all_open(&self) -> impl Iterator<Item = (&Subject, &Account)> {
        self.by_subject.iter().map(|(subject, at)| (subject, &self.accounts[*at]))
    }

    /// The account of this subject, if it is open.
    #[must_use]
    pub fn open(&self, subject: &Subject) -> Option<&Account> {
        self.by_subject.get(subject).map(|at| &self.accounts[*at])
    }

    /// How much work [`AccountStore::check`] is for this name: memory (KiB) and passes.
    #[must_use]
    pub fn cost(&self, username: &str) -> (u32, u32) {
        let known = self.known(username).and_then(|account| password::params_of(&account.password).ok());
        let params = known.unwrap_or_else(|| self.costliest.clone());
        (params.m_cost(), params.t_cost())
    }

    /// Whether there is an account of this name, open or closed.
    #[must_use]
    pub fn holds(&self, username: &str) -> bool {
        self.known(username).is_some()
    }

    fn known(&self, username: &str) -> Option<&Account> {
        canonical(username).ok().and_then(|name| self.by_name.get(&name)).map(|at| &self.accounts[*at])
    }

    /// Adds an account.
    ///
    /// # Errors
    /// [`AccountStoreError`] when the name is taken, or something cannot be used.
    pub fn add(&mut self, new_account: NewAccount, password: &SecretString) -> Result<(), AccountStoreError> {
        canonical(&new_account.username).map_err(AccountStoreError::bad_name)?;
        password::check(password, &new_account.username)?;
        let account = Account {
            subject: new_account.subject.unwrap_or_else(new_subject),
            username: new_account.username,
            name: new_account.name,
            email: new_account.email,
            email_verified: None,
            groups: new_account.groups,
            locale: None,
            attributes: BTreeMap::new(),
            disabled: false,
            password: password::hash(password)?,
        };
        if self.accounts.iter().any(|known| known.subject == account.subject) {
            return Err(AccountStoreError::Unfit("there is an account with this subject already".to_owned()));
        }
        self.take(account)
    }

    /// Gives an account another password.
    ///
    /// # Errors
    /// [`AccountStoreError`] when there is no such account or the password cannot be used.
    pub fn set_password(&mut self, username: &str, password: &SecretString) -> Result<(), AccountStoreError> {
        password::check(password, username)?;
        let hash = password::hash(password)?;
        self.account(username)?.password = hash;
        Ok(())
    }

    /// Closes an account, or opens it again.
    ///
    /// # Errors
    /// [`AccountStoreError::Unknown`].
    pub fn set_disabled(&mut self, username: &str, disabled: bool) -> Result<(), AccountStoreError> {
        self.account(username)?.disabled = disabled;
        let rest = std::mem::take(self).accounts;
        rest.into_iter().try_for_each(|account| self.take(account))
    }

    /// Removes an account.
    ///
    /// # Errors
    /// [`AccountStoreError::Unknown`].
    pub fn remove(&mut self, username: &str) -> Result<(), AccountStoreError> {
        let at = self.at(username)?;
        let mut rest = std::mem::take(self).accounts;
        rest.remove(at);
        rest.into_iter().try_for_each(|account| self.take(account))
    }

    fn account(&mut self, username: &str) -> Result<&mut Account, AccountStoreError> {
        let at = self.at(username)?;
        Ok(&mut self.accounts[at])
    }

    fn at(&self, username: &str) -> Result<usize, AccountStoreError> {
        let name = canonical(username).map_err(AccountStoreError::bad_name)?;
        self.by_name.get(&name).copied().ok_or(AccountStoreError::Unknown)
    }

    pub(super) fn text(&self) -> std::io::Result<String> {
        let mut text = String::new();
        for account in &self.accounts {
            text.push_str(&serde_json::to_string(account)?);
            text.push('\n');
        }
        Ok(text)
    }
}

/// A fresh id. Letters and digits only, and no difference between large and small ones: some vendors take nothing else.
fn new_subject() -> String {
    format!("u{}", HEXLOWER.encode(random_bytes::<16>().as_ref()))
}

impl Account {
    /// The credential's own secret: changes with the password, and nobody who lacks this file knows it.
    pub(in crate::login) fn credential(&self) -> &str {
        &self.password
    }

    /// Who it is about.
    ///
    /// # Errors
    /// [`AccountStoreError::Unfit`].
    pub fn identity(&self) -> Result<Identity, AccountStoreError> {
        let unfit = |what: &'static str| move |e| AccountStoreError::Unfit(format!("the {what} cannot be used: {e}"));
        let subject = tidy(&self.subject, SUBJECT_MAX).map_err(unfit("subject"))?.unwrap_or_default();
        let mut identity = Identity::new(Subject::new(&subject).map_err(unfit("subject"))?);
        let text = |text: &Option<String>, max, what| match text {
            Some(text) => tidy(text, max).map_err(unfit(what)),
            None => Ok(None),
        };
        identity.name = text(&self.name, NAME_MAX, "name")?;
        identity.email = text(&self.email, EMAIL_MAX, "e-mail address")?;
        identity.email_verified = self.email_verified;
        identity.locale = text(&self.locale, ITEM_MAX, "locale")?;
        for group in self.groups.iter().take(GROUPS_MAX) {
            identity.groups.extend(tidy(group, ITEM_MAX).map_err(unfit("group"))?);
        }
        identity.attributes = self.attributes.clone();
        Ok(identity)
    }
}
