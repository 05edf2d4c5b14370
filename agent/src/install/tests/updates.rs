//! Updates: what readers see meanwhile, and what is not written again.

use std::os::unix::fs::MetadataExt as _;
use std::sync::atomic::{AtomicBool, Ordering};

use super::host::*;
use crate::appspec::Mode;
use crate::deployment::FileExistsBehavior::Disallow;
use crate::install::Outcome;

#[test]
fn a_reader_never_finds_a_file_missing_or_mixed_during_fifty_updates() {
    let host = Host::new();
    let names: Vec<String> = (0..30).map(|n| format!("d{}/f{n}", n % 3)).collect();
    let revision = |number: usize| {
        let content = char::from(b'a' + u8::try_from(number % 26).unwrap());
        content.to_string().repeat(20_000)
    };
    let deploy = |number: usize| {
        let content = revision(number);
        // Something comes and goes with every other one.
        let extra = format!("d0/extra{}", number % 2);
        let mut objects: Vec<_> = names.iter().map(|name| File(name, &content)).collect();
        objects.push(File(&extra, "x"));
        host.deploy("app", &objects);
    };
    deploy(0);
    let ended = AtomicBool::new(false);
    let paths: Vec<_> = names.iter().map(|name| host.at("app").join(name)).collect();
    let reader = || {
        let mut seen = 0_usize;
        while !ended.load(Ordering::Relaxed) {
            for path in &paths {
                let content = fs_err::read(path).unwrap();
                assert_eq!(content.len(), 20_000, "{}", path.display());
                let first = content[0];
                assert!(content.iter().all(|byte| *byte == first), "mixed");
                seen += 1;
            }
        }
        seen
    };
    let seen = std::thread::scope(|scope| {
        let readers = [scope.spawn(reader), scope.spawn(reader)];
        // However an assertion here fails, the readers come to their end.
        let updated = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            (1..=50).for_each(deploy);
        }));
        ended.store(true, Ordering::Relaxed);
        let seen: usize = readers.map(|reader| reader.join().unwrap()).iter().sum();
        updated.unwrap();
        seen
    });
    assert!(seen > 100, "{seen}");
    assert!(host.text("app/d0/f0") == revision(50));
}

/// An archive whose files have a fixed time of modification.
fn archive(host: &Host, name: &str, objects: &[Put<'_>]) -> std::path::PathBuf {
    let archive = host.archive(name, objects);
    for (path, _) in snapshot(&archive) {
        let file = archive.join(path);
        if file.is_file() {
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
            let opened = fs_err::OpenOptions::new().write(true).open(file).unwrap();
            opened.into_file().set_modified(time).unwrap();
        }
    }
    archive
}

#[test]
fn what_is_the_same_in_everything_is_not_written_again() {
    let host = Host::new();
    let names = [
        "same",
        "content",
        "size",
        "mode",
        "time",
        "attribute",
        "link",
        "by-rule",
    ];
    let objects: Vec<_> = names.iter().map(|name| File(name, "one")).collect();
    let mut appspec = host.appspec(&[("", "app")]);
    let mut rule = host.rule("app/by-rule", 1);
    rule.mode = Some(Mode(0o600));
    appspec.permissions = vec![rule];
    let first = archive(&host, "first", &objects);
    host.install(&first, &appspec, &Disallow).unwrap();
    let inode = |name: &str| fs_err::metadata(host.at("app").join(name)).unwrap().ino();
    let before = names.map(inode);

    let mut objects: Vec<_> = objects.clone();
    objects[1] = File("content", "two");
    objects[2] = File("size", "three");
    let second = archive(&host, "second", &objects);
    chmod(&second.join("mode"), 0o640);
    fs_err::write(second.join("time"), "one").unwrap();
    let has_attributes = xattr::set(host.at("app/attribute"), "user.by-hand", b"x").is_ok();
    fs_err::hard_link(host.at("app/link"), host.at("other-name")).unwrap();
    let installed = host.install(&second, &appspec, &Disallow).unwrap();
    for (name, before) in names.iter().zip(before) {
        let stays = ["same", "by-rule"].contains(name) || *name == "attribute" && !has_attributes;
        assert_eq!(inode(name) == before, stays, "{name}");
    }
    assert_eq!(installed.unchanged, 2 + usize::from(!has_attributes));
    assert_eq!(
        host.text("app/content") + &host.text("app/size"),
        "twothree"
    );
    assert_eq!(
        (host.mode("app/mode"), host.mode("app/by-rule")),
        (0o640, 0o600)
    );
    assert_eq!(
        xattr::get(host.at("app/attribute"), "user.by-hand").unwrap_or(None),
        None
    );
    // They are recorded as ever.
    assert_eq!(host.cleanup().len(), 1 + names.len());
    host.deploy("other", &[]);
    assert!(!host.at("app").exists());
}

#[test]
fn an_unchanged_file_that_changes_meanwhile_is_planned_for_again() {
    let host = Host::new();
    let objects = [File("same", "one"), File("other", "1")];
    let appspec = host.appspec(&[("", "app")]);
    host.install(&archive(&host, "first", &objects), &appspec, &Disallow)
        .unwrap();
    let second = archive(&host, "second", &[File("same", "one"), File("other", "2")]);
    let (path, mut first) = (host.at("app/same"), true);
    let installed = host.install_watched(&second, &appspec, &Disallow, &mut |moment| {
        if moment == crate::install::apply::Moment::Place && std::mem::take(&mut first) {
            fs_err::write(&path, "by hand")?;
        }
        Ok(())
    });
    assert_eq!(installed.unwrap().unchanged, 0);
    assert_eq!(host.text("app/same") + &host.text("app/other"), "one2");
    host.assert_tidy();
}

#[test]
fn attributes_of_users_are_kept_and_holes_stay() {
    let host = Host::new();
    let archive = host.archive("a", &[File("x", "1"), File("big", "1")]);
    let big = fs_err::OpenOptions::new()
        .write(true)
        .open(archive.join("big"))
        .unwrap();
    big.set_len(50_000_000).unwrap();
    let has_attributes = xattr::set(archive.join("x"), "user.note", b"kept").is_ok();
    host.install(&archive, &host.appspec(&[("", "app")]), &Disallow)
        .unwrap();
    if has_attributes {
        let value = xattr::get(host.at("app/x"), "user.note").unwrap();
        assert_eq!(value.as_deref(), Some(&b"kept"[..]));
    }
    let big = fs_err::metadata(host.at("app/big")).unwrap();
    assert_eq!(big.len(), 50_000_000);
    assert!(big.blocks() < 2000, "{}", big.blocks());
}

#[test]
fn many_files_are_staged_by_several_threads_and_a_failure_of_one_undoes_all() {
    let host = Host::new();
    let names: Vec<String> = (0..1000).map(|n| format!("d{}/f{n}", n % 10)).collect();
    let revision = |content| -> Vec<_> { names.iter().map(|name| File(name, content)).collect() };
    host.deploy("app", &revision("1"));
    let before = snapshot(&host.srv());
    let archive = host.archive("second", &revision("2"));
    let appspec = host.appspec(&[("", "app")]);
    for fail_at in [3, 500, 1005] {
        let mut step = 0;
        let result = host.install_watched(&archive, &appspec, &Disallow, &mut |_| {
            step += 1;
            if step == fail_at {
                return Err(std::io::Error::from_raw_os_error(5));
            }
            Ok(())
        });
        result.unwrap_err();
        assert_eq!(snapshot(&host.srv()), before);
    }
    assert_eq!(
        host.install(&archive, &appspec, &Disallow).unwrap().files,
        1000
    );
    for name in &names {
        assert_eq!(host.text(&format!("app/{name}")), "2");
    }
    assert_eq!(
        super::crash::recover(&host).map(|r| r.outcome),
        None::<Outcome>
    );
    host.assert_tidy();
}
