//! The id of the request on whose behalf a line is written, in every such line.

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::base::request;

/// A format, with the id in it.
pub(super) struct WithRequest<F> {
    pub(super) format: F,
    pub(super) json: bool,
}

impl<S, N, F> FormatEvent<S, N> for WithRequest<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let named = event.metadata().fields().field("request").is_some();
        let id = request::current().filter(|_| self.json || !named);
        let Some(id) = id.as_ref().and_then(|id| id.to_str().ok()) else {
            return self.format.format_event(context, writer, event);
        };
        let mut line = String::new();
        self.format.format_event(context, Writer::new(&mut line), event)?;
        match line.strip_prefix('{').filter(|_| self.json) {
            Some(rest) => write!(writer, "{{\"request\":\"{id}\",{rest}"),
            None => writeln!(writer, "{} request=\"{id}\"", line.trim_end_matches('\n')),
        }
    }
}
