//! The whole text.

use std::fmt::Display;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::catalogue as families;
use super::counts::{Counts, Pairs};
use super::histogram::Histogram;
use super::labels::{DeploymentResult, DiskUse, EventName, Label};
use super::numbers::Numbers;
use super::text::{END, Family, Text};
use crate::deployment_root::DiskUsage;

/// What a process had counted at one moment.
#[derive(Debug, Clone)]
pub struct Moment {
    numbers: Numbers,
    began: SystemTime,
    /// Since the service last answered a poll, or since the beginning.
    poll_age: Duration,
}

impl Moment {
    pub(super) fn new(numbers: Numbers, (began, ticking): (SystemTime, Instant)) -> Self {
        let last = numbers.last_poll.map_or(ticking, |(_, last)| last);
        Self {
            numbers,
            began,
            poll_age: last.elapsed(),
        }
    }
}

/// What is known of the disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk {
    /// Bytes; none when the file system does not say.
    pub free: Option<u64>,
    /// None when it was not measured, or is too much to be.
    pub usage: Option<DiskUsage>,
}

/// Writes everything: `up` says whether the agent runs, `moment` what it has counted. Every metric
/// is named; those of which nothing is known have no samples.
#[must_use]
pub fn page(up: bool, moment: Option<&Moment>, disk: &Disk) -> String {
    let numbers = moment.map(|moment| &moment.numbers);
    let mut text = Text::default();
    let out = &mut text;
    single(out, &families::UP, Some(u8::from(up)));
    out.family(&families::BUILD_INFO);
    out.sample(&families::BUILD_INFO, &[env!("CARGO_PKG_VERSION")], 1);
    let began = moment.map(|moment| since_epoch(moment.began));
    single(out, &families::START_TIME, began);
    let last_poll = |numbers: &Numbers| numbers.last_poll.map_or(0.0, |(at, _)| since_epoch(at));
    single(out, &families::LAST_POLL, numbers.map(last_poll));
    let poll_age = moment.map(|moment| moment.poll_age.as_secs_f64());
    single(out, &families::POLL_AGE, poll_age);
    work(out, numbers);
    disk_use(out, disk);
    text.end()
}

/// What is counted while commands are carried out.
fn work(text: &mut Text, numbers: Option<&Numbers>) {
    let number = |of: fn(&Numbers) -> u64| numbers.map(of);
    pairs(text, &families::CALLS, numbers.map(|n| &n.calls));
    counts(text, &families::RETRIES, numbers.map(|n| &n.retries));
    pairs(text, &families::EVENTS, numbers.map(|n| &n.events));
    let durations = numbers.map(|n| &n.event_durations);
    histograms::<EventName>(text, &families::EVENT_DURATION, durations);
    counts(
        text,
        &families::DEPLOYMENTS,
        numbers.map(|n| &n.deployments),
    );
    let durations = numbers.map(|n| &n.deployment_durations);
    histograms::<DeploymentResult>(text, &families::DEPLOYMENT_DURATION, durations);
    counts(text, &families::HOOK_RUNS, numbers.map(|n| &n.hook_runs));
    single(text, &families::DOWNLOADED, number(|n| n.downloaded_bytes));
    let downloading = numbers.map(|n| n.downloading.as_secs_f64());
    single(text, &families::DOWNLOADING, downloading);
    single(text, &families::AT_WORK, number(|n| n.commands_at_work));
    single(text, &families::WAITING, number(|n| n.commands_waiting));
    let undelivered = number(|n| n.results_undelivered);
    single(text, &families::UNDELIVERED, undelivered);
}

fn disk_use(text: &mut Text, disk: &Disk) {
    let revisions = disk.usage.map(|usage| usage.revisions);
    single(text, &families::REVISIONS, revisions);
    text.family(&families::DISK_USED);
    if let Some(usage) = disk.usage {
        for kind in DiskUse::all() {
            let bytes = match kind {
                DiskUse::Archives => usage.archives,
                DiskUse::Bundles => usage.bundles,
            };
            text.sample(&families::DISK_USED, &[&kind.text()], bytes);
        }
    }
    single(text, &families::DISK_FREE, disk.free);
}

fn single(text: &mut Text, family: &Family, value: Option<impl Display>) {
    text.family(family);
    if let Some(value) = value {
        text.sample(family, &[], value);
    }
}

fn counts<A: Label>(text: &mut Text, family: &Family, counts: Option<&Counts<A>>) {
    text.family(family);
    for (value, count) in counts.into_iter().flat_map(Counts::each) {
        text.sample(family, &[&value.text()], count);
    }
}

fn pairs<A: Label, B: Label>(text: &mut Text, family: &Family, pairs: Option<&Pairs<A, B>>) {
    text.family(family);
    for (first, second, count) in pairs.into_iter().flat_map(Pairs::each) {
        text.sample(family, &[&first.text(), &second.text()], count);
    }
}

/// Only those in which something was observed: one that is empty tells nothing that the counter
/// beside it does not.
fn histograms<A: Label>(text: &mut Text, family: &Family, histograms: Option<&Vec<Histogram>>) {
    text.family(family);
    for value in A::all() {
        let histogram = histograms.and_then(|all| all.get(value.index()));
        if let Some(histogram) = histogram.filter(|histogram| histogram.count() > 0) {
            text.histogram(family, &[&value.text()], histogram);
        }
    }
}

/// Whether a text that came from elsewhere has come to its end, and can be shown as it is.
#[must_use]
pub fn is_whole(text: &str) -> bool {
    let body = text.strip_suffix('\n');
    body.is_some_and(|body| body.ends_with(END))
        && !text.chars().any(|c| c.is_control() && c != '\n')
}

fn since_epoch(time: SystemTime) -> f64 {
    let since = time.duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64()
}
