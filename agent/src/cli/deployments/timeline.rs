//! The events of a deployment as bars on one scale.

use std::time::{Duration, SystemTime};

use super::event;
use crate::cli::terminal::{Paint, fitted, one_line, width};
use crate::history::{PastDeployment, PastEvent};

/// Where standard output is no terminal.
const COLUMNS: usize = 80;

/// Columns of the names, as those of standard events need.
const NAMES: usize = 18;

/// Columns of the durations.
const DURATIONS: usize = 11;

/// Bars shorter than this show nothing.
const SHORTEST_SCALE: usize = 10;

/// A line an event.
pub(super) fn lines(past: &PastDeployment, paint: Paint) -> Vec<String> {
    drawn(past, width().unwrap_or(COLUMNS), SystemTime::now(), paint)
}

fn drawn(past: &PastDeployment, columns: usize, now: SystemTime, paint: Paint) -> Vec<String> {
    // Name, blank, bar, blank, duration.
    let scale = columns
        .saturating_sub(NAMES + DURATIONS + 2)
        .max(SHORTEST_SCALE);
    let end_of = |event: &PastEvent| event.ended.unwrap_or(now);
    let end = past.events.iter().map(end_of).max().unwrap_or(past.began);
    let whole = since(past.began, end).max(Duration::from_millis(1));
    let column = |time: SystemTime| {
        let share = since(past.began, time).as_secs_f64() / whole.as_secs_f64();
        // A share of a few hundred columns, between 0 and all of them.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "between 0 and the width of a terminal"
        )]
        let column = (share.min(1.0) * scale as f64).floor() as usize;
        column
    };
    let bar = |event: &PastEvent| {
        let from = column(event.began).min(scale - 1);
        let to = column(end_of(event)).clamp(from + 1, scale);
        (from, to)
    };
    past.events
        .iter()
        .map(|event| {
            let (from, to) = bar(event);
            let (_, _, colour) = event::words(past, event);
            format!(
                "{:<NAMES$} {}{}{} {:>DURATIONS$}",
                fitted(&one_line(&event.name), NAMES),
                " ".repeat(from),
                paint.text(colour, &"█".repeat(to - from)),
                " ".repeat(scale - to),
                event::duration(event)
            )
        })
        .collect()
}

fn since(from: SystemTime, to: SystemTime) -> Duration {
    to.duration_since(from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deployment::DeploymentId;
    use crate::diagnostics::Code;
    use crate::history::{DeploymentResult, Requester};

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000 + seconds)
    }

    fn event(name: &str, began: u64, ended: Option<u64>) -> PastEvent {
        PastEvent {
            name: name.into(),
            began: at(began),
            ended: ended.map(at),
            code: ended.map(|_| Code::Succeeded),
            message: String::new(),
            settlement: None,
        }
    }

    #[test]
    fn bars_share_one_scale_and_none_is_without_length() {
        let past = PastDeployment {
            id: DeploymentId::new("d-1").unwrap(),
            group_id: None,
            group_name: None,
            application: None,
            revision: None,
            requester: Requester::Service,
            began: at(0),
            ended: None,
            result: DeploymentResult::Running { event: None },
            held: None,
            is_most_recent: false,
            is_last_successful: false,
            events: vec![
                event("ApplicationStop", 0, Some(0)),
                event("DownloadBundle", 0, Some(50)),
                event("An\u{1b}event with a long name", 50, Some(100)),
                event("Install", 100, None),
            ],
        };
        let drawn = |columns| drawn(&past, columns, at(200), Paint::with(false));
        assert_eq!(
            drawn(41),
            [
                "ApplicationStop    █               0.00 s",
                "DownloadBundle     ██              50.0 s",
                "An event…long name   ███           50.0 s",
                "Install                 █████           -",
            ]
        );
        for line in drawn(120) {
            assert_eq!(line.chars().count(), 120, "{line}");
        }
        // Too narrow for anything: still whole.
        assert_eq!(drawn(0), drawn(10));
    }
}
