//! Whatever there is on a host, what must stay stays.

use std::path::Path;
use std::time::{Duration, SystemTime};

use integration_tests::TestHost;
use nix::fcntl::{Flock, FlockArg};
use proptest::prelude::*;

use crate::program::Program;

/// One deployment of a layout.
#[derive(Debug, Clone)]
struct Made {
    /// Its age: several may have the same.
    time: u64,
    archive: bool,
    bundle: bool,
    partial: bool,
    replaced: bool,
    locked: bool,
    tracked: bool,
}

fn made() -> impl Strategy<Value = Made> {
    let rarely = || prop::bool::weighted(0.15);
    (
        0_u64..5,
        prop::bool::weighted(0.8),
        any::<bool>(),
        rarely(),
        rarely(),
        rarely(),
        rarely(),
    )
        .prop_map(
            |(time, archive, bundle, partial, replaced, locked, tracked)| Made {
                time,
                archive,
                bundle,
                partial,
                replaced,
                locked,
                tracked,
            },
        )
}

#[derive(Debug, Clone)]
struct Layout {
    deployments: Vec<Made>,
    successful: Option<prop::sample::Index>,
    recent: Option<prop::sample::Index>,
    keep: usize,
    left_aside: bool,
    stranger: bool,
}

fn layout() -> impl Strategy<Value = Layout> {
    (
        prop::collection::vec(made(), 1..7),
        any::<Option<prop::sample::Index>>(),
        any::<Option<prop::sample::Index>>(),
        1_usize..5,
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(
            |(deployments, successful, recent, keep, left_aside, stranger)| Layout {
                deployments,
                successful,
                recent,
                keep,
                left_aside,
                stranger,
            },
        )
}

fn write(path: &Path) {
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    fs_err::write(path, "content").unwrap();
}

fn check(layout: &Layout) {
    let host = TestHost::new();
    let root = host.root();
    let group = root.join("group");
    let path = |number: usize| group.join(format!("d-{number}"));
    let mut locks = Vec::new();
    for (number, made) in layout.deployments.iter().enumerate() {
        let at = path(number);
        fs_err::create_dir_all(&at).unwrap();
        if made.archive {
            write(&at.join("deployment-archive/deep/file"));
        }
        if made.bundle {
            write(&at.join("bundle.tar"));
        }
        if made.partial {
            write(&at.join("deployment-archive.partial/file"));
        }
        if made.replaced {
            write(&at.join("deployment-archive.replaced/file"));
        }
        if made.locked {
            let file = fs_err::File::create(at.join(".in-use"))
                .unwrap()
                .into_file();
            locks.push(Flock::lock(file, FlockArg::LockExclusiveNonblock).unwrap());
        }
        if made.tracked {
            write(&root.join(format!("ongoing-deployment/d-{number}")));
        }
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + made.time);
        fs_err::File::open(&at).unwrap().set_modified(time).unwrap();
    }
    let instructions = root.join("deployment-instructions");
    fs_err::create_dir_all(&instructions).unwrap();
    let count = layout.deployments.len();
    let pointed = |index: &Option<prop::sample::Index>, name: &str| {
        let number = index.as_ref()?.index(count);
        fs_err::write(instructions.join(name), path(number).to_str().unwrap()).unwrap();
        Some(number)
    };
    let successful = pointed(&layout.successful, "group_last_successful_install");
    let recent = pointed(&layout.recent, "group_most_recent_install");
    if layout.left_aside {
        write(&group.join(".removed-d-9/deployment-archive/file"));
    }
    if layout.stranger {
        write(&group.join("notes/file"));
    }

    let keep = layout.keep.to_string();
    let run = Program::new(&host, ["clean", "--keep", &keep, "--output", "json"]).run();
    let run = run.assert_exit(0);

    let newest = (0..count)
        .max_by_key(|n| (layout.deployments[*n].time, *n))
        .unwrap();
    let mut left = usize::from(layout.stranger);
    let mut oldest_left = None;
    let mut youngest_gone = None;
    for (number, made) in layout.deployments.iter().enumerate() {
        let at = path(number);
        let whole = made.locked || made.tracked;
        let must_stay = whole || [successful, recent, Some(newest)].contains(&Some(number));
        assert!(!must_stay || at.is_dir(), "{number} {run:#?}");
        if !at.is_dir() {
            youngest_gone = youngest_gone.max(Some((made.time, number)));
            continue;
        }
        left += 1;
        if !must_stay {
            oldest_left = Some(
                oldest_left
                    .unwrap_or((made.time, number))
                    .min((made.time, number)),
            );
        }
        // What is there of it is whole.
        let archive = at.join("deployment-archive/deep/file");
        assert_eq!(archive.exists(), made.archive, "{number} {run:#?}");
        let has_bundle = made.bundle && (whole || !made.archive);
        assert_eq!(
            at.join("bundle.tar").exists(),
            has_bundle,
            "{number} {run:#?}"
        );
        let has_partial = made.partial && whole;
        assert_eq!(
            at.join("deployment-archive.partial").exists(),
            has_partial,
            "{run:#?}"
        );
        let has_replaced = made.replaced && (whole || !made.archive);
        assert_eq!(
            at.join("deployment-archive.replaced").exists(),
            has_replaced,
            "{run:#?}"
        );
    }
    // Of what may go, the older goes first, and no more than has to.
    if let (Some(gone), Some(left)) = (youngest_gone, oldest_left) {
        assert!(gone < left, "{run:#?}");
    }
    assert!(youngest_gone.is_none() || left >= layout.keep, "{run:#?}");
    assert!(oldest_left.is_none() || left <= layout.keep, "{run:#?}");
    assert!(!group.join(".removed-d-9").exists());
    assert_eq!(group.join("notes/file").exists(), layout.stranger);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn what_must_stay_stays(layout in layout()) {
        check(&layout);
    }
}
