//! `countersign demo`.

use clap::Args;

use super::{Exit, World};

/// What to show.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Which preset the demo's chat widget uses.
    #[arg(long, default_value = "medchat")]
    widget: String,
}

/// x
///
/// # Errors
/// x
pub async fn run(_args: &DemoArgs, _world: &mut World<'_>) -> anyhow::Result<Exit> {
    tokio::task::yield_now().await;
    Ok(Exit::Well)
}
