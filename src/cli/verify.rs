//! `countersign verify`.

use std::io::Read as _;

use clap::Args;
use serde_json::Value;

use super::{CliContext, Exit, pick};
use crate::issuance::verifier::{Expectation, verify};

/// Which token to check.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Which widget; the first when not given.
    #[arg(long)]
    widget: Option<String>,
    /// The token; read from standard input when not given, which keeps it out of the process list.
    token: Option<String>,
}

/// Checks a token as the widget's server would, and prints what it says or what does not hold.
///
/// # Errors
/// Mistakes of the configuration; standard input that cannot be read.
pub fn run(args: &VerifyArgs, context: &mut CliContext<'_>) -> anyhow::Result<Exit> {
    let config = context.config()?;
    let widget = pick(&config.widgets, args.widget.as_deref())?;
    let token = match &args.token {
        Some(token) => token.clone(),
        None => read_stdin()?,
    };
    let expected = Expectation::of(widget).ok_or_else(|| {
        anyhow::anyhow!("widget `{}` makes no signed token: {}", widget.name, widget.mechanism.name())
    })?;
    match verify(token.trim(), &expected, context.clock.now()) {
        Ok(claims) => {
            writeln!(
                context.out,
                "The token holds: signature, algorithm, times and addressees.\n{:#}",
                Value::Object(claims)
            )?;
            Ok(Exit::Well)
        }
        Err(problem) => {
            writeln!(context.out, "The token does not hold: {problem}.")?;
            Ok(Exit::Failed)
        }
    }
}

fn read_stdin() -> std::io::Result<String> {
    let mut text = String::new();
    std::io::stdin().take(64 * 1024).read_to_string(&mut text)?;
    Ok(text)
}
