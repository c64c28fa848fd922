//! `countersign settings`: every setting as a table and as the sample file, printed from the definitions themselves.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::paint::Paint;
use super::{CliContext, Exit, print_json};
use crate::app::config::SECTIONS;
use crate::config::env::Var;
use crate::sources::assertion::conventions::CONVENTIONS;
use crate::sources::forwarded::FORWARDED_ATTRIBUTES;
use crate::sources::forwarded::convention::conventional_headers;

/// In which form.
#[derive(Debug, Args)]
pub struct SettingsArgs {
    /// A table for people, or a commented sample file. At a terminal the table is laid out for reading.
    #[arg(long, value_enum)]
    format: Option<Form>,
    /// Print JSON.
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Only settings whose name or meaning holds this text.
    #[arg(long, value_name = "TEXT", conflicts_with = "format")]
    search: Option<String>,
    /// Instead, print the headers that a proxy in front must take away from what visitors send, one to a line: every name that any
    /// convention reads as identity or as proof, and those of the present configuration.
    #[arg(long, conflicts_with_all = ["format", "search"])]
    strip_headers: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Form {
    /// A Markdown table.
    Table,
    /// A commented environment file.
    Env,
}

/// Prints every setting.
///
/// # Errors
/// Standard output that cannot be written.
pub fn run(args: &SettingsArgs, context: &mut CliContext<'_>) -> anyhow::Result<Exit> {
    if args.strip_headers {
        return strip_headers(args.json, context);
    }
    if args.json {
        print_json(context, &described(args.search.as_deref()))?;
        return Ok(Exit::Well);
    }
    let text = match args.format {
        Some(Form::Env) => sample(),
        None if context.terminal.output || args.search.is_some() => listing(context.paint, args.search.as_deref()),
        Some(Form::Table) | None => table(),
    };
    write!(context.out, "{text}")?;
    Ok(Exit::Well)
}

/// `FORWARDED_..._HEADER` and `ASSERTION_HEADER`: a setting that names a header of identity or of proof.
fn reads_header(var: &Var) -> bool {
    let source = ["FORWARDED_", "ASSERTION_"].iter().any(|prefix| var.name.starts_with(prefix));
    source && var.name.ends_with("_HEADER")
}

/// The proof vouches for whatever the proxy forgot.
fn strip_headers(json: bool, context: &mut CliContext<'_>) -> anyhow::Result<Exit> {
    let mut env = context.env();
    let vars = SECTIONS.iter().flat_map(|section| section.vars).filter(|var| reads_header(var));
    let own: Vec<String> = vars.filter_map(|var| env.text(var)).collect();
    let own = own.into_iter().filter(|name| !name.eq_ignore_ascii_case("none"));
    let attributes: Vec<String> = env.list(&FORWARDED_ATTRIBUTES);
    let attributes = attributes.iter().filter_map(|pair| Some(pair.split_once('=')?.1.trim_ascii().to_owned()));
    let signed =
        CONVENTIONS.iter().map(|convention| convention.header).filter(|name| !matches!(*name, "" | "authorization"));
    let known = conventional_headers().chain(signed).map(str::to_owned);
    let names: BTreeSet<String> = known.chain(own).chain(attributes).map(|name| name.to_ascii_lowercase()).collect();
    if json {
        print_json(context, &json!(names))?;
        return Ok(Exit::Well);
    }
    for name in names {
        writeln!(context.out, "{name}")?;
    }
    Ok(Exit::Well)
}

fn matches(var: &Var, wanted: Option<&str>) -> bool {
    let Some(wanted) = wanted.map(str::to_lowercase) else { return true };
    [var.name, var.doc].iter().chain(var.aliases).any(|text| text.to_lowercase().contains(&wanted))
}

fn described(wanted: Option<&str>) -> Value {
    let of = |title: &'static str, var: &Var| {
        json!({
            "name": var.name, "section": title.replace('`', ""), "default": var.default, "example": var.example,
            "secret": var.secret, "aliases": var.aliases, "meaning": var.doc,
        })
    };
    SECTIONS
        .iter()
        .flat_map(|section| section.vars.iter().map(|var| (section.title, *var)))
        .filter(|(_, var)| matches(var, wanted))
        .map(|(title, var)| of(title, var))
        .collect()
}

/// For reading at a terminal: a setting's name and default on a line, its meaning below.
fn listing(paint: Paint, wanted: Option<&str>) -> String {
    let mut text = String::new();
    for section in SECTIONS.iter() {
        let vars: Vec<&&Var> = section.vars.iter().filter(|var| matches(var, wanted)).collect();
        if vars.is_empty() {
            continue;
        }
        text.extend(["\n", &paint.warning(&section.title.replace('`', "")), "\n"]);
        for var in vars {
            let default = if var.default.is_empty() { String::new() } else { format!("  (default {})", var.default) };
            let meaning = wrapped(var.doc, "     ");
            text.extend(["  ", &paint.strong(var.name), &paint.faint(&default), "\n", &meaning]);
        }
    }
    text
}

/// The table, in Markdown.
#[must_use]
pub fn table() -> String {
    let mut text = String::new();
    for section in SECTIONS.iter() {
        let written = writeln!(text, "**{}**\n\n| variable | default | meaning |\n|---|---|---|", section.title);
        debug_assert!(written.is_ok(), "writing to a String does not fail");
        for var in section.vars {
            text.push_str(&row(var));
        }
        text.push('\n');
    }
    text
}

fn row(var: &Var) -> String {
    let default = if var.default.is_empty() { String::new() } else { format!("`{}`", var.default) };
    let aliases = match var.aliases {
        [] => String::new(),
        names => format!(" Also read as {}.", names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ")),
    };
    format!("| `{}` | {default} | {}{aliases} |\n", var.name, var.doc.replace('|', "\\|"))
}

/// The sample file.
#[must_use]
pub fn sample() -> String {
    let mut text = String::from(
        "# Every setting of countersign. Lines that are not commented are the shortest configuration that works behind an\n\
         # auth proxy. Any NAME may be given as NAME_FILE instead, naming a file that holds the value: best for secrets.\n\
         # With several widgets (WIDGETS=a,b) each WIDGET_... becomes WIDGET_A_... and WIDGET_B_...\n",
    );
    for section in SECTIONS.iter() {
        let written = writeln!(text, "\n# --- {} ---", section.title.replace('`', ""));
        debug_assert!(written.is_ok(), "writing to a String does not fail");
        for var in section.vars {
            text.push_str(&entry(var));
        }
    }
    text
}

/// What the shortest working configuration sets.
const SHORTEST: [(&str, &str); 6] = [
    ("PUBLIC_URL", "https://www.example.org/chat-identity"),
    ("SESSION_SOURCES", "forwarded"),
    ("FORWARDED_CONVENTION", "oauth2-proxy-auth-request"),
    ("FORWARDED_PROOF_SECRET_FILE", "/run/secrets/countersign_proof"),
    ("WIDGET_PRESET", "medchat"),
    ("WIDGET_SECRET_FILE", "/run/secrets/medchat"),
];

fn entry(var: &Var) -> String {
    let doc = wrapped(var.doc, "#");
    let short = SHORTEST.iter().find(|(name, _)| name.strip_suffix("_FILE").unwrap_or(name) == var.name);
    let default = if var.default.is_empty() { String::new() } else { format!("# Default: {}\n", var.default) };
    let line = match short {
        Some((name, value)) => format!("{name}={value}"),
        None if var.secret => format!("#{}_FILE=/run/secrets/{}", var.name, var.name.to_ascii_lowercase()),
        None => format!("#{}={}", var.name, quoted(var.example)),
    };
    format!("\n{doc}{default}{line}\n")
}

fn quoted(value: &str) -> String {
    if value.contains(['"', '#', '\'']) { format!("'{value}'") } else { value.to_owned() }
}

/// The text in lines that begin with `start`.
fn wrapped(text: &str, start: &str) -> String {
    const WIDTH: usize = 110;
    let mut out = String::new();
    let mut line = start.to_owned();
    for word in text.split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH {
            out.push_str(&line);
            out.push('\n');
            start.clone_into(&mut line);
        }
        line.push(' ');
        line.push_str(word);
    }
    out.push_str(&line);
    out.push('\n');
    out
}
