//! `countersign mint`.

use clap::Args;

use super::witness::{About, Reason, Witness};
use super::{CliContext, Exit, Visitor, pick};
use crate::claims::PageInput;

/// For whom to make a token.
#[derive(Debug, Args)]
pub struct MintArgs {
    /// Which widget; the first when not given.
    #[arg(long)]
    widget: Option<String>,
    /// Say that you know: the vendor will believe this token as if the visitor had logged in.
    #[arg(long)]
    yes_really_mint: bool,
    #[command(flatten)]
    reason: Reason,
    #[command(flatten)]
    visitor: Visitor,
}

/// Makes a real token for a visitor who is named, not logged in.
///
/// # Errors
/// Mistakes of the configuration; why there is no token; no record that lasts.
pub async fn run(args: &MintArgs, context: &mut CliContext<'_>) -> anyhow::Result<Exit> {
    if !args.yes_really_mint {
        let why = "a minted token is a real one: the vendor believes it as if this visitor had logged in. Add --yes-really-mint";
        writeln!(context.out, "{why}")?;
        return Ok(Exit::Wrong);
    }
    let config = context.config()?;
    let widget = pick(&config.widgets, args.widget.as_deref())?;
    let session = args.visitor.session(&context.clock)?;
    let witness = Witness::new("mint", config.audit.clone(), &args.reason, context)?;
    let subject = Some(session.identity.subject.as_str());
    let about = About { widget: &widget.name, subject, ..About::default() };
    witness.asked(about)?;
    let issued = config.issuer.issue_to(widget, &session, &PageInput::default()).await;
    let issued = witness.done(about, issued.map_err(|refusal| anyhow::anyhow!("no token: {refusal}")))?;
    writeln!(context.out, "{}", issued.proof.reveal())?;
    Ok(Exit::Well)
}
