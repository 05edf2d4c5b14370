//! Results on their way to the service: kept on disk until it has them, also across restarts.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fs_err as fs;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::retry::pause_after;
use crate::control_plane::{
    CompletionStatus, ControlPlane, Disposition, Envelope, Gate, disposition,
};
use crate::error::chain;
use crate::executor::told;
use crate::files::write_atomically;
use crate::lifecycle::Verdict;

/// Version of the file format.
const FORMAT: u32 = 1;

/// A result that the service has refused to take for so long is of no use to anybody: it has
/// given up on the command after an hour or two at most.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// One result as it lies on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Completion {
    format: u32,
    host_command_identifier: String,
    succeeded: bool,
    payload: String,
    /// Seconds since 1970.
    made_at: u64,
    /// An attempt was made whose answer never came.
    may_have_been_accepted: bool,
}

/// The store, and the way to the service.
#[derive(Debug)]
pub(super) struct Completions<C> {
    directory: PathBuf,
    client: Arc<C>,
    gate: Gate,
    /// Names files apart that are made in the same moment.
    counter: AtomicU64,
    stop: watch::Receiver<bool>,
}

/// A result that lies on disk and has to be sent.
#[derive(Debug)]
pub(super) struct Kept {
    path: PathBuf,
    completion: Completion,
}

impl<C: ControlPlane> Completions<C> {
    pub(super) fn new(
        directory: PathBuf,
        client: Arc<C>,
        gate: Gate,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self {
            directory,
            client,
            gate,
            counter: AtomicU64::new(0),
            stop,
        }
    }

    /// Writes a result down. When even that fails it is kept in memory alone, which is said.
    pub(super) fn keep(&self, command: &str, verdict: &Verdict) -> Kept {
        let made_at = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let completion = Completion {
            format: FORMAT,
            host_command_identifier: command.to_owned(),
            succeeded: verdict.is_success(),
            payload: verdict.payload(),
            made_at,
            may_have_been_accepted: false,
        };
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        let name = format!("{made_at}-{}-{number}.json", std::process::id());
        let kept = Kept {
            path: self.directory.join(name),
            completion,
        };
        if let Err(error) = self.write(&kept) {
            tracing::error!(
                command,
                "the result cannot be written down and is lost if the agent ends before the \
                 service has it: {error}"
            );
        }
        kept
    }

    fn write(&self, kept: &Kept) -> io::Result<()> {
        fs::create_dir_all(&self.directory)?;
        let content = serde_json::to_vec(&kept.completion)?;
        // Output of scripts is in it.
        write_atomically(&kept.path, &content, 0o600)
    }

    /// The results that an earlier agent could not get rid of, oldest first.
    pub(super) fn left_behind(&self) -> Vec<Kept> {
        let Ok(entries) = fs::read_dir(&self.directory) else {
            return Vec::new();
        };
        let mut kept = Vec::new();
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            match path.extension().and_then(OsStr::to_str) {
                Some("json") => match read(&path) {
                    Ok(completion) => kept.push(Kept { path, completion }),
                    Err(error) => tracing::error!(
                        "a kept result cannot be read and is left where it is: {}: {error}",
                        path.display()
                    ),
                },
                // Half written by an agent that was killed; no other one is running.
                Some("tmp") => remove(&path),
                _ => {}
            }
        }
        kept.sort_by(|a, b| (a.completion.made_at, &a.path).cmp(&(b.completion.made_at, &b.path)));
        kept
    }

    /// Sends a result until the service has accepted it or refused it for good, or the agent
    /// stops: then it stays on disk for the next one.
    pub(super) async fn send(&self, mut kept: Kept) {
        let mut stop = self.stop.clone();
        let command = kept.completion.host_command_identifier.clone();
        let mut tries = 0;
        loop {
            tries += 1;
            let attempt = tokio::select! {
                attempt = self.attempt(&kept.completion) => attempt,
                // In flight, it may still arrive.
                () = told(&mut stop), if tries > 1 => {
                    self.note_uncertain(&mut kept);
                    return;
                }
            };
            let Err(error) = attempt else {
                tracing::info!(command, tries, "the service has accepted the result");
                return remove(&kept.path);
            };
            match disposition(&error, kept.completion.may_have_been_accepted) {
                Disposition::Retry => {}
                Disposition::AcceptedAlready => {
                    tracing::info!(
                        command,
                        "an earlier try had been accepted: {}",
                        chain(&error)
                    );
                    return remove(&kept.path);
                }
                Disposition::RefusedForGood => {
                    tracing::error!(command, "the service refuses the result: {}", chain(&error));
                    return remove(&kept.path);
                }
            }
            if error.may_have_been_accepted() {
                self.note_uncertain(&mut kept);
            }
            let made = UNIX_EPOCH + Duration::from_secs(kept.completion.made_at);
            if made.elapsed().is_ok_and(|age| age > GIVEN_UP_AFTER) {
                tracing::error!(
                    command,
                    "the result is given up after a day: {}",
                    chain(&error)
                );
                return remove(&kept.path);
            }
            let pause = pause_after(tries);
            tracing::warn!(
                command,
                again_in_seconds = pause.as_secs_f64(),
                "the result did not reach the service and is sent again: {}",
                chain(&error)
            );
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = told(&mut stop) => return,
            }
        }
    }

    async fn attempt(&self, completion: &Completion) -> Result<(), crate::control_plane::Error> {
        let status = if completion.succeeded {
            CompletionStatus::Succeeded
        } else {
            CompletionStatus::Failed
        };
        let diagnostics = Envelope::json(completion.payload.clone());
        let command = &completion.host_command_identifier;
        self.gate
            .run(
                self.client
                    .put_host_command_complete(command, status, &diagnostics),
            )
            .await
    }

    fn note_uncertain(&self, kept: &mut Kept) {
        if !kept.completion.may_have_been_accepted {
            kept.completion.may_have_been_accepted = true;
            // Without the note, a refusal later on would be logged as one; nothing more.
            let _ = self.write(kept);
        }
    }
}

impl Kept {
    /// The command that it is the result of.
    pub(super) fn command(&self) -> &str {
        &self.completion.host_command_identifier
    }
}

fn read(path: &Path) -> io::Result<Completion> {
    let completion: Completion = serde_json::from_slice(&fs::read(path)?)?;
    if completion.format == FORMAT {
        Ok(completion)
    } else {
        Err(io::Error::other(format!(
            "its format is {} and not {FORMAT}",
            completion.format
        )))
    }
}

fn remove(path: &Path) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::error!("a result that is settled cannot be removed: {error}");
        }
        _ => {}
    }
}
