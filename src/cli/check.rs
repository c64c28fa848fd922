//! `countersign check`.

use clap::Args;

use super::{Exit, World};
use crate::env::effective_table;
use crate::verifier;

/// What to check.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Print nothing when all is well.
    #[arg(long, short)]
    quiet: bool,
}

/// Reads the configuration, tests every key, and prints what takes effect; secrets as fingerprints.
///
/// # Errors
/// Every mistake; a key that fails its self-test.
pub fn run(args: &CheckArgs, world: &mut World<'_>) -> anyhow::Result<Exit> {
    let config = world.config()?;
    for widget in &config.widgets {
        verifier::self_test(widget, &world.clock).map_err(|e| anyhow::anyhow!("widget `{}`: {e}", widget.name))?;
    }
    if args.quiet {
        return Ok(Exit::Well);
    }
    write!(
        world.out,
        "The configuration is good.\n\nSettings in effect:\n{}",
        effective_table(&config.reading.effective)
    )?;
    writeln!(world.out, "\nWidgets:")?;
    for widget in &config.widgets {
        let signer = &widget.keyring.signer;
        writeln!(
            world.out,
            "  {}  {}, {}, key {}, lifetime {}",
            widget.name,
            widget.profile.title,
            signer.algorithm(),
            widget.keyring.fingerprint,
            crate::env::show_duration(widget.lifetime),
        )?;
    }
    for warning in &config.reading.warnings {
        writeln!(world.out, "\nWarning: {warning}")?;
    }
    Ok(Exit::Well)
}
