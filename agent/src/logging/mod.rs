//! The agent's log: a file that is rotated daily, in the form that v1's log shippers know.
//!
//! `<ISO 8601 time> <LEVEL> [<program>(<pid>)]: <message>` (contract: host, "Logs"). Fields of an
//! event follow the message as `key=value`.

mod daily_file;
mod format;

use std::io;
use std::path::Path;
use std::sync::Mutex;

use daily_file::DailyFile;
use format::V1Format;
use tracing_subscriber::filter::LevelFilter;

/// Sends all tracing events of this process to the file `<directory>/<program>.log`.
///
/// # Errors
/// When the file cannot be opened. The process then has no log, and may go on without.
pub fn to_file(directory: &Path, program: &str, verbose: bool, mode: u32) -> io::Result<()> {
    let file = DailyFile::open(directory, program, mode)?;
    let level = if verbose {
        LevelFilter::DEBUG
    } else {
        LevelFilter::INFO
    };
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(false)
        .event_format(V1Format::new(program))
        .with_writer(Mutex::new(file))
        .finish();
    tracing::subscriber::set_global_default(subscriber).map_err(io::Error::other)
}
