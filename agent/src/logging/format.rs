//! One line an event, as v1 writes it.

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// `<ISO 8601 time> <LEVEL> [<program>(<pid>)]: <message>`.
#[derive(Debug)]
pub(super) struct V1Format {
    origin: String,
}

impl V1Format {
    pub(super) fn new(program: &str) -> Self {
        Self {
            origin: format!("[{program}({})]", std::process::id()),
        }
    }
}

impl<S, N> FormatEvent<S, N> for V1Format
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let now = jiff::Zoned::now().strftime("%Y-%m-%dT%H:%M:%S%:z");
        write!(
            writer,
            "{now} {:<5} {}: ",
            event.metadata().level(),
            self.origin
        )?;
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}
