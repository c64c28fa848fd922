//! `countersign audit`: is the log whole, and what does it say about a person.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{CliContext, Exit, print_json};
use crate::base::clock::UnixTime;
use crate::base::moment;
use crate::config::duration::parse_duration;
use crate::observe::audit::chain::{Head, Seal};
use crate::observe::audit::settings::Evidence;
use crate::observe::audit::subject::SubjectKey;
use crate::observe::audit::verify::Reader;

/// What to do with the audit log.
#[derive(Debug, Args)]
pub struct AuditArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Check the chain of records: is one missing, changed, moved or torn? Exit code 1 names the first.
    Verify {
        /// Files, in any order; `-` is standard input. `AUDIT_LOG` with those that were moved aside when none is given.
        files: Vec<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the keyed hash under which a person appears in the records.
    SubjectHash {
        /// The person's id, as the host's login knows it.
        subject: String,
    },
    /// Print the records of a person.
    Show(ShowArgs),
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// The person's id, as the host's login knows it.
    #[arg(long)]
    subject: String,
    /// Only records of this time or later: a date, a time (RFC 3339), seconds since 1970, or a span such as 7d before now.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only records before this time.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Print the records as they are, one JSON line each.
    #[arg(long)]
    json: bool,
    /// Files; `AUDIT_LOG` with those that were moved aside when none is given.
    files: Vec<PathBuf>,
}

/// Does it.
///
/// # Errors
/// `AUDIT_KEY` or `AUDIT_LOG` missing where it is needed; a file that cannot be read; a time that is none.
pub fn run(args: &AuditArgs, context: &mut CliContext<'_>) -> anyhow::Result<Exit> {
    let mut env = context.env();
    let evidence = Evidence::read(&mut env);
    env.finish(&BTreeSet::new(), &[])?;
    match &args.action {
        Action::Verify { files, json } => verify(&evidence, files, *json, context),
        Action::SubjectHash { subject } => {
            writeln!(context.out, "{}", hash(&evidence, subject)?)?;
            Ok(Exit::Well)
        }
        Action::Show(args) => show(&evidence, args, context),
    }
}

fn hash(evidence: &Evidence, subject: &str) -> anyhow::Result<String> {
    let key = evidence.key.as_ref().ok_or_else(|| anyhow!("AUDIT_KEY is not set: without it a hash means nothing"))?;
    Ok(SubjectKey::new(key).hash(subject))
}

fn verify(evidence: &Evidence, files: &[PathBuf], json: bool, context: &mut CliContext<'_>) -> anyhow::Result<Exit> {
    let mut reader = Reader::new(Seal::new(evidence.key.as_ref()));
    let texts = texts(evidence, files)?;
    let broken = texts.iter().find_map(|(name, text)| reader.read(name, text).err());
    let found = reader.finish();
    if json {
        let broken = broken.as_ref().map(|b| json!({ "file": b.file, "line": b.line, "problem": b.problem }));
        let (seq, hash) = &found.last;
        let all = json!({
            "holds": broken.is_none(), "records": found.good, "broken": broken, "notes": found.notes,
            "last": { "seq": seq, "hash": hash },
        });
        print_json(context, &all)?;
        return Ok(if all["holds"] == true { Exit::Well } else { Exit::Failed });
    }
    for note in &found.notes {
        writeln!(context.out, "note: {note}")?;
    }
    if found.unchained > 0 {
        writeln!(
            context.out,
            "note: the first {} lines are older than the chain and not covered by it",
            found.unchained
        )?;
    }
    if evidence.key.is_none() {
        writeln!(context.out, "note: AUDIT_KEY is not set, so whoever can write the log could have made it anew")?;
    }
    let paint = context.paint;
    if let Some(broken) = broken {
        writeln!(context.out, "{}", paint.bad(&format!("The chain is broken: {broken}.")))?;
        return Ok(Exit::Failed);
    }
    let (seq, hash) = &found.last;
    writeln!(context.out, "{}", paint.good(&format!("The chain holds: {} records.", found.good)))?;
    writeln!(context.out, "last record  {seq} {hash}")?;
    Ok(Exit::Well)
}

fn show(evidence: &Evidence, args: &ShowArgs, context: &mut CliContext<'_>) -> anyhow::Result<Exit> {
    let hash = hash(evidence, &args.subject)?;
    let now = context.clock.now();
    let time = |text: &Option<String>| text.as_deref().map(|text| time_of(text, now)).transpose();
    let (since, until) = (time(&args.since)?, time(&args.until)?);
    for (_, text) in texts(evidence, &args.files)? {
        for line in text.lines().filter(|line| line.contains(&hash)) {
            let Ok(value) = serde_json::from_str::<Value>(line) else { continue };
            let at = moment::read(&value["at"]).unwrap_or(UnixTime(0));
            let in_time = since.is_none_or(|since| at >= since) && until.is_none_or(|until| at < until);
            if value["subject"] != hash.as_str() || !in_time {
                continue;
            }
            if args.json {
                writeln!(context.out, "{line}")?;
            } else {
                writeln!(context.out, "{}", row(&value, at))?;
            }
        }
    }
    Ok(Exit::Well)
}

/// One record for people.
fn row(value: &Value, at: UnixTime) -> String {
    let mut row = moment::show(at);
    for name in ["audit", "outcome", "reason", "widget", "source", "method", "operator", "jti", "client", "request"] {
        if let Some(text) = value[name].as_str().filter(|text| !text.is_empty()) {
            row.extend(["  ", name, "=", text]);
        }
    }
    row
}

fn time_of(text: &str, now: UnixTime) -> anyhow::Result<UnixTime> {
    if let Some(span) = parse_duration(text).filter(|_| text.ends_with(|c: char| c.is_ascii_alphabetic())) {
        return Ok(now.minus(span));
    }
    let day = moment::read_text(&format!("{text}T00:00:00Z"));
    day.or_else(|_| moment::read_text(text)).map_err(|problem| {
        anyhow!("`{text}` is no time ({problem}): 2026-11-01, 2026-11-01T08:00:00Z, or 7d for the last seven days")
    })
}

/// The files' names and texts, in the order of their first records.
fn texts(evidence: &Evidence, files: &[PathBuf]) -> anyhow::Result<Vec<(String, String)>> {
    let files = if files.is_empty() { own(evidence)? } else { files.to_vec() };
    let mut texts = Vec::new();
    for file in files {
        let text = if file == Path::new("-") { stdin() } else { std::fs::read(&file) };
        let text = text.map_err(|problem| anyhow!("{} cannot be read ({})", file.display(), problem.kind()))?;
        texts.push((file.display().to_string(), String::from_utf8_lossy(&text).into_owned()));
    }
    texts.sort_by_key(|(_, text)| text.lines().next().and_then(Head::of_line).map_or(0, |head| head.seq));
    Ok(texts)
}

fn stdin() -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes).map(|_| bytes)
}

/// `AUDIT_LOG`, and what was moved aside from it, as it was: what has been compressed must be named.
fn own(evidence: &Evidence) -> anyhow::Result<Vec<PathBuf>> {
    let log = evidence.log.as_ref().ok_or_else(|| anyhow!("AUDIT_LOG names no file: say which files to read"))?;
    let folder = log.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = log.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let ours = |path: &PathBuf| {
        let other = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let aside = other.strip_prefix(&name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-']));
        aside && path.is_file() && path.extension().is_none_or(|end| end != "gz" && end != "xz" && end != "zst")
    };
    let entries = std::fs::read_dir(folder).map_err(|problem| anyhow!("{} ({})", folder.display(), problem.kind()))?;
    Ok(entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).filter(ours).collect())
}
