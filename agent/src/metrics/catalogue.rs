//! Every metric. `docs/metrics.md` has the same table, and a test compares the two.

use super::text::{Family, Kind};

/// Makes the constants and the list of all of them from one table.
macro_rules! families {
    ($($constant:ident: $kind:ident $name:literal $unit:expr, $labels:expr, $help:literal;)*) => {
        $(pub(super) const $constant: Family = Family {
            name: concat!("codedeploy_agent_", $name),
            kind: Kind::$kind,
            unit: $unit,
            labels: &$labels,
            help: $help,
        };)*

        /// All of them, in the order of the text.
        #[cfg(test)]
        pub(super) const ALL: &[Family] = &[$($constant),*];
    };
}

const SECONDS: Option<&str> = Some("seconds");
const BYTES: Option<&str> = Some("bytes");

families! {
    UP: Gauge "up" None, [], "Whether the agent runs; 0 is written when it stops in order.";
    BUILD_INFO: Gauge "build_info" None, ["version"], "Always 1; the label has the version.";
    START_TIME: Gauge "start_time_seconds" SECONDS, [], "When the agent's process began, since the epoch.";
    LAST_POLL: Gauge "last_successful_poll_timestamp_seconds" SECONDS, [],
        "When the service last answered a poll, since the epoch; 0 before the first time.";
    POLL_AGE: Gauge "poll_age_seconds" SECONDS, [],
        "Time since the service last answered a poll, or since the start, as of this text.";
    CALLS: Counter "calls" None, ["operation", "outcome"], "Calls to the command service, polls included.";
    RETRIES: Counter "retries" None, ["operation"], "Calls about a command that are made again after a failure.";
    EVENTS: Counter "events" None, ["event", "result"], "Lifecycle events that have ended on this host.";
    EVENT_DURATION: Histogram "event_duration_seconds" SECONDS, ["event"],
        "From the arrival of a command to its result, for events that were run by this process.";
    DEPLOYMENTS: Counter "deployments" None, ["result"], "Deployments that have ended on this host.";
    DEPLOYMENT_DURATION: Histogram "deployment_duration_seconds" SECONDS, ["result"],
        "From the arrival of the first command to the end, for deployments that this process saw begin.";
    HOOK_RUNS: Counter "hook_runs" None, ["result"], "Scripts of hooks that have ended.";
    DOWNLOADED: Counter "downloaded_bytes" BYTES, [], "Size of the bundles that were fetched and unpacked.";
    DOWNLOADING: Counter "download_seconds" SECONDS, [], "Time in which they were fetched and unpacked.";
    AT_WORK: Gauge "commands_at_work" None, [],
        "Commands between their arrival and the acceptance of their result.";
    WAITING: Gauge "commands_waiting" None, [],
        "Of these, those that wait for another command of their deployment.";
    UNDELIVERED: Gauge "results_undelivered" None, [], "Of these, those whose result the service does not have yet.";
    REVISIONS: Gauge "revisions" None, [], "Deployments whose revision is kept under root_dir.";
    DISK_USED: Gauge "disk_used_bytes" BYTES, ["kind"], "Space that the kept revisions take under root_dir.";
    DISK_FREE: Gauge "disk_free_bytes" BYTES, [], "Free space of the file system of root_dir.";
}
