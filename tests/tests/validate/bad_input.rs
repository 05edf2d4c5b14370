//! Input that nobody meant as an AppSpec: an answer in bounded memory, and the right exit status.

use integration_tests::{agent, command};
use rstest::rstest;

use super::*;

#[rstest]
#[case::elf(b"\x7fELF\x02\x01\x01\0\0\0".to_vec(), "yaml-control-character")]
#[case::invalid_utf8(b"version: 0.0\nos: \xff\n".to_vec(), "yaml-encoding")]
#[case::depth("[".repeat(1_000_000).into_bytes(), "yaml-too-deep")]
#[case::flow(format!("a: [{}]", "a,".repeat(1_000_000)).into_bytes(), "yaml-too-many-values")]
#[case::control(b"a: \x1b[2J\n".to_vec(), "yaml-control-character")]
fn has_one_answer(#[case] input: Vec<u8>, #[case] rule: &str) {
    let ran = run_with_input(
        Path::new("/"),
        &["validate", "--output", "json", "-"],
        &input,
    );
    assert_eq!((ran.status, ran.rules()), (1, vec![rule.to_owned()]));
    let human = run_with_input(Path::new("/"), &["validate", "-"], &input);
    assert!(!human.stdout.contains('\x1b'));
}

#[test]
fn a_hundred_megabytes_are_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("appspec.yml");
    // Sparse: it takes no place, but reading it would.
    let file = fs_err::File::create(&path).unwrap();
    file.set_len(100 * 1024 * 1024).unwrap();
    let ran = limited_memory(&path);
    assert_eq!(
        (ran.status, ran.rules()),
        (1, vec!["file-too-large".to_owned()])
    );
}

#[test]
fn a_file_of_many_findings_fits_into_memory_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("appspec.yml");
    let mut text = "version: 0.0\nos: linux\npermissions:\n".to_owned();
    text.push_str(&"- {object: a, x: y, mode: 0777}\n".repeat(60_000));
    fs_err::write(&path, text).unwrap();
    let ran = limited_memory(&path);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(ran.findings().len() <= 200);
}

/// Runs with 600 MB of address space, most of which the program itself takes.
fn limited_memory(path: &Path) -> Ran {
    let shell = format!(
        "ulimit -v 600000; exec {} validate --output json {}",
        agent().display(),
        path.display()
    );
    let output = command("/bin/sh").args(["-c", &shell]).output().unwrap();
    Ran {
        status: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[rstest]
#[case::absent("absent.yml")]
#[case::device("/dev/null")]
#[case::below_a_file("/etc/passwd/appspec.yml")]
fn what_cannot_be_read_is_2(#[case] path: &str) {
    let directory = tempfile::tempdir().unwrap();
    let ran = validate(directory.path(), path);
    assert_eq!(ran.status, 2, "{}", ran.stdout);
    assert!(
        ran.stdout.is_empty() && ran.stderr.contains(path),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_fifo_does_not_hold_the_program() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fifo");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(validate(directory.path(), "fifo").status, 2);
}

#[test]
fn a_gzip_bomb_of_names_is_bounded() {
    let directory = tempfile::tempdir().unwrap();
    // 200 MB of one file, in 200 kB.
    let mut header = tar::Header::new_gnu();
    header.set_size(200 << 20);
    header.set_mode(0o644);
    let file = fs_err::File::create(directory.path().join("bomb.tgz")).unwrap();
    let gzip = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    let mut builder = tar::Builder::new(gzip);
    let zeros = std::io::Read::take(std::io::repeat(0), 200 << 20);
    builder.append_data(&mut header, "zeros", zeros).unwrap();
    builder.into_inner().unwrap().finish().unwrap();
    let ran = limited_memory(&directory.path().join("bomb.tgz"));
    assert_eq!(
        (ran.status, ran.rules()),
        (1, vec!["appspec-missing".to_owned()])
    );
}
