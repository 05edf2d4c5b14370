//! EC2/on-premises: what the parser accepts and will bite nonetheless.

use super::bundle::{Bundle, Host};
use super::check::{ScriptReport, Subject};
use super::installation::{Installation, Matched, Obstacle, PlannedKind, bytes};
use super::scripts;
use super::tree::{Resolved, base};
use crate::appspec::findings::Findings;
use crate::appspec::yaml::{Node, Region};
use crate::appspec::{AppSpec, Permission, Places, quoted, suggest};

/// Events that may have scripts.
pub(super) const EVENTS: [&str; 9] = [
    "ApplicationStop",
    "BeforeInstall",
    "AfterInstall",
    "ApplicationStart",
    "ValidateService",
    "BeforeBlockTraffic",
    "AfterBlockTraffic",
    "BeforeAllowTraffic",
    "AfterAllowTraffic",
];

/// The service ends an event after this many seconds, whatever its scripts' timeouts.
const EVENT_SECONDS: u64 = 3600;

/// An AppSpec that was read.
pub(super) struct Read<'a> {
    pub(super) root: Option<&'a Node>,
    pub(super) appspec: &'a AppSpec,
    pub(super) places: &'a Places,
}

/// Applies the rules beyond the parser's; gives back what was found in scripts.
pub(super) fn check(
    read: &Read<'_>,
    subject: &Subject<'_>,
    findings: &mut Findings<'_>,
) -> Vec<ScriptReport> {
    nothing_to_do(read, findings);
    events(read, findings);
    timeouts(read, findings);
    files(read, subject.bundle, findings);
    permissions(read, findings);
    if let Some(host) = subject.host {
        accounts(read, host, findings);
    }
    let Some(bundle) = subject.bundle else {
        return Vec::new();
    };
    installation(read, bundle, findings);
    scripts::check(read, bundle, subject.host, findings)
}

fn nothing_to_do(read: &Read<'_>, findings: &mut Findings<'_>) {
    let AppSpec { files, hooks, .. } = read.appspec;
    if !files.is_empty() || !hooks.is_empty() || findings.has_errors() {
        return;
    }
    let Some(root) = read.root else {
        return;
    };
    let start = Region {
        start: root.region().start,
        end: root.region().start,
    };
    findings.warning(
        "nothing-to-do",
        start,
        "the AppSpec installs nothing and runs nothing",
        "add `files:` with `- source: /` and `destination: /srv/app` below it, `hooks:` with \
         `AfterInstall:` and `- location: scripts/start.sh` below it, or both",
    );
}

fn events(read: &Read<'_>, findings: &mut Findings<'_>) {
    for (hooks, places) in read.appspec.hooks.iter().zip(&read.places.hooks) {
        let event = hooks.event.as_str();
        let why = match event {
            name if EVENTS.contains(&name) => continue,
            "Install" | "DownloadBundle" => "the agent does this event itself",
            "BlockTraffic" | "AllowTraffic" => "the load balancer does this event itself",
            _ => "",
        };
        if !why.is_empty() {
            let message = format!("the scripts of {event} never run: {why}");
            let help = match event {
                "DownloadBundle" => "use BeforeInstall, which runs when the bundle is there",
                "Install" => "use BeforeInstall or AfterInstall",
                "BlockTraffic" => "use BeforeBlockTraffic or AfterBlockTraffic",
                _ => "use BeforeAllowTraffic or AfterAllowTraffic",
            };
            findings.warning("hook-never-runs", places.event, &message, help);
            continue;
        }
        let message = format!(
            "{} is no lifecycle event; its scripts never run",
            quoted(event)
        );
        let joined: String = event
            .chars()
            .filter(|ch| !matches!(ch, ' ' | '_' | '-'))
            .collect();
        let help = match suggest::closest(&joined, &EVENTS) {
            _ if event == "AfterAllowTestTraffic" => {
                "that is an event of ECS; use AfterAllowTraffic".to_owned()
            }
            Some(known) => format!("did you mean {known}?"),
            None => format!("the events are {}", EVENTS.join(", ")),
        };
        findings.warning("hook-unknown-event", places.event, &message, &help);
    }
}

fn timeouts(read: &Read<'_>, findings: &mut Findings<'_>) {
    for (hooks, places) in read.appspec.hooks.iter().zip(&read.places.hooks) {
        let written = hooks.scripts.iter().zip(&places.scripts);
        let mut written = written
            .filter_map(|(script, places)| Some((script.timeout.as_secs(), places.timeout?)));
        let sum: u64 = written.clone().map(|(seconds, _)| seconds).sum();
        let Some((_, last)) = written.next_back().filter(|_| sum > EVENT_SECONDS) else {
            continue;
        };
        let message = format!(
            "the timeouts of {} come to {sum} seconds; the service ends an event after \
             {EVENT_SECONDS}",
            quoted(&hooks.event)
        );
        let help = "lower them, so that they come to 3600 at most; work that takes longer needs a \
                    service of its own";
        findings.warning("timeout-sum", last, &message, help);
    }
}

fn files(read: &Read<'_>, bundle: Option<Bundle<'_>>, findings: &mut Findings<'_>) {
    let mut seen = std::collections::HashMap::new();
    for (index, (mapping, places)) in read
        .appspec
        .files
        .iter()
        .zip(&read.places.files)
        .enumerate()
    {
        let (source, destination) = (bytes(&mapping.source), bytes(&mapping.destination));
        let there = bundle.map(|bundle| bundle.tree.resolve(source));
        for (key, path, at) in [
            ("source", source, places.source),
            ("destination", destination, places.destination),
        ] {
            // A file may have such a name, if the bundle has it.
            let literal =
                key == "source" && there.as_ref().is_some_and(|t| *t != Resolved::Missing);
            if path.contains(&b'*') && !literal {
                wildcard(key, at, findings);
            }
        }
        let known_file = there.map(|there| matches!(there, Resolved::File(_)));
        if names_file(source, destination, known_file) {
            let name = String::from_utf8_lossy(base(destination)).into_owned();
            let parent = String::from_utf8_lossy(super::tree::parent(destination)).into_owned();
            let message = format!(
                "`destination` is a directory: the file becomes {}",
                quoted(&format!(
                    "{}/{}",
                    mapping.destination.display(),
                    String::from_utf8_lossy(base(source))
                ))
            );
            let help = if base(source) == base(destination) {
                let parent = if parent.is_empty() { "/" } else { &parent };
                format!("write `destination: {parent}`")
            } else {
                format!(
                    "write the directory; a file that is to be called {} must have that name in the bundle",
                    quoted(&name)
                )
            };
            findings.warning(
                "destination-names-file",
                places.destination,
                &message,
                &help,
            );
        }
        // With the bundle, the installation tells more.
        if bundle.is_none()
            && let Some(first) = seen.insert((source, destination), index)
        {
            let message = format!(
                "this is installed by entry {} of `files` already",
                first + 1
            );
            findings.error(
                "destination-two-sources",
                places.destination,
                &message,
                REMOVE,
            );
        }
    }
}

const REMOVE: &str = "remove one of the two, or give them destinations of their own";

fn wildcard(key: &str, at: Region, findings: &mut Findings<'_>) {
    let message = format!("`{key}` knows no wildcards: `*` is a character of a name");
    let help = match key {
        "object" => "name the directory as `object`, and write the wildcard as its `pattern`",
        _ => "name the directory: all of it is installed, or each file in an entry of its own",
    };
    findings.warning("path-wildcard", at, &message, help);
}

/// Whether a destination seems to name the file, not its directory.
fn names_file(source: &[u8], destination: &[u8], known_file: Option<bool>) -> bool {
    if known_file == Some(false) {
        return false;
    }
    let (from, to) = (base(source), base(destination));
    let extension = |name: &[u8]| {
        let dot = name.iter().rposition(|byte| *byte == b'.')?;
        let extension = name.get(dot + 1..)?;
        let usual = (2..=8).contains(&extension.len()) || extension == b"c" || extension == b"h";
        let name_of_host = [&b"com"[..], b"org", b"net", b"io", b"dev"].contains(&extension);
        let usual = dot > 0 && usual && extension.iter().all(u8::is_ascii_alphanumeric);
        (usual && (known_file == Some(true) || !name_of_host)).then(|| extension.to_vec())
    };
    match (extension(from), extension(to)) {
        (Some(one), Some(other)) => one == other,
        _ => known_file == Some(true) && from == to,
    }
}

fn permissions(read: &Read<'_>, findings: &mut Findings<'_>) {
    let rules = read
        .appspec
        .permissions
        .iter()
        .zip(&read.places.permissions);
    for (rule, places) in rules {
        if bytes(&rule.object).contains(&b'*') {
            wildcard("object", places.object, findings);
        }
        if rule.object.as_os_str() == "/" {
            let message = "the rule is for everything that this deployment installs, wherever";
            let help = "name the directory that is meant; a rule never touches other files";
            findings.warning("permissions-root", places.object, message, help);
        }
        let open = rule
            .mode
            .filter(|mode| mode.0 & 0o002 != 0 && mode.0 & 0o1000 == 0);
        if let (Some(mode), Some(at)) = (open, places.mode) {
            let message = format!(
                "mode {:o} lets every user of the host change what is installed",
                mode.0
            );
            let help = format!(
                "write {:o}, and make the account that must write the `owner` or `group`",
                mode.0 & !0o002
            );
            findings.warning("mode-world-writable", at, &message, &help);
        }
    }
}

/// What `--host` asks: accounts that the host has.
fn accounts(read: &Read<'_>, host: &dyn Host, findings: &mut Findings<'_>) {
    for (hooks, places) in read.appspec.hooks.iter().zip(&read.places.hooks) {
        for (script, places) in hooks.scripts.iter().zip(&places.scripts) {
            if let (Some(name), Some(at)) = (&script.runas, places.runas)
                && !host.has_user(name)
            {
                let message = format!("this host has no user {}", quoted(name));
                let help = "correct the name, or create the user before the deployment";
                findings.warning("runas-unknown", at, &message, help);
            }
        }
    }
    let numeric = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit());
    let rules = read
        .appspec
        .permissions
        .iter()
        .zip(&read.places.permissions);
    for (rule, places) in rules {
        let owner = rule.owner.as_deref().filter(|name| !host.has_user(name));
        let group = rule.group.as_deref().filter(|name| !host.has_group(name));
        for (what, name, at) in [
            ("user", owner, places.owner),
            ("group", group, places.group),
        ] {
            let name = name.filter(|name| !numeric(name));
            if let (Some(name), Some(at)) = (name, at) {
                let message = format!("this host has no {what} {}", quoted(name));
                let help = "correct the name, or create it before Install; BeforeInstall may";
                findings.warning("account-unknown", at, &message, help);
            }
        }
    }
}

fn installation(read: &Read<'_>, bundle: Bundle<'_>, findings: &mut Findings<'_>) {
    let mut plan = Installation::plan(read.appspec, bundle.tree);
    for obstacle in std::mem::take(&mut plan.obstacles) {
        tell(&obstacle, read, bundle, findings);
    }
    let mut owners: Vec<Option<usize>> = vec![None; plan.planned.len()];
    let mut told = std::collections::HashSet::new();
    for (index, rule) in read.appspec.permissions.iter().enumerate() {
        let Some(places) = read.places.permissions.get(index) else {
            continue;
        };
        let object = quoted(&rule.object.to_string_lossy());
        let matched = match plan.matches(rule) {
            Matched::These(matched) => matched,
            Matched::PatternOnFile => {
                let at = places.pattern.unwrap_or(places.object);
                let message = format!("{object} is a file, which takes no `pattern` or `except`");
                let help = "remove them, or name the directory above as the `object`";
                findings.error("permission-pattern-on-file", at, &message, help);
                continue;
            }
            Matched::Link => {
                let message =
                    format!("{object} is a symbolic link, whose permissions mean nothing");
                let help = "name what it leads to";
                findings.error("permission-on-link", places.object, &message, help);
                continue;
            }
            Matched::Unknown => continue,
        };
        if matched.is_empty() && !plan.incomplete && !plan.too_large {
            nothing_matches(
                rule,
                &object,
                places.pattern.unwrap_or(places.object),
                places.object,
                &plan,
                findings,
            );
        }
        for matched in matched {
            let Some(planned) = plan.planned.get(matched) else {
                continue;
            };
            // It may be there already, and then no rule touches it.
            if planned.kind == PlannedKind::Way {
                continue;
            }
            let Some(owner) = owners.get_mut(matched) else {
                continue;
            };
            let Some(first) = owner.replace(index).filter(|first| *first != index) else {
                continue;
            };
            if told.insert((first, index)) {
                let line = read
                    .appspec
                    .permissions
                    .get(first)
                    .map_or(0, |rule| rule.line);
                let message = format!(
                    "the rule on line {line} matches {} as well, and each object may have one",
                    quoted(&format!(
                        "/{}",
                        String::from_utf8_lossy(&planned.destination)
                    ))
                );
                let help =
                    "narrow one of them with `pattern`, `except` or `type`, or make them one";
                findings.error("permission-twice", places.object, &message, help);
            }
        }
    }
    if plan.too_large {
        let start = Region { start: 0, end: 0 };
        let message = "the bundle is too large to be checked as a whole";
        let help = "what was checked is told; deploy it to a test host for the rest";
        findings.warning("content-check-incomplete", start, message, help);
    }
}

fn nothing_matches(
    rule: &Permission,
    object: &str,
    pattern: Region,
    at: Region,
    plan: &Installation,
    findings: &mut Findings<'_>,
) {
    let path = bytes(&rule.object);
    let path = path.strip_prefix(b"/").unwrap_or(path);
    let installed = plan.has(path);
    let (at, message, help) = match installed {
        true => (
            pattern,
            format!("nothing in {object} matches this rule"),
            "a pattern other than `**` is for names directly in the object; check it, `except` and `type`",
        ),
        false => (
            at,
            format!("nothing is installed at or below {object}, so the rule does nothing"),
            "name an installed file, or a directory at or above installed files",
        ),
    };
    findings.warning("permission-matches-nothing", at, &message, help);
}

fn tell(obstacle: &Obstacle, read: &Read<'_>, bundle: Bundle<'_>, findings: &mut Findings<'_>) {
    let entry = match obstacle {
        Obstacle::NoSource { entry }
        | Obstacle::LinkLoop { entry, .. }
        | Obstacle::SpecialFile { entry, .. } => *entry,
        Obstacle::TwoSources { second, .. } => *second,
    };
    let (Some(places), Some(mapping)) =
        (read.places.files.get(entry), read.appspec.files.get(entry))
    else {
        return;
    };
    let shown = |path: &[u8]| quoted(&String::from_utf8_lossy(path));
    match obstacle {
        Obstacle::NoSource { .. } => {
            let source = bytes(&mapping.source);
            let message = format!("the bundle has no {}", shown(source));
            let similar = findings
                .has_room()
                .then(|| scripts::similar(source, bundle.tree));
            let help = match similar.flatten() {
                _ if source.iter().any(|byte| b"*?".contains(byte)) => {
                    "wildcards are not expanded; name a file, or a directory for all that is in it"
                        .to_owned()
                }
                Some(found) => format!("did you mean {}?", shown(&found)),
                None => "correct the name, also in upper and lower case, or put it into the bundle"
                    .to_owned(),
            };
            findings.error("source-not-found", places.source, &message, &help);
        }
        Obstacle::LinkLoop { path, .. } => {
            let message = format!("{} is a link to a directory that contains it", shown(path));
            let help = "remove the link: it would be copied for ever";
            findings.error("source-link-loop", places.source, &message, help);
        }
        Obstacle::SpecialFile { path, .. } => {
            let message = format!("{} is neither file, directory nor link", shown(path));
            let help = "remove it: sockets, pipes and devices cannot be installed";
            findings.error("source-special-file", places.source, &message, help);
        }
        Obstacle::TwoSources {
            first,
            second,
            path,
            directory,
        } => {
            let path = shown(&[b"/", path.as_slice()].concat());
            let what = match (directory, first == second) {
                (true, _) => format!("{path} would be a file and a directory"),
                (false, true) => format!("{path} has two sources, through links"),
                (false, false) => format!("{path} is installed by entry {} as well", first + 1),
            };
            findings.error("destination-two-sources", places.destination, &what, REMOVE);
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::lifecycle::LifecycleEvent;

    #[test]
    fn the_events_are_the_lifecycles() {
        let scripted: Vec<_> = LifecycleEvent::STANDARD
            .into_iter()
            .filter(|event| !event.is_the_agents_own())
            .collect();
        assert_eq!(scripted.len(), EVENTS.len());
        for event in scripted {
            assert!(EVENTS.contains(&event.as_str()), "{event}");
        }
    }

    #[rstest]
    #[case::same("nginx.conf", "/etc/nginx/nginx.conf", None, true)]
    #[case::extension("a/app.service", "/etc/systemd/system/mine.service", None, true)]
    #[case::directory("x.conf", "/etc/nginx/conf.d", None, false)]
    #[case::host_name("www.example.com", "/var/www/www.example.com", None, false)]
    #[case::host_name_that_is_a_file("a.com", "/srv/a.com", Some(true), true)]
    #[case::known_directory("a.conf", "/etc/a.conf", Some(false), false)]
    #[case::no_extension("server", "/usr/bin/server", Some(true), true)]
    #[case::no_extension_unknown("server", "/srv/server", None, false)]
    #[case::root("", "/", None, false)]
    fn destinations_that_name_files(
        #[case] source: &str,
        #[case] destination: &str,
        #[case] known: Option<bool>,
        #[case] expected: bool,
    ) {
        assert_eq!(
            names_file(source.as_bytes(), destination.as_bytes(), known),
            expected
        );
    }
}
