//! How output looks to people at a terminal. What is piped, or printed where `NO_COLOR` is set (no-color.org), is plain text.

use std::fmt::Write as _;

/// Which ends of the process are a terminal.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terminal {
    /// Questions can be asked.
    pub input: bool,
    /// Somebody is looking.
    pub output: bool,
}

impl Terminal {
    /// How to print, where the environment has these variables.
    #[must_use]
    pub fn paint(self, vars: &[(String, String)]) -> Paint {
        let given = |name: &str| vars.iter().rfind(|(known, _)| known == name).map_or("", |(_, value)| value.as_str());
        Paint { on: self.output && given("NO_COLOR").is_empty() && given("TERM") != "dumb" }
    }
}

/// Colour, or none.
#[derive(Debug, Clone, Copy, Default)]
pub struct Paint {
    on: bool,
}

impl Paint {
    /// What a line is about.
    #[must_use]
    pub fn strong(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// What is said beside it.
    #[must_use]
    pub fn faint(self, text: &str) -> String {
        self.wrap("2", text)
    }

    /// What is as it should be.
    #[must_use]
    pub fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    /// What deserves a look.
    #[must_use]
    pub fn warning(self, text: &str) -> String {
        self.wrap("33", text)
    }

    /// What is not as it should be.
    #[must_use]
    pub fn bad(self, text: &str) -> String {
        self.wrap("31", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Rows in columns, the first column strong; nothing is cut, and no line ends with blanks.
    #[must_use]
    pub fn table(self, rows: &[Vec<String>]) -> String {
        let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
        let cell = |row: &[String], at: usize| row.get(at).map_or(0, |text| text.chars().count());
        let widths: Vec<usize> =
            (0..columns).map(|at| rows.iter().map(|row| cell(row, at)).max().unwrap_or_default()).collect();
        let mut text = String::new();
        for row in rows {
            let last = row.iter().rposition(|cell| !cell.is_empty()).unwrap_or_default();
            let cells = row.iter().take(last + 1).enumerate().map(|(at, cell)| {
                let padding = if at == last { 0 } else { widths[at] + 2 - cell.chars().count() };
                let shown = if at == 0 { self.strong(cell) } else { cell.clone() };
                format!("{shown}{}", " ".repeat(padding))
            });
            let written = writeln!(text, "  {}", cells.collect::<String>());
            debug_assert!(written.is_ok(), "writing to a String does not fail");
        }
        text
    }
}
