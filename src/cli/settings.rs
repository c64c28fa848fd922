//! `countersign settings`: every setting as a table and as the sample file, printed from the definitions themselves.

use std::fmt::Write as _;

use clap::{Args, ValueEnum};

use super::{CliContext, Exit};
use crate::app::config::SECTIONS;
use crate::config::env::Var;

/// In which form.
#[derive(Debug, Args)]
pub struct SettingsArgs {
    /// A table for people, or a commented sample file.
    #[arg(long, value_enum, default_value_t = Form::Table)]
    format: Form,
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
    let text = match args.format {
        Form::Table => table(),
        Form::Env => sample(),
    };
    write!(context.out, "{text}")?;
    Ok(Exit::Well)
}

/// The table, in Markdown.
#[must_use]
pub fn table() -> String {
    let mut text = String::new();
    for section in SECTIONS {
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
    for section in SECTIONS {
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
    let doc = wrapped(var.doc);
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

fn wrapped(text: &str) -> String {
    const WIDTH: usize = 110;
    let mut out = String::new();
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH {
            out.push_str(&line);
            out.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    out.push_str(&line);
    out.push('\n');
    out
}
