//! `countersign accounts`: the accounts file of `LOGIN=accounts`.

use std::collections::BTreeSet;
use std::io::BufRead as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use secrecy::SecretString;

use super::witness::{About, Reason, Witness};
use super::{CliContext, Exit};
use crate::base::clock::random_bytes;
use crate::base::secret::Encoding;
use crate::login::accounts::file::{change, edit};
use crate::login::accounts::store::{AccountStore, NewAccount};
use crate::observe::audit::settings::AuditSettings;

/// Which file, and what to do with it.
#[derive(Debug, Args)]
pub struct AccountsArgs {
    /// The accounts file, as `ACCOUNTS_FILE` names it.
    #[arg(long, global = true, default_value = "accounts.jsonl", value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    reason: Reason,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add an account. The password is the first line of standard input.
    Add(AddArgs),
    /// Give an account another password: the first line of standard input.
    Password(PasswordArgs),
    /// Close an account without removing it.
    Disable(NameArgs),
    /// Open a closed account again.
    Enable(NameArgs),
    /// Remove an account. Whoever gets its name later does not get its conversations.
    Remove(NameArgs),
    /// List the accounts.
    List,
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
            Self::List => "accounts_list",
        }
    }

    fn username(&self) -> Option<&str> {
        match self {
            Self::Add(add) => Some(&add.username),
            Self::Password(whose) => Some(&whose.username),
            Self::Disable(whose) | Self::Enable(whose) | Self::Remove(whose) => Some(&whose.username),
            Self::List => None,
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
    env.finish(&BTreeSet::new(), &[])?;
    let witness = Witness::new(args.action.what(), settings, &args.reason, context)?;
    let about = About { subject: args.action.username(), ..About::default() };
    witness.asked(about)?;
    let acted = act(args, context);
    witness.done(about, acted)
}

fn act(args: &AccountsArgs, context: &mut CliContext<'_>) -> anyhow::Result<Exit> {
    let file = &args.file;
    match &args.action {
        Action::Add(add) => {
            let password = password(add.generate, context)?;
            edit(file, |store| store.add(new_account(add), &password))?;
        }
        Action::Password(whose) => {
            let password = password(whose.generate, context)?;
            change(file, |store| store.set_password(&whose.username, &password))?;
        }
        Action::Disable(whose) => change(file, |store| store.set_disabled(&whose.username, true))?,
        Action::Enable(whose) => change(file, |store| store.set_disabled(&whose.username, false))?,
        Action::Remove(whose) => change(file, |store| store.remove(&whose.username))?,
        Action::List => list(&AccountStore::load(file)?, context)?,
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

/// Never from the command line: other users of the machine can read that.
fn password(generate: bool, context: &mut CliContext<'_>) -> anyhow::Result<SecretString> {
    if generate {
        let made = Encoding::Base64Url.encode(&random_bytes::<15>());
        writeln!(context.out, "{made}")?;
        return Ok(made.into());
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned().into())
}

fn list(store: &AccountStore, context: &mut CliContext<'_>) -> std::io::Result<()> {
    for account in store.accounts() {
        let state = if account.disabled { "closed" } else { "open" };
        let groups = account.groups.join(",");
        writeln!(context.out, "{}\t{}\t{state}\t{groups}", account.username, account.subject)?;
    }
    Ok(())
}
