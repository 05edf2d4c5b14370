//! The agent's log: a file that is rotated daily, in the form that v1's log shippers know, and
//! standard error, which the service manager takes.
//!
//! `<ISO 8601 time> <LEVEL> [<program>(<pid>)]: <message>` (contract: host, "Logs"). Fields of an
//! event follow the message as `key=value`. With `log_format: json`, one JSON object a line.

mod daily_file;
mod format;

use std::io;
use std::path::Path;
use std::sync::Mutex;

use daily_file::DailyFile;
pub use daily_file::surplus as surplus_log_files;
use format::V1Format;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::Registry;

/// Libraries of which only warnings matter to an operator, whatever the level; at debug level some
/// of them would show requests.
const LIBRARIES: [&str; 8] = [
    "aws_config",
    "aws_credential_types",
    "aws_runtime",
    "aws_sdk_s3",
    "aws_smithy_http_client",
    "aws_smithy_runtime",
    "hyper_util",
    "reqwest",
];

/// Where and how this process logs.
#[derive(Debug, Clone, Copy)]
pub struct Log<'a> {
    /// Directory of the file `<program>.log`.
    pub directory: &'a Path,
    /// Names the file, and is in each line.
    pub program: &'a str,
    /// Debug level instead of info.
    pub verbose: bool,
    /// The file's mode.
    pub mode: u32,
    /// JSON instead of text.
    pub json: bool,
    /// To standard error as well.
    pub standard_error: bool,
}

impl Log<'_> {
    /// Sends all tracing events of this process there from now on.
    ///
    /// # Errors
    /// When the file cannot be opened, or there is a log already.
    pub fn start(&self) -> io::Result<()> {
        let level = if self.verbose {
            LevelFilter::DEBUG
        } else {
            LevelFilter::INFO
        };
        let file = DailyFile::open(self.directory, self.program, self.mode)?;
        let mut layers = vec![self.layer(Mutex::new(file))];
        if self.standard_error {
            layers.push(self.layer(io::stderr));
        }
        // The AWS crates tell of each look for credentials.
        let filter = LIBRARIES
            .iter()
            .fold(Targets::new().with_default(level), |filter, library| {
                filter.with_target(*library, LevelFilter::WARN)
            });
        let subscriber = tracing_subscriber::registry().with(layers).with(filter);
        tracing::subscriber::set_global_default(subscriber).map_err(io::Error::other)
    }

    fn layer<W>(&self, writer: W) -> Box<dyn tracing_subscriber::Layer<Registry> + Send + Sync>
    where
        W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
    {
        let layer = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_writer(writer);
        if self.json {
            layer.json().flatten_event(true).boxed()
        } else {
            layer.event_format(V1Format::new(self.program)).boxed()
        }
    }
}
