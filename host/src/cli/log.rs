//! The log: lines on standard error. `MAILWEIR_LOG` says how much there is (tracing's filter syntax).

use std::{fmt, io, time::SystemTime};

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{
    EnvFilter,
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

use crate::{config::LogFormat, events::line_start, sandbox::LOG_TARGET};

/// The log of a command that doesn't run for long: what is wrong, and no times.
pub(super) fn start() {
    start_command("error");
}

/// The same, and all that filters say: for commands that show what they do.
pub(super) fn start_telling_filters() {
    start_command(&format!("error,{LOG_TARGET}=debug"));
}

fn start_command(default: &str) {
    let log = tracing_subscriber::fmt().with_env_filter(filter(default)).with_ansi(colours()).with_writer(io::stderr);
    log.with_target(false).without_time().init();
}

/// The log of a running relay.
pub(super) fn start_serving(format: LogFormat, hostname: &str) {
    let log = tracing_subscriber::fmt().with_env_filter(filter("info")).with_writer(io::stderr).with_target(false);
    match format {
        LogFormat::Text => log.with_ansi(colours()).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
        LogFormat::Postfix => log.with_ansi(false).event_format(PostfixLines { hostname: hostname.to_owned() }).init(),
    }
}

fn filter(default: &str) -> EnvFilter {
    EnvFilter::try_from_env("MAILWEIR_LOG").unwrap_or_else(|_| EnvFilter::new(default))
}

/// Only on a terminal.
fn colours() -> bool {
    anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never
}

/// What isn't told as an event, beside the lines of those that are ([`crate::events::PostfixLog`]).
struct PostfixLines {
    hostname: String,
}

impl<S, N> FormatEvent<S, N> for PostfixLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let severity = match *event.metadata().level() {
            Level::ERROR => "error: ",
            Level::WARN => "warning: ",
            Level::INFO | Level::DEBUG | Level::TRACE => "",
        };
        write!(out, "{}{severity}", line_start(SystemTime::now(), &self.hostname, "mailweir"))?;
        context.format_fields(out.by_ref(), event)?;
        writeln!(out)
    }
}
