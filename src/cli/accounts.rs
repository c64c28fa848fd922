//! `countersign accounts`: the accounts file of `LOGIN=accounts`.

use std::collections::BTreeSet;
use std::io::BufRead as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::witness::{About, Reason, Witness};
use super::{CliContext, Exit, print_json};
use crate::base::clock::random_bytes;
use crate::base::secret::Encoding;
use crate::login::accounts::ACCOUNTS;
use crate::login::accounts::file::{change, edit};
use crate::login::accounts::store::{Account, AccountStore, AccountStoreError, NewAccount};
use crate::observe::audit::settings::AuditSettings;

/// Which file, and what to do with it.
#[derive(Debug, Args)]
pub struct AccountsArgs {
    /// The accounts file [default: that of `ACCOUNTS_FILE`, or else accounts.jsonl].
    #[arg(long, global = true, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    reason: Reason,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add an account. At a terminal the password is asked for; else it is the first line of standard input.
    Add(AddArgs),
    /// Give an account another password, asked for or read likewise.
    Password(PasswordArgs),
    /// Close an account without removing it.
    Disable(NameArgs),
    /// Open a closed account again.
    Enable(NameArgs),
    /// Remove an account. Whoever gets its name later does not get its conversations.
    Remove(NameArgs),
    /// List the accounts.
    List(ListArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct AddArgs {
    /// What is typed at login.
    username: String,
    /// Display name.
    #[arg(long)]
    name: Option<String>,
    /// E-mail address.
    #[arg(long)]
    email: Option<String>,
    /// A group; may be given several times.
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// The stable id, when it must be a certain one.
    #[arg(long)]
    subject: Option<String>,
    /// Make a password and print it, instead of reading one.
    #[arg(long)]
    generate: bool,
}

#[derive(Debug, Args)]
struct PasswordArgs {
    /// Whose.
    username: String,
    /// Make a password and print it, instead of reading one.
    #[arg(long)]
    generate: bool,
}

#[derive(Debug, Args)]
struct NameArgs {
    /// Whose.
    username: String,
}

impl Action {
    /// What the audit log calls it.
    fn what(&self) -> &'static str {
        match self {
            Self::Add(_) => "accounts_add",
            Self::Password(_) => "accounts_password",
            Self::Disable(_) => "accounts_disable",
            Self::Enable(_) => "accounts_enable",
            Self::Remove(_) => "accounts_remove",
            Self::List(_) => "accounts_list",
        }
    }

    fn username(&self) -> Option<&str> {
        match self {
            Self::Add(add) => Some(&add.username),
            Self::Password(whose) => Some(&whose.username),
            Self::Disable(whose) | Self::Enable(whose) | Self::Remove(whose) => Some(&whose.username),
            Self::List(_) => None,
        }
    }
}

/// Reads or changes the file, after writing down what is to be done.
///
/// # Errors
/// What is wrong with the file, the name or the password; no record that lasts.
pub fn run(args: &AccountsArgs, context: &mut CliContext<'_>) -> anyhow::Result<Exit> {
    let mut env = context.env();
    let settings = AuditSettings::read(&mut env);
    let file = args.file.clone().or_else(|| env.file_of(&ACCOUNTS)).unwrap_or_else(|| "accounts.jsonl".into());
    env.finish(&BTreeSet::new(), &[])?;
    let witness = Witness::new(args.action.what(), settings, &args.reason, context)?;
    let about = About { subject: args.action.username(), ..About::default() };
    witness.asked(about)?;
    let acted = act(&args.action, &file, context);
    witness.done(about, acted)
}

fn act(action: &Action, file: &Path, context: &mut CliContext<'_>) -> anyhow::Result<Exit> {
    match action {
        Action::Add(add) => {
            // Nobody is asked for a password that could not be used.
            if file.exists() && AccountStore::load(file)?.holds(&add.username) {
                return Err(AccountStoreError::Taken.into());
            }
            let password = password(&add.username, add.generate, context)?;
            edit(file, |store| store.add(new_account(add), password.secret()))?;
            password.tell(context)?;
        }
        Action::Password(whose) => {
            if !AccountStore::load(file)?.holds(&whose.username) {
                return Err(AccountStoreError::Unknown.into());
            }
            let password = password(&whose.username, whose.generate, context)?;
            change(file, |store| store.set_password(&whose.username, password.secret()))?;
            password.tell(context)?;
        }
        Action::Disable(whose) => change(file, |store| store.set_disabled(&whose.username, true))?,
        Action::Enable(whose) => change(file, |store| store.set_disabled(&whose.username, false))?,
        Action::Remove(whose) => change(file, |store| store.remove(&whose.username))?,
        Action::List(args) => list(&AccountStore::load(file)?, args, context)?,
    }
    Ok(Exit::Well)
}

fn new_account(add: &AddArgs) -> NewAccount {
    NewAccount {
        username: add.username.clone(),
        subject: add.subject.clone(),
        name: add.name.clone(),
        email: add.email.clone(),
        groups: add.groups.clone(),
    }
}

/// A password, and who has chosen it.
enum Password {
    /// Somebody who knows it.
    Given(SecretString),
    /// This command: somebody has to be told.
    Made(SecretString),
}

impl Password {
    fn secret(&self) -> &SecretString {
        match self {
            Self::Given(secret) | Self::Made(secret) => secret,
        }
    }

    /// Prints a password that nobody knows yet. Called once it is stored: one that was printed works.
    fn tell(&self, context: &mut CliContext<'_>) -> std::io::Result<()> {
        match self {
            Self::Given(_) => Ok(()),
            Self::Made(secret) => writeln!(context.out, "{}", secret.expose_secret()),
        }
    }
}

/// Never from the command line: other users of the machine can read that.
fn password(username: &str, generate: bool, context: &CliContext<'_>) -> anyhow::Result<Password> {
    if generate {
        return Ok(Password::Made(Encoding::Base64Url.encode(&random_bytes::<15>()).into()));
    }
    if context.terminal.input {
        return asked(username).map(Password::Given);
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(Password::Given(line.trim_end_matches(['\r', '\n']).to_owned().into()))
}

/// Asks twice, without showing what is typed.
fn asked(username: &str) -> anyhow::Result<SecretString> {
    let first: SecretString = rpassword::prompt_password(format!("Password for {username}: "))?.into();
    let second: SecretString = rpassword::prompt_password("The same again: ")?.into();
    if first.expose_secret() == second.expose_secret() {
        Ok(first)
    } else {
        anyhow::bail!("the two passwords are not the same; nothing was changed")
    }
}

fn list(store: &AccountStore, args: &ListArgs, context: &mut CliContext<'_>) -> std::io::Result<()> {
    if args.json {
        let all: Vec<Value> = store.accounts().iter().map(described).collect();
        return print_json(context, &all.into());
    }
    let mut rows = vec![["USER NAME", "NAME", "STATE", "GROUPS", "ID"].map(str::to_owned).to_vec()];
    rows.extend(store.accounts().iter().map(row));
    write!(context.out, "{}", context.paint.table(&rows))
}

fn state(account: &Account) -> &'static str {
    if account.disabled { "closed" } else { "open" }
}

fn row(account: &Account) -> Vec<String> {
    let or_none = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    let name = or_none(account.name.as_deref().unwrap_or_default());
    let (user, state, groups) = (account.username.clone(), state(account).to_owned(), account.groups.join(","));
    vec![user, name, state, or_none(&groups), account.subject.clone()]
}

fn described(account: &Account) -> Value {
    json!({
        "username": account.username, "name": account.name, "email": account.email, "groups": account.groups,
        "state": state(account), "subject": account.subject,
    })
}
