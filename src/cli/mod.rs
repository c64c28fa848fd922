//! The command line: one file per command.

pub mod accounts;
pub mod admin;
pub mod audit;
pub mod check;
#[cfg(feature = "demo")]
pub mod demo;
pub mod doctor;
pub mod health;
pub mod init;
pub mod keygen;
pub mod keys;
pub mod mint;
pub mod paint;
pub mod presets;
pub mod preview;
pub mod pseudonym;
pub mod revoke;
pub mod serve;
pub mod settings;
pub mod store;
pub mod unmask;
pub mod verify;
pub mod witness;

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use serde_json::Value;

use self::paint::{Paint, Terminal};
use crate::app::config::Settings;
use crate::base::clock::Clock;
use crate::config::dotenv;
use crate::config::env::{Env, Line, Mistake, Mistakes};
use crate::session::Session;
use crate::session::identity::{Identity, Subject, Unfit};
use crate::widget;

/// Host-side identity issuer for embedded chat: your login vouches, countersign signs what the chat vendor verifies.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, about, after_help = AFTER_HELP)]
pub struct Cli {
    /// Read settings from this file too; what the environment sets wins.
    #[arg(long, global = true, value_name = "FILE")]
    env_file: Option<PathBuf>,

    #[command(subcommand)]
    command: Option<Command>,

    #[arg(skip)]
    terminal: Terminal,
}

impl Cli {
    /// The same, run at a terminal.
    #[must_use]
    pub fn at(mut self, terminal: Terminal) -> Self {
        self.terminal = terminal;
        self
    }
}

const AFTER_HELP: &str = "\
Start here:
  countersign demo                     see the whole flow on this machine, nothing to configure
  countersign init                     write a configuration, by a few questions
  countersign presets                  which chat vendors are known
  countersign keygen --out FILE        make a strong secret, readable by you alone
  countersign check --env-file .env    is the configuration right? names every mistake
  countersign preview --subject 4711   which claims would this visitor's token carry?
  countersign serve --env-file .env    run it

Settings are environment variables; `countersign settings` lists them all.
Exit codes: 0 well, 1 it failed while running, 2 the configuration or the command line is wrong.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service (the default).
    Serve,
    /// Write a configuration, its secrets and the proxy's files, by a few questions or options.
    Init(init::InitArgs),
    /// Validate the configuration and print what takes effect; exit code 2 names every mistake.
    Check(check::CheckArgs),
    /// Show the claims and the page call for a sample visitor, without signing anything.
    Preview(preview::PreviewArgs),
    /// Make a real token for a visitor you name, for testing.
    Mint(mint::MintArgs),
    /// Check a token against a widget's key: what holds and what does not.
    Verify(verify::VerifyArgs),
    /// List the chat vendors that are known, or show one.
    Presets(presets::PresetsArgs),
    /// Make a strong secret or a key pair.
    Keygen(keygen::KeygenArgs),
    /// Rotate a key that is a file, a step at a time; writes an audit record.
    Keys(keys::KeysArgs),
    /// Show whom a pseudonym stands for, for a data-subject request; writes an audit record.
    Unmask(unmask::UnmaskArgs),
    /// Show the pseudonym under which a widget's vendor knows a visitor.
    Pseudonym(pseudonym::PseudonymArgs),
    /// Add, change and list the local accounts of `LOGIN=accounts`.
    Accounts(accounts::AccountsArgs),
    /// End everything of one visitor: tokens count no longer at POST /introspect, sessions end, nothing is renewed.
    Revoke(revoke::RevokeArgs),
    /// Check the audit log, and find a person's records in it.
    Audit(audit::AuditArgs),
    /// List every setting, as a table or as a commented file.
    Settings(settings::SettingsArgs),
    /// Prepare the session store for a service that may not make tables.
    Store(store::StoreArgs),
    /// Ask a running deployment through its own proxy what a page would ask, and say what to change.
    Doctor(doctor::DoctorArgs),
    /// Ask a running service whether it is ready; for container health checks.
    Health(health::HealthArgs),
    #[cfg(feature = "demo")]
    /// Run a host site, the issuer and a chat widget's server on this machine, to try everything out.
    Demo(demo::DemoArgs),
    /// Print a completion script for your shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

/// How a command ended, as the process tells its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Well.
    Well,
    /// It failed while running.
    Failed,
    /// The configuration or the command line is wrong.
    Wrong,
}

/// The process environment, with the file of `--env-file` under it.
#[derive(Clone, Default)]
pub struct Variables {
    pairs: Vec<(String, String)>,
    lines: BTreeMap<String, Line>,
}

impl Variables {
    /// What this variable says.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        // The last one wins, as it does where settings are read.
        let mut pairs = self.pairs.iter().rev();
        pairs.find(|(set, value)| set == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// A fresh snapshot to read settings from.
    #[must_use]
    pub fn env(&self) -> Env {
        Env::new(self.pairs.iter().cloned()).with_lines(&self.lines)
    }

    /// What is no setting of ours, as service managers give it.
    #[must_use]
    pub fn all(&self) -> HashMap<&str, &str> {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }
}

/// What every command works with.
pub struct CliContext<'a> {
    /// Where settings come from.
    pub vars: Variables,
    /// Which ends of the process are a terminal.
    pub terminal: Terminal,
    /// How to print.
    pub paint: Paint,
    /// Time.
    pub clock: Clock,
    /// Standard output.
    pub out: &'a mut (dyn Write + Send),
}

impl CliContext<'_> {
    /// A fresh snapshot to read settings from.
    #[must_use]
    pub fn env(&self) -> Env {
        self.vars.env()
    }

    /// Every wing's settings.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn settings(&self) -> Result<Settings, Mistakes> {
        Settings::read(self.env())
    }
}

/// Which command line this is, for the parsing of `main.rs`.
///
/// # Errors
/// Clap's own, with its exit code: help and version are not failures.
pub fn parse(args: impl IntoIterator<Item = std::ffi::OsString>) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(args)
}

/// Runs the command.
///
/// # Errors
/// What `main` prints; a [`Mistakes`] inside means exit code 2.
pub async fn run(cli: Cli, environment: Vec<(String, String)>, out: &mut (dyn Write + Send)) -> anyhow::Result<Exit> {
    let paint = cli.terminal.paint(&environment);
    let vars = with_env_file(cli.env_file.as_deref(), environment)?;
    let mut context = CliContext { vars, terminal: cli.terminal, paint, clock: Clock::system(), out };
    match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => serve::run(&mut context).await,
        Command::Init(args) => init::run(&args, &mut context),
        Command::Check(args) => check::run(&args, &mut context),
        Command::Preview(args) => preview::run(&args, &mut context),
        Command::Mint(args) => mint::run(&args, &mut context).await,
        Command::Verify(args) => verify::run(&args, &mut context),
        Command::Presets(args) => presets::run(&args, &mut context),
        Command::Keygen(args) => keygen::run(&args, &mut context),
        Command::Keys(args) => keys::run(&args, &mut context),
        Command::Unmask(args) => unmask::run(&args, &mut context),
        Command::Pseudonym(args) => pseudonym::run(&args, &mut context),
        Command::Accounts(args) => accounts::run(&args, &mut context),
        Command::Revoke(args) => revoke::run(&args, &mut context).await,
        Command::Audit(args) => audit::run(&args, &mut context),
        Command::Settings(args) => settings::run(&args, &mut context),
        Command::Store(args) => store::run(&args, &mut context).await,
        Command::Doctor(args) => doctor::run(&args, &mut context).await,
        Command::Health(args) => health::run(&args, &mut context).await,
        #[cfg(feature = "demo")]
        Command::Demo(args) => demo::run(&args, &mut context).await,
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "countersign", &mut context.out);
            Ok(Exit::Well)
        }
    }
}

/// The environment wins over the file, as with every tool that reads such files.
fn with_env_file(path: Option<&Path>, environment: Vec<(String, String)>) -> Result<Variables, Mistakes> {
    let Some(path) = path else { return Ok(Variables { pairs: environment, lines: BTreeMap::new() }) };
    let named = |problem: String| Mistakes(vec![Mistake::of("--env-file", problem)]);
    let text = std::fs::read_to_string(path).map_err(|e| named(format!("{} ({})", path.display(), e.kind())))?;
    let given = dotenv::numbered(&text).map_err(|e| named(format!("{}: {e}", path.display())))?;
    let file = Arc::new(path.to_owned());
    let mut vars = Variables::default();
    for (number, (name, value)) in given {
        vars.lines.insert(name.clone(), Line { file: file.clone(), number });
        vars.pairs.push((name, value));
    }
    vars.lines.retain(|name, _| !environment.iter().any(|(set, _)| set == name));
    vars.pairs.extend(environment);
    Ok(vars)
}

/// A visitor described on the command line.
#[derive(Debug, Args)]
pub struct Visitor {
    /// The visitor's id, as the host's login knows it.
    #[arg(long, default_value = "4711")]
    subject: String,
    /// Display name.
    #[arg(long)]
    name: Option<String>,
    /// E-mail address.
    #[arg(long)]
    email: Option<String>,
    /// The e-mail address is verified.
    #[arg(long)]
    email_verified: bool,
    /// A group the visitor is in; may be given several times.
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// Language tag.
    #[arg(long)]
    locale: Option<String>,
    /// A further attribute, as name=value; may be given several times.
    #[arg(long = "attribute", value_name = "NAME=VALUE")]
    attributes: Vec<String>,
}

impl Visitor {
    /// The session such a visitor would have.
    ///
    /// # Errors
    /// [`Unfit`] when the id is no id.
    pub fn session(&self, clock: &Clock) -> Result<Session, Unfit> {
        let mut identity = Identity::new(Subject::new(&self.subject)?);
        identity.name.clone_from(&self.name);
        identity.email.clone_from(&self.email);
        identity.email_verified = self.email.as_ref().map(|_| self.email_verified);
        identity.groups.clone_from(&self.groups);
        identity.locale.clone_from(&self.locale);
        let pairs = self.attributes.iter().filter_map(|pair| pair.split_once('='));
        identity.attributes = pairs.map(|(name, value)| (name.to_owned(), value.into())).collect();
        Ok(Session { authenticated_at: Some(clock.now()), ..Session::of(identity, "command line") })
    }
}

/// Prints one JSON value for a script.
///
/// # Errors
/// Output that cannot be written.
pub fn print_json(context: &mut CliContext<'_>, value: &Value) -> std::io::Result<()> {
    writeln!(context.out, "{value:#}")
}

/// Picks the widget a command is about.
///
/// # Errors
/// A sentence that lists the configured ones.
pub fn pick<'a>(widgets: &'a [widget::Settings], name: Option<&str>) -> anyhow::Result<&'a widget::Settings> {
    let found = match name {
        Some(name) => widgets.iter().find(|w| w.name == name),
        None => widgets.first(),
    };
    let names: Vec<&str> = widgets.iter().map(|w| w.name.as_str()).collect();
    found.ok_or_else(|| anyhow::anyhow!("there is no such widget; configured: {}", names.join(", ")))
}
