//! `countersign health`.

use std::time::Duration;

use super::{CliContext, Exit, admin};
use crate::app::config::ADMIN_LISTEN;
use crate::http::listen::Address;
use clap::Args;

/// How long to wait for the answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Which listener to ask.
#[derive(Debug, Args)]
pub struct HealthArgs {
    /// Address of the operations listener (default: that of the configuration).
    #[arg(long)]
    admin: Option<Address>,
}

/// Asks `/ready` of the running service.
///
/// # Errors
/// Never ready is exit code 1, not an error; a configuration without an operations listener is one.
pub async fn run(args: &HealthArgs, context: &mut CliContext<'_>) -> anyhow::Result<Exit> {
    let configured = context.env().parse(&ADMIN_LISTEN);
    let address =
        args.admin.clone().or(configured).ok_or_else(|| anyhow::anyhow!("ADMIN_LISTEN is off: nothing to ask"))?;
    let asked = tokio::time::timeout(PATIENCE, admin::ask(&address, "GET", "/ready")).await;
    let (ready, why) = match asked {
        Ok(Ok(answer)) => verdict(&answer),
        Ok(Err(error)) => (false, format!("could not be asked: {error}")),
        Err(_) => (false, format!("did not answer within {}s", PATIENCE.as_secs())),
    };
    let word = if ready { context.paint.good("ready") } else { context.paint.bad("not ready") };
    writeln!(context.out, "{word}: {address} {why}")?;
    Ok(if ready { Exit::Well } else { Exit::Failed })
}

/// Whether this answer says ready, and what it says.
fn verdict(answer: &admin::Answer) -> (bool, String) {
    match answer.status.as_str() {
        "" => (false, "answered with something else than HTTP".to_owned()),
        status => (status == "200", format!("answered {status}")),
    }
}
