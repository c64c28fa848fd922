//! `countersign store`.

use anyhow::anyhow;
use clap::{Args, Subcommand};

use super::{CliContext, Exit};
use crate::config::env::Mistakes;
use crate::store::place::Settings;

/// What to do with the session store.
#[derive(Debug, Args)]
pub struct StoreArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make the tables, as their owner: `SESSION_STORE` names a role that may. The service itself can then run as a role that
    /// only reads and writes rows.
    Migrate {
        /// The `PostgreSQL` role that the service runs as: it is given the rights it needs and no more.
        #[arg(long, value_name = "ROLE")]
        role: Option<String>,
    },
}

/// Does it.
///
/// # Errors
/// What is wrong with `SESSION_STORE`; a store that cannot be reached or refuses.
pub async fn run(args: &StoreArgs, context: &mut CliContext<'_>) -> anyhow::Result<Exit> {
    let Action::Migrate { role } = &args.action;
    let mut env = context.env();
    let settings = Settings::read(&mut env);
    env.finish(&std::collections::BTreeSet::new(), &[])?;
    let settings = settings.ok_or_else(|| Mistakes(Vec::new()))?;
    let done = settings.migrate(role.as_deref()).await.map_err(|problem| anyhow!("SESSION_STORE: {problem}"))?;
    writeln!(context.out, "{settings} {done}")?;
    Ok(Exit::Well)
}
