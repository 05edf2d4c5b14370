//! `hooks`: which scripts run at which event.

use std::time::Duration;

use super::{paths, section};
use crate::appspec::findings::{Fields, Findings, Shape, text};
use crate::appspec::model::{EventHooks, Script};
use crate::appspec::places::{EventPlaces, ScriptPlaces};
use crate::appspec::problem::quoted;
use crate::appspec::text_path::resolve_within;
use crate::appspec::yaml::{Content, Entry, Node, Region, Value};

const DEFAULT_TIMEOUT: u32 = 3600;

pub(crate) static SCRIPT: Shape = Shape {
    what: "a script of `hooks`",
    keys: &["location", "timeout", "runas", "sudo"],
    mistaken: &[
        ("run", RUN),
        ("command", RUN),
        ("script", RUN),
        ("user", "did you mean `runas`?"),
        ("run_as", "did you mean `runas`?"),
    ],
};
const RUN: &str = "write `location` with the path of a script in the bundle; commands go into it";

/// The events under `hooks` that have scripts.
pub(super) fn events(
    fields: &Fields<'_>,
    findings: &mut Findings<'_>,
) -> (Vec<EventHooks>, Vec<EventPlaces>) {
    section::mapping(fields, "hooks", findings)
        .iter()
        .filter_map(|entry| event(entry, findings))
        .unzip()
}

/// The scripts of the event called `name`.
pub(super) fn scripts(fields: &Fields<'_>, name: &str, findings: &mut Findings<'_>) -> Vec<Script> {
    section::mapping(fields, "hooks", findings)
        .iter()
        .filter(|entry| entry.key.text() == Some(name))
        .filter_map(|entry| event(entry, findings))
        .flat_map(|(hooks, _)| hooks.scripts)
        .collect()
}

fn event(
    Entry { key, value }: &Entry,
    findings: &mut Findings<'_>,
) -> Option<(EventHooks, EventPlaces)> {
    let event = text(key, "an event's name", "event-name", findings)?;
    let items = match value.content() {
        Content::Sequence(items) => items.as_slice(),
        Content::Mapping(entries) if entries.is_empty() => &[],
        _ if matches!(value.value(), Some(Value::Null | Value::Bool(false))) => &[],
        _ => {
            let message = format!(
                "event {} holds {}, where a list of scripts is expected",
                quoted(event),
                value.kind()
            );
            let help = "start each script below it with `- location: `";
            findings.error("event-not-a-list", value.region(), &message, help);
            return None;
        }
    };
    if items.is_empty() {
        let message = format!(
            "event {} has no scripts, which AWS's agent may refuse",
            quoted(event)
        );
        findings.warning("event-empty", key.region(), &message, "remove it");
        return None;
    }
    let (scripts, places): (Vec<Script>, Vec<ScriptPlaces>) = items
        .iter()
        .filter_map(|item| script(item, findings))
        .unzip();
    // Empty only after errors.
    (!scripts.is_empty()).then(|| {
        let hooks = EventHooks {
            event: event.to_owned(),
            scripts,
        };
        let places = EventPlaces {
            event: key.region(),
            scripts: places,
        };
        (hooks, places)
    })
}

fn script(node: &Node, findings: &mut Findings<'_>) -> Option<(Script, ScriptPlaces)> {
    let Some(fields) = Fields::read(node, &SCRIPT, findings) else {
        let message = format!("a script is {}, where a mapping is expected", node.kind());
        let help = "write `- location: scripts/start.sh`";
        findings.error("script-not-a-mapping", node.region(), &message, help);
        return None;
    };
    // All are read before any is given up, so that all are told.
    let location = location(&fields, findings);
    let timeout = timeout(&fields, findings);
    let runas = runas(&fields, findings);
    let sudo = sudo(&fields, findings);
    let place = |key| fields.get(key).map(Node::region);
    let places = ScriptPlaces {
        location: place("location")?,
        timeout: place("timeout"),
        runas: place("runas"),
    };
    let (location, path) = location?;
    let script = Script {
        location,
        path,
        timeout: timeout?,
        runas,
        sudo,
    };
    Some((script, places))
}

fn strip(text: &str) -> &str {
    text.trim_matches(|ch: char| ch.is_ascii_whitespace() || ch == '\u{b}')
}

fn location(
    fields: &Fields<'_>,
    findings: &mut Findings<'_>,
) -> Option<(String, std::path::PathBuf)> {
    let help = "name a script of the bundle, such as `location: scripts/start.sh`";
    let node = fields.require("location", "location-missing", help, findings)?;
    let location = strip(text(node, "location", "location-invalid", findings)?);
    let at = node.region();
    if location.is_empty() {
        findings.error("location-missing", at, "`location` is empty", help);
        return None;
    }
    if !paths::check(location, "location", at, findings) {
        return None;
    }
    let Some(path) = resolve_within(location) else {
        let message = format!("location {} leads out of the bundle", quoted(location));
        let help = "name a script inside the bundle; it may call programs of the host";
        findings.error("location-outside", at, &message, help);
        return None;
    };
    if path.as_os_str().is_empty() {
        let message = format!("location {} is the bundle itself", quoted(location));
        findings.error("location-invalid", at, &message, help);
        return None;
    }
    if location.starts_with('/') {
        let message = format!(
            "location {} is looked for in the bundle, not at the host's root",
            quoted(location)
        );
        let help = "remove the leading `/`; a program of the host needs a script that calls it";
        findings.warning("location-absolute", at, &message, help);
    }
    if location.contains([' ', '\t']) {
        let message = "the whole `location` is one file name, blanks included";
        let help = "put a command line into a script, and name the script";
        findings.warning("location-blank", at, message, help);
    }
    Some((location.to_owned(), path))
}

/// Ruby's `to_i`: the leading digits of a text, the whole part of a float.
fn timeout(fields: &Fields<'_>, findings: &mut Findings<'_>) -> Option<Duration> {
    let Some(node) = fields.get("timeout") else {
        return Some(Duration::from_secs(DEFAULT_TIMEOUT.into()));
    };
    let at = node.region();
    let seconds = match node.value() {
        Some(Value::Int(seconds)) => Some(seconds),
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the whole part is what is meant"
        )]
        Some(Value::Float(seconds)) => Some(seconds as i64),
        Some(Value::Text(text)) => leading_number(text, at, findings),
        Some(Value::Bool(false)) => {
            let message = "`timeout` is a boolean; the default of 3600 seconds is used";
            findings.warning(
                "timeout-boolean",
                at,
                message,
                "write seconds, or remove it",
            );
            Some(DEFAULT_TIMEOUT.into())
        }
        Some(Value::Bool(true) | Value::Null) | None => None,
    };
    let seconds = seconds
        .and_then(|seconds| u32::try_from(seconds).ok())
        .filter(|seconds| *seconds > 0);
    if seconds.is_none() {
        let found = node.text().map_or(node.kind().to_owned(), quoted);
        let message = format!("timeout {found} is not a number of seconds from 1 to 4294967295");
        let help = "write whole seconds, such as `timeout: 300`";
        findings.error("timeout-invalid", at, &message, help);
    }
    seconds.map(|seconds| Duration::from_secs(seconds.into()))
}

fn leading_number(text: &str, at: Region, findings: &mut Findings<'_>) -> Option<i64> {
    let stripped = strip(text);
    let (sign, digits) = match stripped.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, stripped.strip_prefix('+').unwrap_or(stripped)),
    };
    // One underscore between digits counts as in a Ruby number.
    let mut number = String::new();
    let mut rest = digits.chars().peekable();
    while let Some(ch) = rest.next() {
        match ch {
            '0'..='9' => number.push(ch),
            '_' if !number.is_empty() && rest.peek().is_some_and(char::is_ascii_digit) => {}
            _ => break,
        }
    }
    let seconds = number.parse::<i64>().ok()? * sign;
    if seconds > 0 && number != stripped {
        let message = format!("timeout {} is read as {seconds} seconds", quoted(text));
        let unit = stripped.trim_start_matches(|ch: char| !ch.is_alphabetic());
        let meant = match unit.chars().next() {
            Some('m' | 'M') => seconds.saturating_mul(60),
            Some('h' | 'H') => seconds.saturating_mul(3600),
            _ => seconds,
        };
        let help = format!("write `timeout: {meant}`: the unit is always the second");
        findings.warning("timeout-unit", at, &message, &help);
    }
    Some(seconds)
}

/// The account; none when it is absent or empty (or refused, and told as an error).
fn runas(fields: &Fields<'_>, findings: &mut Findings<'_>) -> Option<String> {
    let node = fields.get("runas")?;
    let account = strip(text(node, "runas", "runas-invalid", findings)?);
    if account.is_empty() {
        return None;
    }
    if account.starts_with('-') || account.contains(|ch: char| ch.is_control() || ch == ':') {
        let message = format!("runas {} is not the name of an account", quoted(account));
        let help = "write the account's name and nothing else, such as `runas: ubuntu`";
        findings.error("runas-invalid", node.region(), &message, help);
        return None;
    }
    Some(account.to_owned())
}

/// Ruby's truth: everything but null and false.
fn sudo(fields: &Fields<'_>, findings: &mut Findings<'_>) -> bool {
    let Some(node) = fields.get("sudo") else {
        return false;
    };
    match node.value() {
        Some(Value::Bool(sudo)) => sudo,
        other => {
            let message = match other {
                Some(Value::Text(text)) => format!("the text {} counts as yes", quoted(text)),
                _ => format!("`sudo` is {}, which counts as yes", node.kind()),
            };
            let help = "write `sudo: true` or `sudo: false`, without quotes";
            findings.warning("sudo-truthy", node.region(), &message, help);
            true
        }
    }
}
