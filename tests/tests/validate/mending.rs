//! `--fix`.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use integration_tests::running_as_root;

use super::*;

/// Every rule that says so is mended in its bad example, to what is clean.
#[test]
fn every_mendable_rule_is_mended() {
    let rules = fs_err::read_dir(docs().join("rules")).unwrap();
    let mut mended = 0;
    for entry in rules {
        let page = fs_err::read_to_string(entry.unwrap().path()).unwrap();
        if !page.lines().nth(4).unwrap().contains("`--fix`") {
            continue;
        }
        let rule = page.lines().next().unwrap().trim_start_matches("# ");
        let bad = appspecs().join("rules").join(rule).join("bad.yml");
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("appspec.yml");
        fs_err::copy(&bad, &path).unwrap();
        let ran = run(
            directory.path(),
            &["validate", "--fix", "--output", "json", "appspec.yml"],
        );
        assert_eq!((ran.status, ran.rules()), (0, vec![]), "{rule}");
        assert!(
            ran.stderr.contains("mended appspec.yml"),
            "{rule}: {}",
            ran.stderr
        );
        mended += 1;
    }
    assert!(mended >= 10);
}

#[test]
fn mode_owner_and_link_stay() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("real.yml");
    fs_err::write(&path, GOOD.replace("/srv", "srv")).unwrap();
    fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    if running_as_root("the owner of a mended file") {
        std::os::unix::fs::chown(&path, Some(1234), Some(2345)).unwrap();
    }
    symlink("real.yml", directory.path().join("link.yml")).unwrap();
    let before = fs_err::metadata(&path).unwrap();
    assert_eq!(
        run(directory.path(), &["validate", "--fix", "link.yml"]).status,
        0
    );
    assert_eq!(fs_err::read_to_string(&path).unwrap(), GOOD);
    let after = fs_err::symlink_metadata(&path).unwrap();
    assert_eq!(
        (after.mode(), after.uid(), after.gid()),
        (before.mode(), before.uid(), before.gid())
    );
    assert!(
        fs_err::symlink_metadata(directory.path().join("link.yml"))
            .unwrap()
            .is_symlink()
    );
    let names = fs_err::read_dir(directory.path()).unwrap().count();
    assert_eq!(names, 2, "nothing else is left");
}

#[test]
fn a_clean_file_is_not_touched() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("appspec.yml");
    fs_err::write(&path, GOOD).unwrap();
    let before = fs_err::metadata(&path).unwrap().ino();
    let ran = run(directory.path(), &["validate", "--fix"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    assert_eq!(fs_err::metadata(&path).unwrap().ino(), before);
}

#[test]
fn standard_input_cannot_be_mended() {
    let ran = run_with_input(Path::new("/"), &["validate", "--fix", "-"], GOOD.as_bytes());
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("--fix needs a file"), "{}", ran.stderr);
}
