//! `countersign init`: from three answers to a configuration that `check` finds good, the proxy's files, and the page's code.
//!
//! Nothing that is there is written over unless that is asked for, and a secret never. What only the operator or the vendor knows
//! is filled with a stand-in that works, and said to be one.

mod choices;
mod plan;
mod proxies;
mod sources;

use std::io::BufRead;

pub use self::choices::InitArgs;
use self::choices::{Ask, Choices};
use self::plan::Plan;
use super::{CliContext, Exit, check, with_env_file};

/// Writes the files, checks them, and says what is left to do.
///
/// # Errors
/// What was not said; files that are there already; what `check` finds.
pub fn run(args: &InitArgs, context: &mut CliContext<'_>) -> anyhow::Result<Exit> {
    let mut input = std::io::stdin().lock();
    let asked: Option<&mut dyn BufRead> = if context.terminal.input { Some(&mut input) } else { None };
    run_with(args, asked, context)
}

/// The same, with answers from `input`.
///
/// # Errors
/// As [`run`].
pub fn run_with(
    args: &InitArgs,
    input: Option<&mut dyn BufRead>,
    context: &mut CliContext<'_>,
) -> anyhow::Result<Exit> {
    let ask = input.map(|input| Ask { input, out: &mut *context.out });
    let choices = Choices::of(args, ask)?;
    let plan = Plan::of(&choices)?;
    let paint = context.paint;
    writeln!(context.out, "{}", paint.strong("Written:"))?;
    for path in plan.write(args.force)? {
        writeln!(context.out, "  {}", path.display())?;
    }
    if !plan.yours.is_empty() {
        writeln!(context.out, "\n{}", paint.warning("Yours to fill in or replace:"))?;
        plan.yours.iter().try_for_each(|what| writeln!(context.out, "  {what}"))?;
    }
    let env_file = choices.dir.join(".env");
    let first = choices.fill(choices.source.first);
    writeln!(context.out, "\n{}", paint.strong("Then:"))?;
    for step in plan.steps.iter().chain((!first.is_empty()).then_some(&first)) {
        writeln!(context.out, "  {step}")?;
    }
    writeln!(context.out, "  countersign serve --env-file '{}'", env_file.display())?;
    let exit = if first.is_empty() { finish(&choices, context)? } else { Exit::Well };
    in_the_page(&choices, context)?;
    Ok(exit)
}

/// The code of the page, and how a visitor logs in where that is ours.
fn in_the_page(choices: &Choices, context: &mut CliContext<'_>) -> std::io::Result<()> {
    for (at, profile) in choices.profiles.iter().enumerate() {
        let several = if choices.profiles.len() > 1 { format!(", for {}", profile.name) } else { String::new() };
        let address = if at == 0 { "{mount}/token".to_owned() } else { format!("{{mount}}/token/{}", profile.name) };
        let code = profile.page_login.replace("{token_url}", &choices.fill(&address));
        writeln!(context.out, "\nIn the page{several}:\n{code}")?;
    }
    match choices.source.page {
        "" => Ok(()),
        page => writeln!(context.out, "\n{}", choices.fill(page)),
    }
}

fn finish(choices: &Choices, context: &mut CliContext<'_>) -> anyhow::Result<Exit> {
    let vars = with_env_file(Some(&choices.dir.join(".env")), context.vars.pairs.clone())?;
    let mut checked = CliContext { vars, out: &mut *context.out, clock: context.clock.clone(), ..*context };
    writeln!(checked.out, "\n{}", checked.paint.strong("Checked:"))?;
    let exit = check::run(&check::CheckArgs::quiet(), &mut checked)?;
    if exit == Exit::Well {
        writeln!(checked.out, "The configuration is good.")?;
    }
    Ok(exit)
}
