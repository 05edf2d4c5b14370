//! Every check ends in time.

use std::time::Duration;

use super::finding::Finding;

/// The longest that one look over the network may take.
pub(super) const NETWORK: Duration = Duration::from_secs(5);

/// The longest for what takes several answers one after the other.
pub(super) const SEVERAL: Duration = Duration::from_secs(8);

/// The longest for files: they may be on a server that does not answer.
const FILES: Duration = Duration::from_secs(5);

/// Looks at files, in a thread of its own that is left behind when it does not come back.
pub(super) async fn looking(look: impl FnOnce() -> Finding + Send + 'static) -> Finding {
    let look = tokio::task::spawn_blocking(look);
    match tokio::time::timeout(FILES, look).await {
        Ok(Ok(finding)) => finding,
        Ok(Err(error)) => Finding::failed(
            format!("the check itself has failed: {error}"),
            "report this as a defect of the agent",
        ),
        Err(_) => Finding::failed(
            format!(
                "the file system did not answer within {} s",
                FILES.as_secs()
            ),
            "check whether it is on a server (NFS) that is away",
        ),
    }
}
