//! What is done by hand with keys and identities is written down first: who on the machine, for whom, and why. What cannot be
//! written down is not done.

use std::os::unix::fs::MetadataExt as _;

use clap::Args;

use super::CliContext;
use crate::observe::audit::settings::AuditSettings;
use crate::observe::audit::{Audit, Deed};

/// Why a command is run.
#[derive(Debug, Clone, Args)]
pub struct Reason {
    /// Why, for the audit log: a ticket's number, or a few words.
    #[arg(long, global = true, value_name = "TEXT", value_parser = reason)]
    reason: Option<String>,
}

/// Longest reason in characters.
const REASON_MAX: usize = 200;

fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    let fits = !text.is_empty() && text.chars().count() <= REASON_MAX && !text.chars().any(char::is_control);
    if fits { Ok(text.to_owned()) } else { Err(format!("a line of 1 to {REASON_MAX} characters")) }
}

/// Writes down what one command does.
#[derive(Debug)]
pub struct Witness {
    audit: Audit,
    what: &'static str,
    operator: String,
    reason: String,
}

/// What a command is about.
#[derive(Debug, Clone, Copy, Default)]
pub struct About<'a> {
    /// The widget's name.
    pub widget: &'a str,
    /// A pseudonym.
    pub id: &'a str,
    /// A visitor's id, or the name of an account; written as a keyed hash.
    pub subject: Option<&'a str>,
}

impl Witness {
    /// Opens the log for the command `what`.
    ///
    /// # Errors
    /// What is missing for a record that lasts.
    pub fn new(
        what: &'static str,
        settings: AuditSettings,
        reason: &Reason,
        context: &CliContext<'_>,
    ) -> anyhow::Result<Self> {
        let settings = settings.for_command().map_err(|why| anyhow::anyhow!(why))?;
        let reason = reason.reason.clone().ok_or_else(|| {
            anyhow::anyhow!(
                "this command leaves an audit record: say why with --reason, such as --reason \"ticket 4711\""
            )
        })?;
        let audit =
            Audit::start(&settings, context.clock.clone()).map_err(|why| anyhow::anyhow!("AUDIT_LOG: {why}"))?;
        Ok(Self { audit, what, operator: operator(), reason })
    }

    /// Writes down what is about to be done.
    ///
    /// # Errors
    /// When it could not be written: then it must not be done.
    pub fn asked(&self, about: About<'_>) -> anyhow::Result<()> {
        self.write("asked", about)
    }

    /// Passes a result on, and writes down that what was asked for was not done.
    ///
    /// # Errors
    /// The result's own.
    pub fn done<T, E: Into<anyhow::Error>>(&self, about: About<'_>, result: Result<T, E>) -> anyhow::Result<T> {
        if result.is_err() {
            self.write("failed", about)?;
        }
        result.map_err(Into::into)
    }

    fn write(&self, outcome: &'static str, about: About<'_>) -> anyhow::Result<()> {
        let About { widget, id, subject } = about;
        let (operator, reason) = (self.operator.as_str(), self.reason.as_str());
        let written = self.audit.deed(&Deed { what: self.what, outcome, operator, reason, widget, id, subject });
        written.map_err(|_| anyhow::anyhow!("nothing was done: the audit record could not be written"))
    }
}

/// Whom the system knows as running this process; and who logged in, where that was somebody else before `sudo`.
fn operator() -> String {
    let uid = std::fs::metadata("/proc/self").map(|process| process.uid()).ok();
    let login = std::fs::read_to_string("/proc/self/loginuid").ok().and_then(|text| text.trim().parse().ok());
    let login = login.filter(|login| *login != u32::MAX && Some(*login) != uid);
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = |uid: u32| format!("{uid} ({})", name_of(&users, uid).unwrap_or("no name"));
    let user = uid.map_or_else(|| "unknown".to_owned(), named);
    login.map_or_else(|| user.clone(), |login| format!("{user}, logged in as {}", named(login)))
}

/// The name in a line of `/etc/passwd`: `name:password:uid:...`.
fn name_of(users: &str, uid: u32) -> Option<&str> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    })
}
