//! The contract's rules for files and directories, one test a rule.

use std::os::unix::fs::{MetadataExt as _, symlink};

use nix::sys::stat::Mode as NixMode;
use rstest::rstest;

use super::host::*;
use crate::deployment::FileExistsBehavior::{Disallow, Invalid, Overwrite, Retain};
use crate::install::Action;

#[test]
fn a_directory_source_copies_its_content_and_a_file_lands_in_the_destination() {
    let host = Host::new();
    let archive = host.archive(
        "a",
        &[File("web/x", "x"), File("web/d/y", "y"), File("one", "1")],
    );
    let appspec = host.appspec(&[("web", "www"), ("one", "etc/deep")]);
    let installed = host.install(&archive, &appspec, &Disallow).unwrap();
    assert_eq!((installed.files, installed.directories), (3, 4));
    assert_eq!(
        host.text("www/x") + &host.text("www/d/y") + &host.text("etc/deep/one"),
        "xy1"
    );
    assert_eq!(
        host.cleanup(),
        [
            "www",
            "www/d",
            "www/d/y",
            "www/x",
            "etc",
            "etc/deep",
            "etc/deep/one"
        ]
    );
    host.assert_tidy();
}

#[test]
fn what_the_last_revision_had_is_removed_unless_it_comes_again() {
    let host = Host::new();
    host.deploy(
        "app",
        &[
            File("gone/deep/x", "1"),
            File("stays", "1"),
            Link("link", "stays"),
        ],
    );
    let installed = host.deploy("app", &[File("stays", "2"), File("new", "2")]);
    assert_eq!(installed.removed, 4);
    let names: Vec<_> = snapshot(&host.srv()).into_keys().collect();
    assert_eq!(
        names
            .iter()
            .map(|n| n.to_str().unwrap())
            .collect::<Vec<_>>(),
        ["app", "app/new", "app/stays"]
    );
    assert_eq!(host.text("app/stays"), "2");
    assert_eq!(host.cleanup(), ["app", "app/new", "app/stays"]);
}

#[test]
fn directories_are_removed_only_when_empty_and_gone_things_are_ignored() {
    let host = Host::new();
    host.deploy("app", &[File("d/x", "1"), File("e/y", "1")]);
    fs_err::write(host.at("app/d/foreign"), "f").unwrap();
    fs_err::remove_dir_all(host.at("app/e")).unwrap();
    host.deploy("other", &[]);
    assert_eq!(host.text("app/d/foreign"), "f");
    assert!(!host.at("app/d/x").exists() && !host.at("app/e").exists());
    assert_eq!(host.cleanup(), ["other"]);
}

#[test]
fn copies_keep_mode_owner_and_modification_time() {
    let host = Host::new();
    let archive = host.archive("a", &[File("x", "x"), Link("l", "x")]);
    chmod(&archive.join("x"), 0o751);
    let file = fs_err::File::options()
        .write(true)
        .open(archive.join("x"))
        .unwrap();
    let time = std::time::UNIX_EPOCH + std::time::Duration::new(1_000_000, 5);
    file.file().set_modified(time).unwrap();
    if is_root() {
        std::os::unix::fs::chown(archive.join("x"), Some(1234), Some(4321)).unwrap();
        std::os::unix::fs::lchown(archive.join("l"), Some(1234), Some(4321)).unwrap();
    }
    host.install(&archive, &host.appspec(&[("", "app")]), &Disallow)
        .unwrap();
    let (from, to) = (
        fs_err::metadata(archive.join("x")).unwrap(),
        fs_err::metadata(host.at("app/x")).unwrap(),
    );
    assert_eq!(
        (to.mode() & 0o7777, to.uid(), to.gid()),
        (0o751, from.uid(), from.gid())
    );
    assert_eq!(to.modified().unwrap(), time);
    assert_eq!(
        fs_err::symlink_metadata(host.at("app/l")).unwrap().uid(),
        fs_err::symlink_metadata(archive.join("l")).unwrap().uid()
    );
}

#[test]
fn made_directories_are_0777_less_the_umask() {
    let host = Host::new();
    let archive = host.archive("a", &[File("d/x", "x")]);
    chmod(&archive.join("d"), 0o700);
    host.install(&archive, &host.appspec(&[("", "app")]), &Disallow)
        .unwrap();
    fs_err::create_dir(host.at("plain")).unwrap();
    assert_eq!(
        (host.mode("app"), host.mode("app/d")),
        (host.mode("plain"), host.mode("plain"))
    );
}

#[test]
fn made_directories_inherit_setgid_and_default_acl_as_if_made_in_place() {
    let host = Host::new();
    fs_err::create_dir_all(host.at("shared")).unwrap();
    if is_root() {
        std::os::unix::fs::chown(host.at("shared"), None, Some(4321)).unwrap();
    }
    chmod(&host.at("shared"), 0o2775);
    let acl = crate::install::acl::Acl::complete(&[(crate::install::acl::Tag::User(77), 7)], 0o770);
    xattr::set(host.at("shared"), "system.posix_acl_default", &acl.encode()).unwrap();
    fs_err::create_dir(host.at("shared/by-hand")).unwrap();
    fs_err::write(host.at("shared/by-hand-file"), "").unwrap();
    chmod(&host.at("shared/by-hand-file"), 0o644);
    host.deploy("shared", &[File("d/x", "x"), File("y", "y")]);
    let seen = snapshot(&host.at("shared"));
    let [made, by_hand] = ["d", "by-hand"].map(|name| &seen[std::path::Path::new(name)]);
    assert_eq!(
        (made.mode, made.owner, &made.attributes),
        (by_hand.mode, by_hand.owner, &by_hand.attributes)
    );
    let file = &seen[std::path::Path::new("y")];
    assert_eq!(
        file.attributes,
        seen[std::path::Path::new("by-hand-file")].attributes
    );
    assert_eq!(file.mode & 0o777, 0o644);
}

#[test]
fn disallow_fails_with_every_conflict_and_the_group_that_owns_it() {
    let mut host = Host::new();
    host.group = "other";
    host.deploy("app", &[File("theirs", "t")]);
    host.group = "group";
    fs_err::write(host.at("app/foreign"), "f").unwrap();
    let before = snapshot(&host.path(""));
    let archive = host.archive(
        "a",
        &[File("foreign", "n"), File("new", "n"), File("theirs", "n")],
    );
    let text = problems(host.install(&archive, &host.appspec(&[("", "app")]), &Disallow));
    assert!(text.contains("2 problems"), "{text}");
    assert!(
        text.contains("app/foreign exists") && text.contains("group other installed it"),
        "{text}"
    );
    let mut after = snapshot(&host.path(""));
    after.retain(|path, _| !path.starts_with("a"));
    let mut before = before;
    before.retain(|path, _| !path.starts_with("a"));
    assert_eq!(after, before);
}

#[test]
fn overwrite_replaces_by_rename_and_the_next_install_removes_what_it_replaced() {
    let host = Host::new();
    fs_err::write(host.at("target"), "untouched").unwrap();
    fs_err::write(host.at("running"), "old").unwrap();
    symlink("target", host.at("link")).unwrap();
    let open = fs_err::File::open(host.at("running")).unwrap();
    let archive = host.archive("a", &[File("running", "new"), File("link", "new")]);
    let installed = host
        .install(&archive, &host.appspec(&[("", "")]), &Overwrite)
        .unwrap();
    assert_eq!(installed.replaced, 2);
    assert_eq!(std::io::read_to_string(open).unwrap(), "old");
    assert_eq!(
        host.text("running") + &host.text("link") + &host.text("target"),
        "newnewuntouched"
    );
    assert_eq!(host.cleanup(), ["link", "running"]);
    host.deploy("", &[]);
    assert!(!host.at("running").exists() && host.at("target").exists());
}

#[test]
fn retain_leaves_foreign_files_and_does_not_record_them() {
    let host = Host::new();
    fs_err::write(host.at("kept"), "foreign").unwrap();
    let archive = host.archive("a", &[File("kept", "n"), File("new", "n")]);
    let installed = host
        .install(&archive, &host.appspec(&[("", "")]), &Retain)
        .unwrap();
    assert_eq!((installed.retained, installed.files), (1, 1));
    assert_eq!(host.text("kept"), "foreign");
    assert_eq!(host.cleanup(), ["new"]);
}

#[test]
fn an_invalid_behaviour_fails_only_when_a_conflict_exists() {
    let host = Host::new();
    let archive = host.archive("a", &[File("x", "n")]);
    let behavior = Invalid("overwrite".into());
    host.install(&archive, &host.appspec(&[("", "")]), &behavior)
        .unwrap();
    fs_err::remove_file(host.records().cleanup()).unwrap();
    let text = problems(host.install(&archive, &host.appspec(&[("", "")]), &behavior));
    assert!(text.contains("\"overwrite\" is none of"), "{text}");
}

#[test]
fn two_sources_for_one_destination_and_a_file_where_a_directory_is_to_be_made_are_errors() {
    let host = Host::new();
    fs_err::write(host.at("taken"), "f").unwrap();
    let objects = [
        File("a/x", "1"),
        File("b/x", "2"),
        File("c/taken/y", "3"),
        File("d/x/z", "4"),
    ];
    let archive = host.archive("r", &objects);
    let appspec = host.appspec(&[("a", ""), ("b", ""), ("c", ""), ("d", "")]);
    let text = problems(host.install(&archive, &appspec, &Overwrite));
    assert!(
        text.contains("has two sources") && text.contains("r/b/x"),
        "{text}"
    );
    assert!(
        text.contains("taken must be a directory") && text.contains("3 problems"),
        "{text}"
    );
    assert_eq!(host.text("taken"), "f");
}

#[test]
fn what_keeps_a_directory_where_a_file_is_to_be_is_named() {
    let host = Host::new();
    let appspec = host.appspec(&[("", "app")]);
    let first = host.archive("first", &[File("d/e/x", "1"), File("d/y", "1")]);
    host.install(&first, &appspec, &Disallow).unwrap();
    fs_err::write(host.at("app/d/e/foreign"), "f").unwrap();
    let second = host.archive("second", &[File("d", "2")]);
    let text = problems(host.install(&second, &appspec, &Disallow));
    assert!(text.contains("app/d is a directory"), "{text}");
    assert!(text.contains("but for"), "{text}");
    assert!(text.contains("app/d/e/foreign, which is not"), "{text}");
    fs_err::remove_file(host.at("app/d/e/foreign")).unwrap();
    host.install(&second, &appspec, &Disallow).unwrap();
    assert_eq!(host.text("app/d"), "2");
}

#[test]
fn a_link_that_leads_nowhere_is_no_directory_and_said_to_be_one() {
    let host = Host::new();
    fs_err::os::unix::fs::symlink("nowhere", host.at("link")).unwrap();
    let archive = host.archive("r", &[File("x", "1")]);
    for destination in ["link", "link/below"] {
        let appspec = host.appspec(&[("", destination)]);
        let text = problems(host.install(&archive, &appspec, &Overwrite));
        assert!(
            text.contains("link must be a directory and is a link that leads nowhere"),
            "{text}"
        );
    }
    assert!(!host.at("nowhere").exists());
}

#[test]
fn one_path_under_two_entries_is_merged() {
    let host = Host::new();
    let archive = host.archive("r", &[File("a/d/x", "1"), File("b/d/y", "2")]);
    host.install(
        &archive,
        &host.appspec(&[("a", "app"), ("b", "app")]),
        &Disallow,
    )
    .unwrap();
    assert_eq!(host.cleanup(), ["app", "app/d", "app/d/x", "app/d/y"]);
}

#[test]
fn a_directory_that_the_cleanup_would_empty_counts_as_made() {
    let host = Host::new();
    host.deploy("app", &[File("d/x", "1")]);
    chmod(&host.at("app/d"), 0o700);
    if is_root() {
        std::os::unix::fs::chown(host.at("app/d"), Some(1234), None).unwrap();
    }
    xattr::set(host.at("app/d"), "user.mine", b"1").unwrap();
    let archive = host.archive("archive", &[File("d/y", "2")]);
    let mut appspec = host.appspec(&[("", "app")]);
    let mut rule = host.rule("app", 1);
    rule.mode = Some(crate::appspec::Mode(0o711));
    rule.files = false;
    appspec.permissions.push(rule);
    host.install(&archive, &appspec, &Disallow).unwrap();
    assert_eq!(host.mode("app/d"), 0o711);
    let status = fs_err::metadata(host.at("app/d")).unwrap();
    assert_eq!(status.uid(), nix::unistd::geteuid().as_raw());
    assert_eq!(xattr::list(host.at("app/d")).unwrap().count(), 0);
    assert_eq!(host.cleanup(), ["app", "app/d", "app/d/y"]);
    host.assert_tidy();
}

#[test]
fn a_directory_kept_alive_by_a_foreign_file_keeps_its_mode_and_is_not_recorded() {
    let host = Host::new();
    host.deploy("app", &[File("d/x", "1")]);
    fs_err::write(host.at("app/d/foreign"), "").unwrap();
    chmod(&host.at("app/d"), 0o700);
    let archive = host.archive("archive", &[File("d/x", "2")]);
    let mut appspec = host.appspec(&[("", "app")]);
    let mut rule = host.rule("app", 1);
    rule.mode = Some(crate::appspec::Mode(0o711));
    appspec.permissions.push(rule);
    host.install(&archive, &appspec, &Disallow).unwrap();
    assert_eq!((host.mode("app/d"), host.mode("app/d/x")), (0o700, 0o711));
    assert_eq!(host.cleanup(), ["app/d/x"]);
}

#[test]
fn changes_of_type_between_revisions_work_in_both_directions() {
    let host = Host::new();
    host.deploy(
        "app",
        &[
            File("a/b/c", "1"),
            File("f", "1"),
            Link("l", "nowhere"),
            Directory("e"),
        ],
    );
    host.deploy(
        "app",
        &[
            File("a", "2"),
            File("f/g", "2"),
            File("l/m", "2"),
            Link("e", "f"),
        ],
    );
    assert_eq!(
        ["app/a", "app/f/g", "app/l/m", "app/e/g"]
            .map(|path| host.text(path))
            .concat(),
        "2222"
    );
    host.deploy(
        "app",
        &[
            File("a/b/c", "3"),
            File("f", "3"),
            File("l", "3"),
            File("e/x", "3"),
        ],
    );
    assert_eq!(
        ["app/a/b/c", "app/f", "app/l", "app/e/x"]
            .map(|path| host.text(path))
            .concat(),
        "3333"
    );
    host.assert_tidy();
}

#[test]
fn links_to_directories_are_used_and_stay() {
    let host = Host::new();
    fs_err::create_dir_all(host.at("real/nested-real")).unwrap();
    symlink("real", host.at("link")).unwrap();
    symlink(host.at("real/nested-real"), host.at("real/nested")).unwrap();
    host.deploy("link", &[File("x", "1"), File("nested/y", "1")]);
    assert_eq!(host.text("real/x") + &host.text("real/nested-real/y"), "11");
    assert_eq!(host.cleanup(), ["link/nested/y", "link/x"]);
    host.deploy("link", &[File("nested/y", "2")]);
    assert!(host.at("link").is_symlink() && !host.at("real/x").exists());
    assert_eq!(host.text("real/nested-real/y"), "2");
}

#[test]
fn moving_between_a_link_and_what_it_leads_to_removes_nothing_new() {
    let host = Host::new();
    fs_err::create_dir(host.at("real")).unwrap();
    symlink("real", host.at("link")).unwrap();
    host.deploy("link", &[File("d/x", "1"), File("old", "1")]);
    host.deploy("real", &[File("d/x", "2")]);
    assert_eq!(host.text("real/d/x"), "2");
    assert!(!host.at("real/old").exists());
    assert_eq!(host.cleanup(), ["real/d", "real/d/x"]);
    let archive = host.archive("r", &[File("x", "3")]);
    let appspec = host.appspec(&[("", "link/d"), ("", "real/d")]);
    let text = problems(host.install(&archive, &appspec, &Overwrite));
    assert!(text.contains("are one place"), "{text}");
}

#[test]
fn a_link_that_another_user_could_have_planted_is_an_error() {
    if !is_root() {
        return;
    }
    let host = Host::new();
    fs_err::create_dir_all(host.at("home/real")).unwrap();
    fs_err::create_dir(host.at("secret")).unwrap();
    symlink(host.at("secret"), host.at("home/link")).unwrap();
    host.deploy("home/link", &[File("x", "1")]);
    std::os::unix::fs::lchown(host.at("home/link"), Some(1234), None).unwrap();
    let archive = host.archive("archive", &[File("x", "2")]);
    let text = problems(host.install(&archive, &host.appspec(&[("", "home/link")]), &Overwrite));
    assert!(
        text.contains("is a link that user 1234 could have made"),
        "{text}"
    );
    // The directory's owner could have moved a link of root's there.
    std::os::unix::fs::lchown(host.at("home/link"), Some(0), None).unwrap();
    std::os::unix::fs::chown(host.at("home"), Some(1234), None).unwrap();
    let text = problems(host.install(&archive, &host.appspec(&[("", "home/link")]), &Overwrite));
    assert!(
        text.contains("is a link that user 1234 could have made"),
        "{text}"
    );
    // Nor does the clean-up go through it.
    let installed = host
        .install(&archive, &host.appspec(&[("", "new")]), &Overwrite)
        .unwrap();
    assert_eq!(host.text("secret/x"), "1");
    assert!(
        installed
            .warnings
            .iter()
            .any(|w| w.contains("is not removed")),
        "{installed:?}"
    );
}

#[rstest]
#[case(Disallow)]
#[case(Overwrite)]
fn a_file_over_an_existing_directory_is_an_error(
    #[case] behavior: crate::deployment::FileExistsBehavior,
) {
    let host = Host::new();
    fs_err::create_dir_all(host.at("x/inside")).unwrap();
    fs_err::create_dir_all(host.at("real")).unwrap();
    symlink("real", host.at("l")).unwrap();
    let archive = host.archive("a", &[File("x", ""), Link("l", "y")]);
    let text = problems(host.install(&archive, &host.appspec(&[("", "")]), &behavior));
    assert!(
        text.contains("srv/x is a directory") && text.contains("srv/l is a directory"),
        "{text}"
    );
    assert!(host.at("x/inside").is_dir());
}

#[test]
fn links_in_the_source() {
    let mut host = Host::new();
    fill(&host.path("outside"), &[File("o", "o")]);
    let outside = host.path("outside");
    let objects = [
        File("d/x", "x"),
        Link("to-file", "d/x"),
        Link("to-directory", "d"),
        Link("to-outside", outside.to_str().unwrap()),
        Link("dangling", "../nowhere"),
        Link("me", "me"),
    ];
    host.deploy("app", &objects);
    for (name, target) in [("to-file", "d/x"), ("dangling", "../nowhere"), ("me", "me")] {
        assert_eq!(
            fs_err::read_link(host.at("app").join(name))
                .unwrap()
                .to_str(),
            Some(target)
        );
    }
    assert!(host.at("app/to-directory").is_dir() && !host.at("app/to-directory").is_symlink());
    assert_eq!(
        host.text("app/to-directory/x") + &host.text("app/to-outside/o"),
        "xo"
    );
    host.options.preserve_directory_symlinks = true;
    host.deploy("app", &objects);
    assert_eq!(
        fs_err::read_link(host.at("app/to-directory"))
            .unwrap()
            .to_str(),
        Some("d")
    );
    assert_eq!(
        fs_err::read_link(host.at("app/to-outside")).unwrap(),
        outside
    );
}

#[test]
fn a_link_to_a_directory_as_source_is_followed_or_recreated_as_configured() {
    let mut host = Host::new();
    let archive = host.archive("a", &[File("d/e/x", "x"), Link("l", "d")]);
    let appspec = host.appspec(&[("l", "app"), ("l/e", "app/below")]);
    host.install(&archive, &appspec, &Disallow).unwrap();
    assert_eq!(host.text("app/e/x") + &host.text("app/below/x"), "xx");
    assert!(!host.at("app/l").is_symlink());
    host.options.preserve_directory_symlinks = true;
    host.install(&archive, &appspec, &Disallow).unwrap();
    let target = fs_err::read_link(host.at("app/l")).unwrap();
    assert_eq!(target.to_str(), Some("d"));
    assert!(!host.at("app/e").exists());
    // On the way to a source, a link is followed.
    assert_eq!(host.text("app/below/x"), "x");
}

#[test]
fn link_loops_and_special_files_in_the_source_and_missing_sources_are_errors() {
    let host = Host::new();
    let archive = host.archive("a", &[File("d/x", "x"), Link("d/e/up", "..")]);
    nix::unistd::mkfifo(&archive.join("pipe"), NixMode::S_IRWXU).unwrap();
    let appspec = host.appspec(&[
        ("", "app"),
        ("no/such", "app"),
        ("d/x/y", "app"),
        ("d/*", "app"),
    ]);
    let text = problems(host.install(&archive, &appspec, &Disallow));
    assert!(
        text.contains("d/e/up is a link to a directory that contains it"),
        "{text}"
    );
    assert!(text.contains("pipe is neither file"), "{text}");
    assert!(
        text.contains("no/such of `files` entry 2 is not in the revision"),
        "{text}"
    );
    assert!(text.contains("d/x/y of `files` entry 3"), "{text}");
    assert_eq!(text.matches("wildcards are not expanded").count(), 1);
    assert!(!host.at("app").exists());
}

#[test]
fn a_destination_that_cannot_be_written_to_is_found_in_the_plan() {
    if nix::unistd::geteuid().is_root() {
        // Root may write everywhere but into /proc and read-only mounts.
        let host = Host::new();
        let archive = host.archive("a", &[File("x", "x")]);
        let mut appspec = host.appspec(&[("", "")]);
        appspec.files[0].destination = "/proc/self/fdinfo".into();
        let result = host.install(&archive, &appspec, &Disallow);
        assert!(result.is_err(), "{result:?}");
        return;
    }
    let host = Host::new();
    fs_err::create_dir(host.at("closed")).unwrap();
    chmod(&host.at("closed"), 0o500);
    let archive = host.archive("a", &[File("x", "x")]);
    let text = problems(host.install(&archive, &host.appspec(&[("", "closed")]), &Disallow));
    assert!(text.contains("cannot write to"), "{text}");
}

#[test]
fn reject_unsafe_permissions_refuses_setuid_files() {
    let mut host = Host::new();
    host.options.reject_unsafe_permissions = true;
    let archive = host.archive("a", &[File("x", "x")]);
    chmod(&archive.join("x"), 0o4755);
    let text = problems(host.install(&archive, &host.appspec(&[("", "app")]), &Disallow));
    assert!(text.contains("a/x is setuid or setgid"), "{text}");
}

#[test]
fn a_plan_can_be_read_and_touches_nothing() {
    let host = Host::new();
    host.deploy("app", &[File("old", "1"), File("same", "1")]);
    fs_err::write(host.at("app/foreign"), "f").unwrap();
    let archive = host.archive(
        "archive",
        &[File("foreign", "2"), File("same", "2"), File("d/n", "2")],
    );
    let before = snapshot(&host.path(""));
    let plan = host
        .plan(&archive, &host.appspec(&[("", "app")]), &Retain)
        .unwrap();
    let app = host.at("app");
    let lines: Vec<_> = plan
        .objects()
        .filter(|object| object.path().starts_with(&app))
        .map(|object| {
            (
                object.action,
                object.name().to_str().unwrap().to_owned(),
                object.is_ours(),
            )
        })
        .collect();
    let expected = [
        (Action::KeepDirectory, "app", true),
        (Action::MakeDirectory, "d", false),
        (Action::CopyFile, "n", false),
        (Action::Retain, "foreign", false),
        (Action::CopyFile, "same", true),
        (Action::Remove, "old", true),
    ];
    assert_eq!(
        lines,
        expected.map(|(action, name, ours)| (action, name.to_owned(), ours))
    );
    assert_eq!(snapshot(&host.path("")), before);
}

#[test]
fn wide_and_deep_trees_need_few_descriptors() {
    let host = Host::new();
    let deep = "d/".repeat(200);
    let names: Vec<String> = (0..1500)
        .map(|i| format!("wide/{i}/x"))
        .chain([format!("{deep}x")])
        .collect();
    let objects: Vec<_> = names.iter().map(|name| File(name, "1")).collect();
    host.deploy("app", &objects);
    host.deploy("app", &[File("wide", "2"), File("d", "2")]);
    assert_eq!(host.text("app/wide") + &host.text("app/d"), "22");
    host.assert_tidy();
}
