//! The metrics as others see them, from the beginning of the daemon to its end.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::exposition::Exposition;
use super::file::MetricsFile;
use super::socket;
use crate::config::Config;
use crate::metrics::Metrics;

/// How long the end of the daemon waits for the last text: a file system that does not answer must
/// not hold up the next agent.
const LAST_MOMENT: Duration = Duration::from_secs(5);

/// What shows the metrics.
#[derive(Debug)]
pub(in crate::daemon) struct Exposed {
    stop: oneshot::Sender<()>,
    file: Option<JoinHandle<()>>,
    socket: Option<PathBuf>,
}

impl Exposed {
    /// Begins to show the metrics: on request, and in a file when there is to be one. The caller
    /// holds the pid file.
    pub(in crate::daemon) fn begin(config: &Config, metrics: &Metrics) -> Self {
        let exposition = Exposition::new(metrics.clone(), config.deployment_root());
        let socket = match socket::listen(config) {
            Ok((listener, path)) => {
                tokio::spawn(socket::serve(listener, exposition.clone()));
                Some(path)
            }
            Err(error) => {
                tracing::warn!("agent metrics cannot ask this agent: {error}");
                None
            }
        };
        let (stop, stopped) = oneshot::channel();
        let file = config.metrics_file.as_ref().map(|path| {
            let file = MetricsFile::new(path.clone(), exposition);
            tokio::spawn(file.keep(async move {
                // Sent, or dropped: both are the end.
                let _ = stopped.await;
            }))
        });
        Self { stop, file, socket }
    }

    /// Takes the socket away, and has the file written for the last time. May be given up.
    pub(in crate::daemon) async fn end(self) {
        drop(self.stop);
        if let Some(path) = self.socket {
            // One that stays is replaced by the next daemon.
            let _ = fs_err::remove_file(path);
        }
        if let Some(file) = self.file
            && timeout(LAST_MOMENT, file).await.is_err()
        {
            tracing::warn!(
                "metrics_file was not written at the end: its directory does not answer"
            );
        }
    }
}
