//! `countersign unmask`.

use clap::Args;

use super::witness::{About, Reason, Witness};
use super::{CliContext, Exit};
use crate::claims::pseudonym::Realm;

/// Which pseudonym to turn back.
#[derive(Debug, Args)]
pub struct UnmaskArgs {
    /// The id as the vendor shows it, prefix included.
    id: String,
    #[command(flatten)]
    reason: Reason,
}

/// Prints whom a pseudonym stands for, after writing down that somebody asked.
///
/// # Errors
/// Mistakes of the configuration; an id that is not ours, or was altered; no record that lasts.
pub fn run(args: &UnmaskArgs, context: &mut CliContext<'_>) -> anyhow::Result<Exit> {
    let settings = context.settings()?;
    let shared = &settings.shared;
    let keys = shared.pseudonyms.as_ref().ok_or_else(|| anyhow::anyhow!("PSEUDONYM_KEY is not set"))?;
    let witness = Witness::new("unmask", settings.audit.clone(), &args.reason, context)?;
    let namespaces: Vec<&str> = shared.namespaces.all().collect();
    let audiences = settings.widgets.iter().map(|w| w.pairwise_id.as_str());
    let realms = audiences.flat_map(|audience| namespaces.iter().map(move |namespace| Realm { namespace, audience }));
    let found = keys.unmask(&args.id, realms);
    let about = About { id: &args.id, ..About::default() };
    let subject = found.as_ref().ok().map(|unmasked| unmasked.subject.as_str().to_owned());
    witness.asked(About { subject: subject.as_deref(), ..about })?;
    let unmasked = witness.done(about, found)?;
    writeln!(context.out, "subject   {}", unmasked.subject.as_str())?;
    writeln!(context.out, "login     {}", unmasked.realm.namespace)?;
    writeln!(context.out, "widget    {}", unmasked.realm.audience)?;
    Ok(Exit::Well)
}
