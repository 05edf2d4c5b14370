//! The scripts that the hooks name, in the bundle.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::bundle::{Bundle, Host, ScriptFile};
use super::check::ScriptReport;
use super::ec2::Read;
use super::installation::bytes;
use super::script_text;
use super::tree::{EntryKind, Resolved, Tree, base};
use crate::appspec::findings::Findings;
use crate::appspec::yaml::{Region, Text};
use crate::appspec::{Problems, quoted};

/// Different scripts that are looked into.
const MOST_SCRIPTS: usize = 500;
/// Names that are compared with the name of what is missing.
const MOST_COMPARED: usize = 50_000;

/// Checks that each script is there and can run, and looks into it.
pub(super) fn check(
    read: &Read<'_>,
    bundle: Bundle<'_>,
    host: Option<&dyn Host>,
    findings: &mut Findings<'_>,
) -> Vec<ScriptReport> {
    let mut found: HashMap<Vec<u8>, (Region, &str)> = HashMap::new();
    let mut order: Vec<Vec<u8>> = Vec::new();
    for (hooks, places) in read.appspec.hooks.iter().zip(&read.places.hooks) {
        for (script, places) in hooks.scripts.iter().zip(&places.scripts) {
            let at = places.location;
            match bundle.tree.resolve(bytes(&script.path)) {
                Resolved::File(path) => {
                    if let Entry::Vacant(place) = found.entry(path) {
                        order.push(place.key().clone());
                        place.insert((at, &script.location));
                    }
                }
                Resolved::Directory(_) => {
                    let message = format!("{} is a directory", quoted(&script.location));
                    findings.warning("script-missing", at, &message, "name the script in it");
                }
                Resolved::Special => {
                    let message = format!("{} is no script", quoted(&script.location));
                    let help = "name a file of the bundle";
                    findings.warning("script-missing", at, &message, help);
                }
                Resolved::Missing => missing(
                    &script.location,
                    bytes(&script.path),
                    bundle.tree,
                    at,
                    findings,
                ),
                // The host's affair.
                Resolved::Outside => {}
            }
        }
    }
    if order.len() > MOST_SCRIPTS {
        order.truncate(MOST_SCRIPTS);
        let start = Region { start: 0, end: 0 };
        let message = format!("only the first {MOST_SCRIPTS} scripts are looked into");
        let help = "a deployment with as many scripts is hard to understand; join them";
        findings.warning("content-check-incomplete", start, &message, help);
    }
    let paths: Vec<&[u8]> = order.iter().map(Vec::as_slice).collect();
    let scripts = bundle.scripts.read(&paths);
    let mut reports = Vec::new();
    for (path, script) in order.iter().zip(scripts) {
        let (Some(script), Some((at, location))) = (script, found.get(path)) else {
            continue;
        };
        if !script.executable {
            let message = format!("{} is not executable", quoted(location));
            let help = format!(
                "run `chmod +x {0}`, or `git update-index --chmod=+x {0}`",
                String::from_utf8_lossy(path)
            );
            findings.warning("script-not-executable", *at, &message, &help);
        }
        reports.extend(look_into(path, script, host));
    }
    reports
}

fn look_into(path: &[u8], script: ScriptFile, host: Option<&dyn Host>) -> Option<ScriptReport> {
    if script.start.contains(&0) {
        return None;
    }
    let problems: Problems = {
        let text = Text::decode(&script.start);
        let mut findings = Findings::new(&text, Vec::new());
        script_text::check(&text, host, &mut findings);
        findings.all()
    };
    (!problems.is_empty()).then(|| ScriptReport {
        path: String::from_utf8_lossy(path).into_owned(),
        text: script.start,
        problems,
    })
}

fn missing(location: &str, path: &[u8], tree: &Tree, at: Region, findings: &mut Findings<'_>) {
    let message = format!("the bundle has no script {}", quoted(location));
    let similar = findings.has_room().then(|| similar(path, tree));
    let help = match similar.flatten() {
        Some(found) => {
            format!("did you mean {}?", quoted(&String::from_utf8_lossy(&found)))
        }
        None => "put it into the bundle, or correct the path: it begins at the AppSpec's directory"
            .to_owned(),
    };
    findings.warning("script-missing", at, &message, &help);
}

/// The file or directory of the bundle that `path` was probably meant to be: another case, `-` for
/// `_`, no extension, another directory.
pub(super) fn similar(path: &[u8], tree: &Tree) -> Option<Vec<u8>> {
    let plain = |path: &[u8]| {
        let mut plain = path.to_ascii_lowercase();
        plain
            .iter_mut()
            .filter(|byte| **byte == b'_')
            .for_each(|byte| *byte = b'-');
        plain
    };
    let stem = |path: &[u8]| {
        let start = path.len() - base(path).len();
        match path.iter().rposition(|byte| *byte == b'.') {
            Some(dot) if dot > start => path.get(..dot).unwrap_or_default().to_vec(),
            _ => path.to_vec(),
        }
    };
    let wanted = plain(path);
    let wanted_stem = stem(&wanted);
    let mut best: Option<(u8, &[u8])> = None;
    for entry in tree.entries().iter().take(MOST_COMPARED) {
        if entry.kind == EntryKind::Special {
            continue;
        }
        let candidate = plain(&entry.path);
        let distance = if candidate == wanted {
            0
        } else if stem(&candidate) == wanted_stem {
            1
        } else if base(&candidate) == base(&wanted) {
            2
        } else {
            continue;
        };
        if best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, &entry.path));
        }
    }
    best.map(|(_, path)| path.to_vec())
}
