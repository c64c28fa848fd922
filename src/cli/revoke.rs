//! `countersign revoke`.

use anyhow::anyhow;
use clap::Args;
use futures_util::future::join_all;
use serde_json::{Map, Value, json};

use super::witness::{About, Reason, Witness};
use super::{CliContext, Exit, print_json};
use crate::app::config::Settings;
use crate::base::clock::UnixTime;
use crate::connector::ConnectorFault;
use crate::issuance::revocation::Revocations;
use crate::issuance::vendor_revocation::VendorRevocation;
use crate::session::identity::Subject;
use crate::store::Store;
use crate::widget::{self, Widget};

/// The vendor has done it.
const GRANTED: &str = "granted";

/// Whose tokens and sessions to end.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// The visitor's id, as the host's login knows it.
    #[arg(long)]
    subject: String,
    /// Lift a revocation instead: logins elsewhere that were made before it count again. Tokens made before it stay inactive, and
    /// sessions of our own login ended.
    #[arg(long)]
    lift: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reason: Reason,
}

/// Ends everything of a subject in the session store, or lifts that, after writing down who wanted it.
///
/// # Errors
/// Mistakes of the configuration; no store that the service shares; a store that cannot be reached; no record that lasts.
pub async fn run(args: &RevokeArgs, context: &mut CliContext<'_>) -> anyhow::Result<Exit> {
    let settings = context.settings()?;
    let subject = Subject::new(&args.subject)?;
    let place = settings.place.as_ref().ok_or_else(|| {
        anyhow!("nothing asks the session store here: set INTROSPECTION_SECRET, REVOCATION_SECRET or LOGIN first")
    })?;
    if !place.is_shared() {
        anyhow::bail!("SESSION_STORE=memory is inside the running service: ask its admin listener (REVOCATION_SECRET)");
    }
    let deed = if args.lift { "lift_revocation" } else { "revoke" };
    let witness = Witness::new(deed, settings.audit.clone(), &args.reason, context)?;
    let about = About { subject: Some(subject.as_str()), ..About::default() };
    witness.asked(about)?;
    let revocations =
        Revocations::new(Store::at(place.clone(), context.clock.clone()), settings.skew, context.clock.clone());
    if args.lift {
        let since = witness
            .done(about, revocations.lift(&subject).await.map_err(|down| anyhow!("nothing was lifted: {down}")))?;
        return lifted(since, args.json, context);
    }
    let revoked =
        revocations.revoke(&subject, &settings.sources.names, &settings.widgets.iter().collect::<Vec<_>>()).await;
    let revoked =
        witness.done(about, revoked.map_err(|down| anyhow!("not everything was revoked, try again: {down}")))?;
    let vendors = witness.done(about, tell_vendors(&settings, &subject, context).await)?;
    let (at, until, sessions) = (revoked.at.0, revoked.until.0, revoked.sessions);
    if args.json {
        let named: Map<String, Value> = vendors.iter().map(|(widget, came)| (widget.clone(), (*came).into())).collect();
        let said = json!({ "revoked_at": at, "until": until, "sessions_ended": sessions, "vendors": named });
        print_json(context, &said)?;
    } else {
        writeln!(context.out, "{sessions} sessions ended; tokens made until now are inactive at POST /introspect.")?;
        writeln!(
            context.out,
            "A vendor that verifies tokens by itself cannot know: there they are good until they end."
        )?;
        for (widget, came) in &vendors {
            writeln!(context.out, "The vendor of widget {widget} was told to end its tokens: {came}.")?;
        }
    }
    let all_told = vendors.iter().all(|(_, came)| *came == GRANTED);
    Ok(if all_told { Exit::Well } else { Exit::Failed })
}

fn lifted(since: Option<UnixTime>, as_json: bool, context: &mut CliContext<'_>) -> anyhow::Result<Exit> {
    if as_json {
        print_json(context, &json!({ "lifted": since.is_some(), "revoked_at": since.map(|at| at.0) }))?;
    } else if since.is_some() {
        writeln!(context.out, "Logins made before the revocation count again; tokens made before it stay inactive.")?;
    } else {
        writeln!(context.out, "Nothing of this subject is revoked at present.")?;
    }
    Ok(if since.is_some() { Exit::Well } else { Exit::Failed })
}

/// What became of the call to each vendor that can end its tokens: [`GRANTED`], or the reason.
async fn tell_vendors(
    settings: &Settings,
    subject: &Subject,
    context: &CliContext<'_>,
) -> anyhow::Result<Vec<(String, &'static str)>> {
    let living = |widget: &widget::Settings| {
        Widget::new(widget.clone(), &settings.shared.outbound, &context.clock, None).map_err(anyhow::Error::msg)
    };
    let widgets: Vec<Widget> =
        settings.widgets.iter().filter(|widget| widget.revokes()).map(living).collect::<anyhow::Result<_>>()?;
    let calls = VendorRevocation::of(widgets.iter(), subject, &settings.sources.names, context.clock.now());
    let tell = async |call: &VendorRevocation| {
        (call.widget.clone(), call.send().await.err().map_or(GRANTED, ConnectorFault::reason))
    };
    Ok(join_all(calls.iter().map(tell)).await)
}
