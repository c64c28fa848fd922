//! `countersign mint`.

use clap::Args;
use tracing::instrument::WithSubscriber as _;

use super::witness::{About, Reason, Witness};
use super::{CliContext, Exit, Visitor, pick};
use crate::claims::PageInput;
use crate::observe::logs;
use crate::widget::Widget;

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
    let settings = context.settings()?;
    let widget = pick(&settings.widgets, args.widget.as_deref())?;
    let session = args.visitor.session(&context.clock)?;
    let witness = Witness::new("mint", settings.audit.clone(), &args.reason, context)?;
    let subject = Some(session.identity.subject.as_str());
    let about = About { widget: &widget.name, subject, ..About::default() };
    witness.asked(about)?;
    let page = PageInput::default();
    let widget = Widget::new(widget.clone(), &settings.shared.outbound, &context.clock, None);
    let widget = widget.map_err(|problem| anyhow::anyhow!(problem))?;
    let issuer = settings.issuer(&context.clock);
    let made = issuer.issue_to(&widget, &session, &page);
    // What a vendor's call failed on is said where it is seen, with host and cause.
    let made = made.with_subscriber(logs::of_command()).await;
    let made = witness.done(about, made.map_err(|refusal| anyhow::anyhow!("no token: {refusal}")))?;
    writeln!(context.out, "{}", made.proof.reveal())?;
    Ok(Exit::Well)
}
