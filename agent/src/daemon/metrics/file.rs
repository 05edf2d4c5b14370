//! `metrics_file`: the text for node_exporter's textfile collector.

use std::path::PathBuf;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use super::exposition::Exposition;
use crate::error::chain;
use crate::files::{PublishError, publish};

/// At the earliest it is written again so long after the last time, when something was counted.
const EARLIEST: Duration = Duration::from_secs(15);

/// And at the latest so long, for the ages in it.
const LATEST: Duration = Duration::from_secs(60);

/// node_exporter runs as a user of its own.
const MODE: u32 = 0o644;

/// The file, written by one task at a time.
#[derive(Debug)]
pub(super) struct MetricsFile {
    path: PathBuf,
    exposition: Exposition,
    /// The last time it could not be written, and that was said.
    failing: bool,
}

impl MetricsFile {
    pub(super) fn new(path: PathBuf, exposition: Exposition) -> Self {
        Self {
            path,
            exposition,
            failing: false,
        }
    }

    /// Keeps the file up to date until `stopped` returns, then writes it once more, as that of an
    /// agent that has stopped.
    pub(super) async fn keep(mut self, stopped: impl Future<Output = ()>) {
        let mut stopped = std::pin::pin!(stopped);
        loop {
            // Never given up for another: two at once would write the same temporary file.
            self.write(true).await;
            tokio::select! {
                () = &mut stopped => break,
                () = self.time_for_the_next() => {}
            }
        }
        self.write(false).await;
    }

    async fn time_for_the_next(&self) {
        sleep(EARLIEST).await;
        // Either will do.
        let _ = timeout(LATEST - EARLIEST, self.exposition.changed()).await;
    }

    async fn write(&mut self, up: bool) {
        let text = self.exposition.text(up).await;
        let path = self.path.clone();
        let written = spawn_blocking(move || publish(&path, text.as_bytes(), MODE));
        match written.await {
            Ok(written) => self.say(written),
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }

    /// Says it when writing begins to fail, and when it succeeds again.
    fn say(&mut self, written: Result<(), PublishError>) {
        match written {
            Ok(()) if self.failing => {
                self.failing = false;
                tracing::info!(path = %self.path.display(), "metrics_file is written again");
            }
            Ok(()) => {}
            Err(_) if self.failing => {}
            Err(error) => {
                self.failing = true;
                tracing::warn!(
                    "metrics_file: {}; this is tried again and no longer said until it succeeds",
                    chain(&error)
                );
            }
        }
    }
}
