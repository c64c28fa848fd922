//! The command line: one file per command.

pub mod accounts;
pub mod check;
#[cfg(feature = "demo")]
pub mod demo;
pub mod health;
pub mod keygen;
pub mod mint;
pub mod presets;
pub mod preview;
pub mod pseudonym;
pub mod serve;
pub mod settings;
pub mod unmask;
pub mod verify;
pub mod witness;

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, CommandFactory as _, Parser, Subcommand};

use crate::app::config::Config;
use crate::base::clock::Clock;
use crate::config::dotenv::parse_dotenv;
use crate::config::env::{Env, Mistakes};
use crate::session::Session;
use crate::session::identity::{Identity, Subject, Unfit};
use crate::widget::Widget;

/// Host-side identity issuer for embedded chat: your login vouches, countersign signs what the chat vendor verifies.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, about, after_help = AFTER_HELP)]
pub struct Cli {
    /// Read settings from this file too; what the environment sets wins.
    #[arg(long, global = true, value_name = "FILE")]
    env_file: Option<PathBuf>,

    #[command(subcommand)]
    command: Option<Command>,
}

const AFTER_HELP: &str = "\
Start here:
  countersign demo                     see the whole flow on this machine, nothing to configure
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
    /// Show whom a pseudonym stands for, for a data-subject request; writes an audit record.
    Unmask(unmask::UnmaskArgs),
    /// Show the pseudonym under which a widget's vendor knows a visitor.
    Pseudonym(pseudonym::PseudonymArgs),
    /// Add, change and list the local accounts of `LOGIN=accounts`.
    Accounts(accounts::AccountsArgs),
    /// List every setting, as a table or as a commented file.
    Settings(settings::SettingsArgs),
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

/// What every command works with.
pub struct CliContext<'a> {
    /// The process environment, with the settings file under it.
    pub vars: Vec<(String, String)>,
    /// Time.
    pub clock: Clock,
    /// Standard output.
    pub out: &'a mut (dyn Write + Send),
}

impl CliContext<'_> {
    /// A fresh snapshot to read settings from.
    #[must_use]
    pub fn env(&self) -> Env {
        Env::new(self.vars.iter().cloned())
    }

    /// The configuration.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn config(&self) -> Result<Config, Mistakes> {
        Config::read(self.env(), &self.clock)
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
    let vars = with_env_file(cli.env_file.as_deref(), environment)?;
    let mut context = CliContext { vars, clock: Clock::system(), out };
    match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => serve::run(&mut context).await,
        Command::Check(args) => check::run(&args, &mut context),
        Command::Preview(args) => preview::run(&args, &mut context),
        Command::Mint(args) => mint::run(&args, &mut context).await,
        Command::Verify(args) => verify::run(&args, &mut context),
        Command::Presets(args) => presets::run(&args, &mut context),
        Command::Keygen(args) => keygen::run(&args, &mut context),
        Command::Unmask(args) => unmask::run(&args, &mut context),
        Command::Pseudonym(args) => pseudonym::run(&args, &mut context),
        Command::Accounts(args) => accounts::run(&args, &mut context),
        Command::Settings(args) => settings::run(&args, &mut context),
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
fn with_env_file(
    path: Option<&std::path::Path>,
    environment: Vec<(String, String)>,
) -> anyhow::Result<Vec<(String, String)>> {
    let Some(path) = path else { return Ok(environment) };
    let named =
        |problem: String| Mistakes(vec![crate::config::env::Mistake { variable: "--env-file".to_owned(), problem }]);
    let text = std::fs::read_to_string(path).map_err(|e| named(format!("{} ({})", path.display(), e.kind())))?;
    let mut vars = parse_dotenv(&text).map_err(|e| named(format!("{}: {e}", path.display())))?;
    vars.extend(environment);
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
        Ok(Session { identity, source: "command line", expires_at: None, authenticated_at: Some(clock.now()) })
    }
}

/// Picks the widget a command is about.
///
/// # Errors
/// A sentence that lists the configured ones.
pub fn pick<'a>(widgets: &'a [Widget], name: Option<&str>) -> anyhow::Result<&'a Widget> {
    let found = match name {
        Some(name) => widgets.iter().find(|w| w.name == name),
        None => widgets.first(),
    };
    let names: Vec<&str> = widgets.iter().map(|w| w.name.as_str()).collect();
    found.ok_or_else(|| anyhow::anyhow!("there is no such widget; configured: {}", names.join(", ")))
}
