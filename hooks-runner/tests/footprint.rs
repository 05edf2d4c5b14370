//! The runner is small: what is linked into it, and what it takes while a script runs.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

mod common;

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use common::Fixture;
use fs_err as fs;

/// What a program that only runs scripts has no use for.
const UNWANTED: [&str; 10] = [
    "aws-config",
    "aws-lc-rs",
    "aws-lc-sys",
    "clap",
    "h2",
    "hyper",
    "reqwest",
    "rustls",
    "tokio",
    "tracing-subscriber",
];

/// All packages that `package` depends on, by the lock file; those of its tests are among them.
fn dependencies(package: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
    let text = fs::read_to_string(path).unwrap();
    let mut packages: HashMap<&str, Vec<&str>> = HashMap::new();
    for section in text.split("[[package]]").skip(1) {
        let name = section.split('"').nth(1).unwrap();
        let list = section
            .split_once("dependencies = [")
            .map_or("", |(_, list)| list);
        let list = list.split(']').next().unwrap();
        // `"name"`, or `"name version"` where there are several.
        let names = list
            .split('"')
            .skip(1)
            .step_by(2)
            .map(|entry| entry.split(' ').next().unwrap());
        packages.entry(name).or_default().extend(names);
    }
    let mut found = BTreeSet::new();
    let mut next = vec![package];
    while let Some(name) = next.pop() {
        for dependency in packages.get(name).into_iter().flatten() {
            if found.insert((*dependency).to_owned()) {
                next.push(dependency);
            }
        }
    }
    found
}

#[test]
fn neither_an_asynchronous_runtime_nor_network_code_is_linked() {
    let found = dependencies("hooks-runner");
    assert!(found.contains("nix") && found.contains("libc"), "{found:?}");
    let unwanted: Vec<_> = found
        .iter()
        .filter(|name| UNWANTED.contains(&name.as_str()))
        .collect();
    assert!(unwanted.is_empty(), "{unwanted:?}");
    assert!(
        dependencies("agent").contains("tokio"),
        "the lock file is understood"
    );
}

#[test]
fn a_runner_at_work_has_one_thread_and_a_few_megabytes() {
    let fixture =
        Fixture::sh("head -c 3000000 /dev/zero; until [ -e \"$DIR/go\" ]; do sleep 0.02; done");
    let running = fixture.launch();
    let started = fixture.started();
    common::wait_for("the output", || {
        let length = fs::metadata(&fixture.request.scripts_log).ok()?.len();
        (length > 2_000_000).then_some(())
    });
    let status = fs::read_to_string(format!("/proc/{}/status", started.pid)).unwrap();
    fs::write(fixture.path("go"), "").unwrap();
    running.wait().unwrap();
    let field = |name: &str| -> u64 {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_ascii_whitespace()
            .nth(1)
            .unwrap()
            .parse()
            .unwrap()
    };
    assert_eq!(field("Threads:"), 1, "{status}");
    // Also without optimisation, and after a line of 3 MB.
    assert!(field("VmHWM:") < 12 * 1024, "{status}");
    assert!(field("RssAnon:") < 8 * 1024, "{status}");
}
