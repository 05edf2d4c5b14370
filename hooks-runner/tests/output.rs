//! Output of every kind: long, plenty, binary, coloured, to a full disk.

mod common;

use common::Fixture;
use fs_err as fs;
use hooks_runner::ScriptResult;

#[test]
fn a_line_of_100_kb_is_whole_in_the_log_and_its_end_in_the_tail() {
    let fixture = Fixture::sh("head -c 100000 /dev/zero | tr '\\0' x; echo END");
    let outcome = fixture.run();
    assert_eq!(outcome.result, ScriptResult::Succeeded);
    assert_eq!(
        fixture.stdout_entries(),
        [format!("{}END", "x".repeat(100_000))]
    );
    assert_eq!(outcome.tail.len(), 1);
    assert_eq!(outcome.tail[0].chars().count(), 2047);
    assert!(outcome.tail[0].ends_with("xEND\n"));
}

#[test]
fn a_line_of_3_mb_comes_in_pieces_and_nothing_is_lost() {
    let fixture = Fixture::sh("head -c 3000000 /dev/zero | tr '\\0' x; printf END");
    let outcome = fixture.run();
    let pieces = fixture.stdout_entries();
    assert_eq!(pieces.len(), 3);
    assert_eq!(pieces.concat().len(), 3_000_003);
    assert!(outcome.tail[0].ends_with("xEND\n"));
}

#[test]
fn a_flood_of_10_mb_is_in_the_log_to_the_last_line() {
    let fixture = Fixture::sh("seq 1000000 1800000; seq 5000000 5500000 >&2");
    let outcome = fixture.run();
    assert_eq!(outcome.result, ScriptResult::Succeeded);
    let numbers = (1_000_000..=1_800_000).map(|n: i32| n.to_string());
    assert!(fixture.stdout_entries().into_iter().eq(numbers));
    let characters: usize = outcome.tail.iter().map(|entry| entry.chars().count()).sum();
    assert!((2000..=2047).contains(&characters), "{characters}");
}

#[test]
fn binary_output_is_kept_in_the_log_and_replaced_in_the_tail() {
    let fixture = Fixture::sh("printf 'a\\000b\\377\\303\\n'; printf '\\200'");
    let outcome = fixture.run();
    let log = fs::read(&fixture.request.scripts_log).unwrap();
    assert!(
        log.windows(13)
            .any(|window| window == b"[stdout]a\0b\xff\xc3")
    );
    assert_eq!(
        outcome.tail[1..],
        ["[stdout]a\0b\u{fffd}\u{fffd}\n", "[stdout]\u{fffd}\n"]
    );
}

#[test]
fn escape_sequences_are_stripped_also_when_they_come_in_parts() {
    let fixture =
        Fixture::sh("printf '\\033[3'; sleep 0.1; printf '1mred\\033[0m \\033]0;t\\007x\\n'");
    let outcome = fixture.run();
    assert_eq!(fixture.stdout_entries(), ["red x"]);
    assert_eq!(outcome.tail[1], "[stdout]red x\n");
}

#[test]
fn a_full_disk_costs_a_warning_and_nothing_else() {
    let mut fixture = Fixture::sh("seq 1 20000; echo last");
    fixture.request.scripts_log = "/dev/full".into();
    let outcome = fixture.run();
    assert_eq!(outcome.result, ScriptResult::Succeeded);
    assert_eq!(outcome.tail.last().unwrap(), "[stdout]last\n");
    assert_eq!(outcome.warnings.len(), 1, "{:?}", outcome.warnings);
    assert!(outcome.warnings[0].contains("/dev/full"));
    let all = fs::read_to_string(fixture.path("all/deployments.log")).unwrap();
    assert!(all.ends_with("[stdout]last\n"), "the other log is whole");
}

#[test]
fn a_log_that_cannot_be_made_costs_a_warning() {
    let mut fixture = Fixture::sh("echo x");
    fixture.request.scripts_log = "/proc/no/such/scripts.log".into();
    let outcome = fixture.run();
    assert_eq!(outcome.result, ScriptResult::Succeeded);
    assert!(
        outcome.warnings[0].contains("/proc/no"),
        "{:?}",
        outcome.warnings
    );
    assert_eq!(outcome.tail.len(), 2);
}

#[test]
fn without_a_deployments_log_there_is_none() {
    let mut fixture = Fixture::sh("echo x");
    fixture.request.deployments_log = None;
    assert_eq!(fixture.run().result, ScriptResult::Succeeded);
    assert!(!fixture.path("all").exists());
}

#[test]
fn stamps_are_local_time() {
    let mut fixture = Fixture::sh("date '+%Y-%m-%d %H:%M'");
    // Nowhere is it this zone's time by default.
    fixture.environment.push(("TZ".into(), "XXX-13:47".into()));
    fixture.run();
    let log = fixture.scripts_log();
    let stamp = log.lines().next().unwrap();
    let (from, until) = (&fixture.stdout_entries()[0], log.lines().last().unwrap());
    assert!(
        stamp.starts_with(from.as_str()) || until.starts_with(from.as_str()),
        "{log}"
    );
}
