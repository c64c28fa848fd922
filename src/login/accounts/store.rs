//! The accounts file: one JSON object per line, passwords as argon2id hashes (RFC 9106) in PHC notation.
//!
//! ```json
//! {"username":"anna","subject":"u_4l9…","name":"Anna Berg","groups":["nurses"],"password":"$argon2id$v=19$…"}
//! ```
//!
//! A line's `subject` is made when the account is added and never again, so that a name that is given to somebody else
//! does not inherit the first one's conversations.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, fchown};
use std::path::{Path, PathBuf};

use argon2::password_hash::phc::PasswordHash;
use argon2::{
    Algorithm, Argon2, CustomizedPasswordHasher as _, Params, PasswordHasher as _, PasswordVerifier as _, Version,
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use unicode_normalization::UnicodeNormalization as _;

use crate::base::clock::{random_bytes, random_id};
use crate::base::secret::is_placeholder;
use crate::session::identity::{EMAIL_MAX, GROUPS_MAX, ITEM_MAX, Identity, NAME_MAX, SUBJECT_MAX, Subject, tidy};

/// Largest accounts file. Whoever has more accounts than this has a directory, and the directory has a login.
const FILE_MAX: u64 = 256 * 1024;
/// Shortest password that is taken, in characters.
pub const PASSWORD_LEAST: usize = 12;
/// Longest password that is looked at, in bytes: hashing takes longer the longer it is.
pub const PASSWORD_MOST: usize = 1024;
/// Memory (KiB) and passes of a new hash: OWASP's first recommendation for argon2id.
const MEMORY: u32 = 19 * 1024;
const PASSES: u32 = 2;
/// Most memory and passes that a hash in the file may ask for, or one line could stop the service.
const MEMORY_MOST: u32 = 256 * 1024;
const PASSES_MOST: u32 = 16;

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
    Password(&'static str),
}

/// The accounts of a file.
#[derive(Debug, Default)]
pub struct AccountStore {
    accounts: Vec<Account>,
    by_name: HashMap<String, usize>,
    open: HashSet<Subject>,
    costliest: Params,
}

impl AccountStore {
    /// Reads a file.
    ///
    /// # Errors
    /// [`AccountStoreError`]: the file, or its first line that is wrong.
    pub fn load(path: &Path) -> Result<Self, AccountStoreError> {
        let unreadable = |e: std::io::Error| bad_file(path, "read", &e);
        if std::fs::metadata(path).map_err(unreadable)?.len() > FILE_MAX {
            let problem = format!("larger than {FILE_MAX} bytes");
            return Err(AccountStoreError::File { path: path.to_owned(), done: "read", problem });
        }
        Self::parse(&std::fs::read_to_string(path).map_err(unreadable)?)
    }

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
        let cost = params_of(&account.password)?;
        let subject = account.identity()?.subject;
        let name = folded(&account.username)?;
        if self.by_name.insert(name, self.accounts.len()).is_some() {
            return Err(AccountStoreError::Taken);
        }
        if work(&cost) > work(&self.costliest) {
            self.costliest = cost;
        }
        if !account.disabled {
            self.open.insert(subject);
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
        let password = normal(password);
        let password = password.expose_secret().as_bytes();
        let Some(account) = self.known(username) else {
            let salt = random_bytes::<16>();
            let hashed = Argon2::default().hash_password_with_params(password, &salt, self.costliest.clone());
            drop(std::hint::black_box(hashed));
            return None;
        };
        let right = Argon2::default().verify_password(password, account.password.as_str()).is_ok();
        if right && !account.disabled { account.identity().ok() } else { None }
    }

    /// Whether there is an account of this subject, and it is open.
    #[must_use]
    pub fn is_open(&self, subject: &Subject) -> bool {
        self.open.contains(subject)
    }

    /// How much work [`AccountStore::check`] is for this name: memory (KiB) and passes.
    #[must_use]
    pub fn cost(&self, username: &str) -> (u32, u32) {
        let known = self.known(username).and_then(|account| params_of(&account.password).ok());
        let params = known.unwrap_or_else(|| self.costliest.clone());
        (params.m_cost(), params.t_cost())
    }

    fn known(&self, username: &str) -> Option<&Account> {
        folded(username).ok().and_then(|name| self.by_name.get(&name)).map(|at| &self.accounts[*at])
    }

    /// Adds an account.
    ///
    /// # Errors
    /// [`AccountStoreError`] when the name is taken, or something cannot be used.
    pub fn add(&mut self, new_account: NewAccount, password: &SecretString) -> Result<(), AccountStoreError> {
        folded(&new_account.username)?;
        check_password(password, &new_account.username)?;
        let account = Account {
            subject: new_account.subject.unwrap_or_else(|| format!("u_{}", random_id())),
            username: new_account.username,
            name: new_account.name,
            email: new_account.email,
            email_verified: None,
            groups: new_account.groups,
            locale: None,
            attributes: BTreeMap::new(),
            disabled: false,
            password: hash(password)?,
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
        check_password(password, username)?;
        let hash = hash(password)?;
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
        let at = *self.by_name.get(&folded(username)?).ok_or(AccountStoreError::Unknown)?;
        let mut rest = std::mem::take(self).accounts;
        rest.remove(at);
        rest.into_iter().try_for_each(|account| self.take(account))
    }

    fn account(&mut self, username: &str) -> Result<&mut Account, AccountStoreError> {
        let at = *self.by_name.get(&folded(username)?).ok_or(AccountStoreError::Unknown)?;
        Ok(&mut self.accounts[at])
    }

    /// Writes the file, readable by its owner only or as it was, so that a reader sees the old one or the new one and never
    /// half of either.
    ///
    /// # Errors
    /// [`AccountStoreError::File`]; also when whoever could read the old file could not read the new one, because then the service
    /// would go on with the old accounts.
    pub fn save(&self, path: &Path) -> Result<(), AccountStoreError> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let unwritable = |e: std::io::Error| bad_file(path, "written", &e);
        let text = self.text().map_err(unwritable)?;
        if text.len() as u64 > FILE_MAX {
            let problem = format!("it would be larger than {FILE_MAX} bytes");
            return Err(AccountStoreError::File { path: path.to_owned(), done: "written", problem });
        }
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{}", random_id()));
        let beside = PathBuf::from(beside);
        let mut file = std::fs::OpenOptions::new();
        let mut file = file.write(true).create_new(true).mode(0o600).open(&beside).map_err(unwritable)?;
        let written =
            keep_readers(path, &file).and_then(|()| file.write_all(text.as_bytes())).and_then(|()| file.sync_all());
        let moved = written.and_then(|()| std::fs::rename(&beside, path));
        if moved.is_err() {
            drop(std::fs::remove_file(&beside));
        }
        moved.map_err(unwritable)
    }

    fn text(&self) -> std::io::Result<String> {
        let mut text = String::new();
        for account in &self.accounts {
            text.push_str(&serde_json::to_string(account)?);
            text.push('\n');
        }
        Ok(text)
    }
}

/// Reads the file, or begins one, changes it and writes it: what `countersign accounts` does.
///
/// # Errors
/// [`AccountStoreError`].
pub fn edit(
    path: &Path,
    change: impl FnOnce(&mut AccountStore) -> Result<(), AccountStoreError>,
) -> Result<(), AccountStoreError> {
    let _alone = alone(path)?;
    let mut store = if path.exists() { AccountStore::load(path)? } else { AccountStore::default() };
    change(&mut store)?;
    store.save(path)
}

/// Changes a file that is there: a mistyped path must not become an empty one.
///
/// # Errors
/// [`AccountStoreError`].
pub fn change(
    path: &Path,
    change: impl FnOnce(&mut AccountStore) -> Result<(), AccountStoreError>,
) -> Result<(), AccountStoreError> {
    let _alone = alone(path)?;
    let mut store = AccountStore::load(path)?;
    change(&mut store)?;
    store.save(path)
}

/// Waits until nobody else changes a file in this folder, and keeps others waiting while it is held: of two changes at once
/// neither may be lost. The file itself cannot be held, because it is replaced.
fn alone(path: &Path) -> Result<File, AccountStoreError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let held = File::open(folder).and_then(|folder| folder.lock().map(|()| folder));
    held.map_err(|e| bad_file(path, "written", &e))
}

/// Gives the new file the owner, the group and the rights of the old one.
fn keep_readers(old: &Path, new: &File) -> std::io::Result<()> {
    let old = match std::fs::metadata(old) {
        Ok(old) => old,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    let own = new.metadata()?;
    if (own.uid(), own.gid()) != (old.uid(), old.gid()) {
        fchown(new, Some(old.uid()), Some(old.gid()))?;
    }
    new.set_permissions(old.permissions())
}

impl Account {
    fn identity(&self) -> Result<Identity, AccountStoreError> {
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

fn bad_file(path: &Path, done: &'static str, error: &std::io::Error) -> AccountStoreError {
    AccountStoreError::File { path: path.to_owned(), done, problem: error.kind().to_string() }
}

/// The name as it is looked up.
fn folded(username: &str) -> Result<String, AccountStoreError> {
    let tidied =
        tidy(username, NAME_MAX).map_err(|e| AccountStoreError::Unfit(format!("the user name cannot be used: {e}")))?;
    tidied.map(|name| name.to_lowercase()).ok_or_else(|| AccountStoreError::Unfit("the user name is empty".to_owned()))
}

/// The password as it is hashed: the same whichever keyboard composed its letters (RFC 8265 section 4.2).
fn normal(password: &SecretString) -> SecretString {
    password.expose_secret().nfc().collect::<String>().into()
}

fn check_password(password: &SecretString, username: &str) -> Result<(), AccountStoreError> {
    let text = password.expose_secret();
    let problem = match () {
        () if text.chars().count() < PASSWORD_LEAST => "is shorter than 12 characters",
        () if text.len() > PASSWORD_MOST => "is longer than 1024 bytes",
        () if text.to_lowercase().contains(&username.trim().to_lowercase()) => "contains the user name",
        () if is_placeholder(text) => "is a placeholder, or the same few characters over and over",
        () => return Ok(()),
    };
    Err(AccountStoreError::Password(problem))
}

fn hash(password: &SecretString) -> Result<String, AccountStoreError> {
    let unusable = |_| AccountStoreError::Password("cannot be hashed");
    let params = Params::new(MEMORY, PASSES, 1, None).map_err(|_| AccountStoreError::Password("cannot be hashed"))?;
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash: PasswordHash = argon
        .hash_password_with_salt(normal(password).expose_secret().as_bytes(), &random_bytes::<16>())
        .map_err(unusable)?;
    Ok(hash.to_string())
}

/// The cost of a hash; an error for one that is not argon2id or costs more than any login may.
fn params_of(hash: &str) -> Result<Params, AccountStoreError> {
    let unfit =
        || AccountStoreError::Password("is not an argon2id hash in PHC notation; `countersign accounts add` makes one");
    let hash = PasswordHash::new(hash).map_err(|_| unfit())?;
    let params = Params::try_from(&hash).map_err(|_| unfit())?;
    let whole = hash.algorithm.as_str() == "argon2id" && hash.salt.is_some() && hash.hash.is_some();
    let bounded = params.m_cost() <= MEMORY_MOST && params.t_cost() <= PASSES_MOST && params.p_cost() <= 8;
    if whole && bounded { Ok(params) } else { Err(unfit()) }
}

fn work(params: &Params) -> u64 {
    u64::from(params.m_cost()) * u64::from(params.t_cost())
}
