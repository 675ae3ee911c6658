//! The log: one event, one line, on stderr. What is logged holds identifiers, never readings or tokens.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use crate::config::LogFormat;

/// A filter that does not read.
#[derive(Debug, thiserror::Error)]
#[error("`{filter}` is no filter for the log: use a level such as info, or target=level pairs")]
pub struct BadFilter {
    /// The text.
    pub filter: String,
    /// Why.
    #[source]
    pub source: tracing_subscriber::filter::ParseError,
}

/// What takes log lines in some form.
pub type Subscriber = Box<dyn tracing::Subscriber + Send + Sync>;

/// A subscriber that writes lines of that form to `writer`.
///
/// # Errors
/// [`BadFilter`].
pub fn subscriber(format: LogFormat, filter: &str, writer: BoxMakeWriter) -> Result<Subscriber, BadFilter> {
    let parsed = EnvFilter::try_new(filter);
    let parsed = parsed.map_err(|source| BadFilter { filter: filter.to_owned(), source })?;
    let builder = tracing_subscriber::fmt().with_env_filter(parsed).with_writer(writer).with_ansi(false);
    Ok(match format {
        LogFormat::Text => Box::new(builder.finish()),
        LogFormat::Json => Box::new(builder.json().flatten_event(true).finish()),
    })
}

/// Sends the process's log to stderr.
///
/// # Errors
/// [`BadFilter`]. Where a log has been set up before, that one stays.
pub fn start(format: LogFormat, filter: &str) -> Result<(), BadFilter> {
    let made = subscriber(format, filter, BoxMakeWriter::new(std::io::stderr))?;
    let _ = tracing::subscriber::set_global_default(made);
    Ok(())
}
