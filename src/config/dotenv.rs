//! The text of an environment file.

/// A line of an environment file that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct BadLine {
    /// Counted from one.
    pub line: usize,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// A line's number, counted from one, and the name and value that begin on it.
pub type Numbered = (usize, (String, String));

/// Reads the text of an environment file: `NAME=value` lines, `#` comments, optional `export`, values bare, in single
/// quotes (literal, may span lines) or in double quotes (`\n`, `\t`, `\"`, `\\`, may span lines).
///
/// Nothing is substituted: a `$` in a secret is a `$`. Readers of this format differ on ` #` inside a bare value, so
/// that is refused instead of cutting a secret short.
///
/// # Errors
/// [`BadLine`] for the first line that cannot be read.
pub fn parse_dotenv(text: &str) -> Result<Vec<(String, String)>, BadLine> {
    Ok(numbered(text)?.into_iter().map(|(_, pair)| pair).collect())
}

/// The same, each with the line it begins on, counted from one.
///
/// # Errors
/// As [`parse_dotenv`].
pub fn numbered(text: &str) -> Result<Vec<Numbered>, BadLine> {
    let mut pairs = Vec::new();
    let mut rest = text;
    let mut line = 1;
    while !rest.is_empty() {
        let (taken, pair) = next_entry(rest).map_err(|problem| BadLine { line, problem })?;
        pairs.extend(pair.map(|pair| (line, pair)));
        line += rest[..taken].matches('\n').count();
        rest = &rest[taken..];
    }
    Ok(pairs)
}

type Entry = (usize, Option<(String, String)>);

fn next_entry(text: &str) -> Result<Entry, &'static str> {
    let end = text.find('\n').map_or(text.len(), |at| at + 1);
    let line = text[..end].trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok((end, None));
    }
    let equals = text[..end].find('=').ok_or("there is no `=`")?;
    let name = text[..equals].trim();
    let name = name.strip_prefix("export ").unwrap_or(name).trim();
    let sound =
        name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !name.starts_with(|c: char| c.is_ascii_digit());
    if name.is_empty() || !sound {
        return Err("the name is not letters, digits and `_`");
    }
    let (used, value) = dotenv_value(&text[equals + 1..])?;
    Ok((equals + 1 + used, Some((name.to_owned(), value))))
}

fn dotenv_value(text: &str) -> Result<(usize, String), &'static str> {
    let end = text.find('\n').map_or(text.len(), |at| at + 1);
    let start = text[..end].len() - text[..end].trim_start().len();
    match text[start..].chars().next() {
        Some(quote @ ('"' | '\'')) if start < end => quoted(&text[start + 1..], quote).map(|(n, v)| (start + 1 + n, v)),
        _ => {
            let bare = text[..end].trim();
            let ambiguous = bare.contains(" #") || bare.contains("\t#");
            if ambiguous { Err("` #` in a bare value: put the value in quotes") } else { Ok((end, bare.to_owned())) }
        }
    }
}

fn quoted(text: &str, quote: char) -> Result<(usize, String), &'static str> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == quote => return after_quote(&text[at + 1..]).map(|tail| (at + 1 + tail, value)),
            '\\' if quote == '"' => value.push(match chars.next().map(|(_, c)| c) {
                Some('n') => '\n',
                Some('t') => '\t',
                Some(c @ ('"' | '\\' | '$')) => c,
                _ => return Err("unknown escape in a double-quoted value"),
            }),
            c => value.push(c),
        }
    }
    Err("the quote is never closed")
}

fn after_quote(tail: &str) -> Result<usize, &'static str> {
    let end = tail.find('\n').map_or(tail.len(), |at| at + 1);
    let left = tail[..end].trim();
    if left.is_empty() || left.starts_with('#') { Ok(end) } else { Err("text after the closing quote") }
}
