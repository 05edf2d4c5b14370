//! The records, as AWS's agents read and write them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use super::host::*;
use crate::appspec::{AclEntry, AclTag, Mode};
use crate::deployment::FileExistsBehavior::Disallow;

#[test]
fn install_json_is_as_the_contract_has_it() {
    let host = Host::new();
    let archive = host.archive("a", &[File("d/x", ""), File("b", "")]);
    let mut appspec = host.appspec(&[("", "app")]);
    let mut rule = host.rule("app", 1);
    rule.mode = Some(Mode(0o75));
    rule.owner = Some(nix::unistd::geteuid().to_string());
    rule.acls = vec![AclEntry {
        text: "u:5:rx".into(),
        default: false,
        tag: AclTag::User("5".into()),
        permissions: 5,
    }];
    appspec.permissions = vec![rule];
    host.install(&archive, &appspec, &Disallow).unwrap();
    let record = fs_err::read_to_string(host.records().install()).unwrap();
    let text = record
        .replace(archive.to_str().unwrap(), "A")
        .replace(host.srv().to_str().unwrap(), "S")
        .replace(&nix::unistd::geteuid().to_string(), "0");
    let permissions = |file: &str| {
        format!(
            r#"{{"type":"chmod","mode":"075","file":"{file}"}},{{"type":"setfacl","acl":["u:5:rx"],"file":"{file}"}},{{"type":"chown","owner":"0","group":null,"file":"{file}"}}"#
        )
    };
    let expected = format!(
        r#"{{"instructions":[{{"type":"mkdir","directory":"S/app"}},{{"type":"copy","source":"A/b","destination":"S/app/b"}},{{"type":"mkdir","directory":"S/app/d"}},{{"type":"copy","source":"A/d/x","destination":"S/app/d/x"}},{},{},{}]}}"#,
        permissions("S/app/b"),
        permissions("S/app/d/x"),
        permissions("S/app/d"),
    );
    assert_eq!(
        text.replace("\"mode\":\"75\"", "\"mode\":\"075\""),
        expected
    );
    let pointer = fs_err::read_to_string(host.records().last_successful()).unwrap();
    assert_eq!(pointer, host.path("root/group/d-1").to_str().unwrap());
}

#[test]
fn a_cleanup_of_aws_agents_is_followed() {
    let host = Host::new();
    fill(
        &host.srv(),
        &[File("app/x", ""), File("app/y", ""), File("torn", "")],
    );
    let base = host.srv().display().to_string();
    fs_err::create_dir_all(host.path("root/deployment-instructions")).unwrap();
    let lines = format!(
        "{base}/app\n{base}/app/x\n{base}/app/y\n/\nrelative\n{base}/../srv/torn\n{base}/torn"
    );
    fs_err::write(host.records().cleanup(), lines).unwrap();
    let installed = host.deploy("new", &[]);
    assert!(!host.at("app").exists());
    assert!(host.at("torn").exists(), "an interrupted line is no line");
    assert_eq!(installed.warnings.len(), 3, "{installed:?}");
}

#[test]
fn names_that_lines_cannot_hold_are_cleaned_up_exactly() {
    let host = Host::new();
    let names: [&[u8]; 4] = [b"trailing ", b"new\nline", b"latin\xe9", b"plain"];
    let archive = host.archive("a", &[]);
    for name in names {
        fs_err::write(archive.join(OsStr::from_bytes(name)), "").unwrap();
    }
    host.install(&archive, &host.appspec(&[("", "app")]), &Disallow)
        .unwrap();
    assert_eq!(host.cleanup(), ["app", "app/plain"]);
    fs_err::write(host.at("app/trailing"), "foreign").unwrap();
    host.deploy("app", &[]);
    let left: Vec<_> = snapshot(&host.at("app")).into_keys().collect();
    assert_eq!(left, [std::path::Path::new("trailing")]);
    assert!(!host.records().exact_cleanup().exists());
}

#[test]
fn a_cleanup_rewritten_by_another_agent_makes_the_exact_record_stale() {
    let host = Host::new();
    let archive = host.archive("a", &[File("odd ", "")]);
    host.install(&archive, &host.appspec(&[("", "app")]), &Disallow)
        .unwrap();
    fs_err::write(
        host.records().cleanup(),
        format!("{}\n", host.at("else").display()),
    )
    .unwrap();
    host.deploy("new", &[]);
    assert!(host.at("app/odd ").exists());
}

#[test]
fn records_are_readable_by_all_and_nothing_else_is_left_beside_them() {
    let host = Host::new();
    host.deploy("app", &[File("x", "")]);
    host.deploy("app", &[File("x", "")]);
    let seen = snapshot(&host.path("root/deployment-instructions"));
    let names: Vec<_> = seen.keys().map(|name| name.to_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "group-cleanup",
            "group-install.json",
            "group_last_successful_install"
        ]
    );
    fs_err::write(host.at("plain"), "").unwrap();
    assert!(
        seen.values()
            .all(|seen| seen.mode & 0o777 == host.mode("plain"))
    );
}
