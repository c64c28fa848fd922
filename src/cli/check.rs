//! `countersign check`.

use clap::Args;

use super::{CliContext, Exit};
use crate::config::env::effective_table;
use crate::http::script::SCRIPTS;
use crate::issuance::verifier;
use crate::widget::mechanism::Mechanism;

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
pub fn run(args: &CheckArgs, context: &mut CliContext<'_>) -> anyhow::Result<Exit> {
    let config = context.config()?;
    for widget in &config.widgets {
        verifier::self_test(widget, &context.clock).map_err(|e| anyhow::anyhow!("widget `{}`: {e}", widget.name))?;
    }
    if args.quiet {
        return Ok(Exit::Well);
    }
    write!(
        context.out,
        "The configuration is good.\n\nSettings in effect:\n{}",
        effective_table(&config.reading.effective)
    )?;
    writeln!(context.out, "\nWidgets:")?;
    for widget in &config.widgets {
        writeln!(
            context.out,
            "  {}  {}, {}, {}, lifetime {}",
            widget.name,
            widget.profile.title,
            widget.mechanism.algorithm(),
            key_or_host(&widget.mechanism),
            crate::config::duration::show_duration(widget.lifetime),
        )?;
    }
    show_scripts(&config.mount(), context)?;
    for warning in &config.reading.warnings {
        writeln!(context.out, "\nWarning: {warning}")?;
    }
    Ok(Exit::Well)
}

/// What names the key, or whose server is asked.
fn key_or_host(mechanism: &Mechanism) -> String {
    match mechanism {
        Mechanism::Exchange(plan) => format!("tokens from {}", plan.exchange.host()),
        keyed => format!("key {}", keyed.fingerprint()),
    }
}

/// The addresses that never change their content, each with what a page writes into `integrity`.
fn show_scripts(mount: &str, context: &mut CliContext<'_>) -> std::io::Result<()> {
    writeln!(context.out, "\nBrowser module (address, integrity):")?;
    for script in SCRIPTS.iter() {
        if let Some(versioned) = &script.versioned {
            writeln!(context.out, "  {mount}/{versioned}  {}", script.integrity)?;
        }
    }
    Ok(())
}
