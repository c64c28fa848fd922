//! `countersign keys`: rotates a key that is a file, a step at a time. A step writes the files, which a running service reads
//! again by itself, and says what is to happen before the next one.

use std::io::BufRead as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use clap::{Args, Subcommand};
use zeroize::Zeroizing;

use super::witness::{About, Reason, Witness};
use super::{CliContext, Exit};
use crate::app::config::{SECTIONS, Settings};
use crate::base::clock::{UnixTime, random_bytes};
use crate::base::moment;
use crate::base::secret::Encoding;
use crate::config::secret_file::{Kept, SecretFile};
use crate::config::var::{Var, infix_of, scoped};
use crate::jose::algorithm::Algorithm;
use crate::jose::signer::generate_pem;
use crate::widget;

/// Which key, and what to do with it.
#[derive(Debug, Args)]
pub struct KeysArgs {
    #[command(flatten)]
    reason: Reason,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Take the next step of a key's rotation: begin, switch, end. Run it again for each.
    Rotate(RotateArgs),
}

#[derive(Debug, Args)]
struct RotateArgs {
    /// The setting, such as `WIDGET_PRIVATE_KEY`, `WIDGET_CLINIC_SECRET` or `FORWARDED_PROOF_SECRET`.
    setting: String,
    /// When a shared secret is to change, which its vendor's console must do at the same moment: RFC 3339, or seconds since 1970.
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Take the next secret from the first line of standard input, as the vendor's console shows it, instead of making one.
    #[arg(long)]
    given: bool,
    /// How to write a secret that is made, where it is not as the widget's vendor writes it: utf8, base64, base64url, hex.
    #[arg(long)]
    encoding: Option<Encoding>,
    /// Take the step although it is too early for it: after a key has become known to others.
    #[arg(long)]
    now: bool,
}

/// Takes the next step of a rotation, after writing down who does it and why. When the settings would be wrong after it, everything
/// is put back.
///
/// # Errors
/// Mistakes of the configuration, before or after the step; a key that is no file; a step that it is too early for; no record that
/// lasts.
pub fn run(args: &KeysArgs, context: &mut CliContext<'_>) -> anyhow::Result<Exit> {
    let Action::Rotate(rotate) = &args.action;
    let settings = context.settings()?;
    let rotation = Rotation::of(&rotate.setting, &settings, context)?;
    let step = rotation.step()?;
    rotation.check_is_due(step, rotate, &settings, context.clock.now())?;
    let next = if step == Step::Begin { Some(rotation.next_secret(rotate)?) } else { None };
    let witness = Witness::new(step.what(), settings.audit.clone(), &args.reason, context)?;
    let widget = rotation.widget.map(|widget| widget.name.clone()).unwrap_or_default();
    let about = About { widget: &widget, id: &rotate.setting, ..About::default() };
    witness.asked(about)?;
    let kept = rotation.keep()?;
    let taken = rotation.take(step, next.as_deref().map(String::as_str), rotate.at.as_deref());
    let sound = taken.map_err(anyhow::Error::from).and_then(|()| Ok(context.settings().map(drop)?));
    if sound.is_err() {
        for file in kept {
            file.put_back()?;
        }
    }
    witness.done(about, sound)?;
    rotation.say(step, context)?;
    Ok(Exit::Well)
}

/// Where a rotation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// There is one key: the next is to be made.
    Begin,
    /// The next key is there: it is to take the place of the one in force.
    Switch,
    /// The key before is there: it is to go.
    End,
}

impl Step {
    /// What the audit log calls it.
    fn what(self) -> &'static str {
        match self {
            Self::Begin => "key_begin",
            Self::Switch => "key_switch",
            Self::End => "key_end",
        }
    }
}

/// What is particular about the keys of one setting.
struct Kind {
    /// The setting's names, without its widget's; the first one is what it is called here.
    names: &'static [&'static str],
    /// What the names of the other settings of its rotation begin with, where not with its own.
    others: Option<&'static str>,
    /// How long the next key is there at least before it takes over.
    ahead: Duration,
    begun: &'static str,
    switched: &'static str,
}

impl Kind {
    /// The kind of this setting, and the widget whose it is.
    fn of<'a>(setting: &str, settings: &'a Settings) -> Option<(&'static Self, Option<&'a widget::Settings>)> {
        let scoped_to = |kind: &Self| {
            let named = |widget: &&widget::Settings| scoped(kind.names[0], Some(&infix_of(&widget.name))) == setting;
            settings.widgets.iter().find(named)
        };
        KINDS.iter().find_map(|kind| {
            let plain = || kind.names.contains(&setting).then_some(kind);
            let only = settings.widgets.first().filter(|_| kind.names[0].starts_with("WIDGET_"));
            scoped_to(kind).map(|widget| (kind, Some(widget))).or_else(|| plain().map(|kind| (kind, only)))
        })
    }

    /// The other settings of the rotation that there are: how each ends, and its name.
    fn others_of(&self, setting: &str, widget: Option<&widget::Settings>) -> Vec<(&'static str, String)> {
        let base = match (self.others, widget) {
            (None, _) => setting.to_owned(),
            (Some(others), Some(widget)) if !self.names.contains(&setting) => {
                scoped(others, Some(&infix_of(&widget.name)))
            }
            (Some(others), _) => others.to_owned(),
        };
        let known = |end: &&str| is_setting(&format!("{}_{end}", self.others.unwrap_or(self.names[0])));
        ["NEXT", "NEXT_AT", "PREVIOUS"].into_iter().filter(known).map(|end| (end, format!("{base}_{end}"))).collect()
    }
}

/// Verifiers that keep a key set longer than its `max-age` of five minutes are common.
const PUBLISHED_FOR: Duration = Duration::from_hours(1);

const AT_A_MOMENT: &str = "It signs from the moment you have named. Enter it in the vendor's console at that moment, and run this again afterwards.";
const STANDS_BY: &str =
    "It is used as soon as the one in force is refused. Make the vendor refuse that one, and run this again.";
const BESIDE: &str =
    "It is accepted beside the one in force. Give it to whoever asks with that, and run this again then.";
const ALONE: &str = "It alone is accepted, and nothing is left of the rotation.";
const IN_FORCE: &str = "It is the key in force, and nothing is left of the rotation.";

const KINDS: &[Kind] = &[
    Kind {
        names: &["WIDGET_PRIVATE_KEY"],
        others: None,
        ahead: PUBLISHED_FOR,
        begun: "It is published from now on and signs nothing yet. Give it to a vendor that does not fetch the key set, wait until every verifier has it (an hour at least, and a day where you do not know how long one keeps a key set), and run this again.",
        switched: "It signs from now on. The key before stays published until its last token has ended; run this again then.",
    },
    Kind { names: &["WIDGET_SECRET"], others: None, ahead: Duration::ZERO, begun: AT_A_MOMENT, switched: IN_FORCE },
    Kind {
        names: &["WIDGET_APP_SECRET", "APP_SECRET"],
        others: Some("WIDGET_SECRET"),
        ahead: Duration::ZERO,
        begun: AT_A_MOMENT,
        switched: IN_FORCE,
    },
    Kind {
        names: &["FORWARDED_PROOF_SECRET"],
        others: None,
        ahead: Duration::ZERO,
        begun: "It is accepted beside the one in force. Give it to the proxy, and run this again once the proxy sends it.",
        switched: ALONE,
    },
    Kind { names: &["INTROSPECTION_SECRET"], others: None, ahead: Duration::ZERO, begun: BESIDE, switched: ALONE },
    Kind { names: &["REVOCATION_SECRET"], others: None, ahead: Duration::ZERO, begun: BESIDE, switched: ALONE },
    Kind {
        names: &["SESSION_STORE_KEY"],
        others: None,
        ahead: Duration::ZERO,
        begun: "What is sealed with it is accepted. Give the file to every replica, and run this again then.",
        switched: "It seals from now on. Give both files to every replica, and run this again when no session from before is left.",
    },
    Kind {
        names: &["WIDGET_WEBCHAT_SECRET", "WEBCHAT_SECRET"],
        others: None,
        ahead: Duration::ZERO,
        begun: STANDS_BY,
        switched: IN_FORCE,
    },
    Kind { names: &["WIDGET_API_KEY"], others: None, ahead: Duration::ZERO, begun: STANDS_BY, switched: IN_FORCE },
];

/// The files of one key.
struct Rotation<'a> {
    kind: &'static Kind,
    setting: String,
    widget: Option<&'a widget::Settings>,
    current: SecretFile,
    next: SecretFile,
    next_at: Option<SecretFile>,
    previous: Option<SecretFile>,
}

fn is_setting(name: &str) -> bool {
    SECTIONS.iter().flat_map(|section| section.vars).any(|var: &&Var| var.name == name)
}

/// A key with an id that an operator has given it needs another one when it changes.
fn check_names_itself(setting: &str, settings: &Settings) -> anyhow::Result<()> {
    let id = setting.replace("PRIVATE_KEY", "KEY_ID");
    if id != setting && settings.reading.effective.iter().any(|set| set.name == id) {
        bail!(
            "{id} is set, so the next key's id must be set as well: rotate by hand (see {id}_NEXT), or leave it out, and every key names itself"
        );
    }
    Ok(())
}

impl<'a> Rotation<'a> {
    fn of(setting: &str, settings: &'a Settings, context: &CliContext<'_>) -> anyhow::Result<Self> {
        let Some((kind, widget)) = Kind::of(setting, settings) else {
            let names: Vec<&str> = KINDS.iter().map(|kind| kind.names[0]).collect();
            bail!("{setting} is no key that is rotated by files; those are {}", names.join(", "));
        };
        let place = |name: &str| context.vars.get(&format!("{name}_FILE")).map(PathBuf::from);
        let Some(current) = place(setting) else {
            bail!("{setting}_FILE is not set: a key that is no file cannot be changed while the service runs");
        };
        let others = kind.others_of(setting, widget);
        let missing: Vec<String> = others
            .iter()
            .filter(|(_, name)| place(name).is_none())
            .map(|(end, name)| format!("\n  {name}_FILE={}.{}", current.display(), end.to_ascii_lowercase()))
            .collect();
        if !missing.is_empty() {
            bail!(
                "the service must know the files of a rotation before it begins; they need not be there yet. Set these, and start it again once:{}",
                missing.concat()
            );
        }
        check_names_itself(setting, settings)?;
        let file = |end: &str| {
            let path = others.iter().find(|(other, _)| *other == end).and_then(|(_, name)| place(name));
            path.map(|path| SecretFile::new(path, &current))
        };
        let Some(next) = file("NEXT") else { bail!("{setting} has no next one") };
        let (setting, next_at, previous) = (setting.to_owned(), file("NEXT_AT"), file("PREVIOUS"));
        Ok(Self { kind, setting, widget, next, next_at, previous, current: SecretFile::new(current.clone(), &current) })
    }

    fn files(&self) -> impl Iterator<Item = &SecretFile> {
        [&self.current, &self.next].into_iter().chain(&self.next_at).chain(&self.previous)
    }

    fn keep(&self) -> std::io::Result<Vec<Kept<'_>>> {
        self.files().map(SecretFile::keep).collect()
    }

    fn step(&self) -> std::io::Result<Step> {
        let there = |file: &SecretFile| file.read().map(|text| text.is_some());
        Ok(match (self.previous.as_ref().map(there).transpose()?, there(&self.next)?) {
            (Some(true), _) => Step::End,
            (_, true) => Step::Switch,
            _ => Step::Begin,
        })
    }

    fn check_is_due(&self, step: Step, args: &RotateArgs, settings: &Settings, now: UnixTime) -> anyhow::Result<()> {
        if step == Step::Begin {
            return match (&self.next_at, &args.at) {
                (Some(_), None) => bail!(
                    "say with --at when the vendor's console is switched to the next secret: the vendor knows one at a time"
                ),
                (None, Some(_)) => bail!("--at goes with a secret that its vendor knows one of, such as WIDGET_SECRET"),
                _ => Ok(()),
            };
        }
        let due = self.due(step, settings)?;
        match due.filter(|due| *due > now && !args.now) {
            Some(due) => {
                bail!("it is too early: run this again after {} (--now does it all the same)", moment::show(due))
            }
            None => Ok(()),
        }
    }

    /// From when on a step is right.
    fn due(&self, step: Step, settings: &Settings) -> anyhow::Result<Option<UnixTime>> {
        if step == Step::End {
            let life = match self.widget {
                Some(widget) => widget.lifetime,
                None => settings.login.as_ref().map_or(Duration::ZERO, |login| login.sessions.absolute),
            };
            return Ok(self.current.written()?.map(|at| at.plus(life)));
        }
        match &self.next_at {
            Some(file) => {
                let at = file.read()?.and_then(|text| moment::read_text(&text).ok());
                Ok(at)
            }
            None => Ok(self.next.written()?.map(|at| at.plus(self.kind.ahead))),
        }
    }

    /// The next key: of the kind of the one in force, or as it was given.
    fn next_secret(&self, args: &RotateArgs) -> anyhow::Result<Zeroizing<String>> {
        if args.given {
            let mut line = Zeroizing::new(String::new());
            std::io::stdin().lock().read_line(&mut line)?;
            return Ok(line);
        }
        if self.kind.begun == STANDS_BY {
            bail!(
                "only the vendor makes this key: let its console show the next one, and give it with --given on standard input"
            );
        }
        let algorithm = self.widget.and_then(|widget| Algorithm::named(widget.mechanism.algorithm()));
        let usual = self.widget.map_or(Encoding::Base64Url, |widget| widget.profile.encoding);
        let encoding = args.encoding.unwrap_or(usual);
        let pem = algorithm.filter(|_| self.previous.is_some()).and_then(generate_pem);
        Ok(Zeroizing::new(pem.unwrap_or_else(|| format!("{}\n", encoding.encode(&random_bytes::<64>())))))
    }

    fn take(&self, step: Step, next: Option<&str>, at: Option<&str>) -> std::io::Result<()> {
        match step {
            Step::Begin => {
                if let (Some(file), Some(at)) = (&self.next_at, at) {
                    file.write(&format!("{at}\n"))?;
                }
                self.next.write(next.unwrap_or_default())
            }
            Step::Switch => {
                let text = |file: &SecretFile| file.read().map(Option::unwrap_or_default);
                if let Some(previous) = &self.previous {
                    previous.write(&text(&self.current)?)?;
                }
                self.current.write(&text(&self.next)?)?;
                self.next.remove()?;
                self.next_at.as_ref().map_or(Ok(()), SecretFile::remove)
            }
            Step::End => self.previous.as_ref().map_or(Ok(()), SecretFile::remove),
        }
    }

    fn say(&self, step: Step, context: &mut CliContext<'_>) -> std::io::Result<()> {
        let (file, key) = match step {
            Step::Begin => (self.next.path(), "the next key is in"),
            Step::Switch => (self.current.path(), "the next key is now the one in"),
            Step::End => {
                return writeln!(context.out, "{}: the key before is removed, and the rotation is over.", self.setting);
            }
        };
        writeln!(context.out, "{}: {key} {}", self.setting, file.display())?;
        let next = if step == Step::Begin { self.kind.begun } else { self.kind.switched };
        writeln!(context.out, "{next}")
    }
}
