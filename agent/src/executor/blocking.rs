//! Work that may take long, kept off the daemon's one thread: polls, results, signals and the
//! watchdog of all deployments wait for that.

use tokio::task::spawn_blocking;

/// Does `work` on a thread that may block. Given up, it goes on without anybody waiting for it.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}
