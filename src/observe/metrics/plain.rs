//! The exposition in the older text format (`text/plain; version=0.0.4`), for whoever does not ask for OpenMetrics.

/// There, a counter is described under the name that its samples have.
pub(super) fn plain(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len() + 1024);
    let mut lines = open_metrics.lines().peekable();
    while let Some(line) = lines.next() {
        let kind = lines.peek().filter(|_| line.starts_with("# HELP ")).copied().unwrap_or(line);
        let is_counter = kind.starts_with("# TYPE ") && kind.ends_with(" counter");
        match (is_counter, line.splitn(4, ' ').collect::<Vec<_>>().as_slice()) {
            _ if line == "# EOF" || line.starts_with("# UNIT ") => {}
            (true, [hash, word, name, rest]) => text.extend([hash, " ", word, " ", name, "_total ", rest, "\n"]),
            _ => text.extend([line, "\n"]),
        }
    }
    text
}
