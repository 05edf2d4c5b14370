//! The manual pages and completions that the packages ship are those of the command line as it is.
//!
//! `UPDATE_GENERATED=1 cargo test -p agent --test manual` writes them.

#![expect(clippy::unwrap_used, reason = "a failure fails the test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use agent::cli::{Arguments, LocalTool};
use clap::{Command, CommandFactory as _};
use clap_complete::{Shell, generate};
use clap_mangen::Man;

/// The programs under the names by which people call them.
fn programs() -> [Command; 2] {
    [
        Arguments::command()
            .name("codedeploy-agent")
            .bin_name("codedeploy-agent"),
        LocalTool::command().bin_name("codedeploy-local"),
    ]
}

/// The pages of a command and of its subcommands, by their names.
fn pages(command: &Command, name: &str, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for subcommand in command
        .get_subcommands()
        .filter(|subcommand| !subcommand.is_hide_set() && subcommand.get_name() != "help")
    {
        let name = format!("{name}-{}", subcommand.get_name());
        pages(subcommand, &name, found);
    }
    let mut page = Vec::new();
    // A page has one name, and no date: it changes when the command line does.
    let command = command
        .clone()
        .display_name(name.to_owned())
        .disable_help_subcommand(true);
    Man::new(command)
        .manual("CodeDeploy host agent")
        .source("codedeploy-host-agent")
        .date("")
        .render(&mut page)
        .unwrap();
    found.insert(Path::new("man").join(format!("{name}.1")), page);
}

fn generated() -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for program in programs() {
        let name = program.get_name().to_owned();
        let mut built = program.clone();
        built.build();
        pages(&built, &name, &mut found);
        for (shell, file) in [
            (Shell::Bash, format!("{name}.bash")),
            (Shell::Fish, format!("{name}.fish")),
            (Shell::Zsh, format!("_{name}")),
        ] {
            let mut script = Vec::new();
            generate(shell, &mut program.clone(), &name, &mut script);
            found.insert(Path::new("completions").join(file), script);
        }
    }
    found
}

#[test]
fn manual_pages_and_completions_are_those_of_the_command_line() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/generated");
    let generated = generated();
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        for (name, text) in &generated {
            fs_err::create_dir_all(directory.join(name).parent().unwrap()).unwrap();
            fs_err::write(directory.join(name), text).unwrap();
        }
    }
    let remedy = "run: UPDATE_GENERATED=1 cargo test -p agent --test manual";
    let mut there = BTreeMap::new();
    for kind in ["man", "completions"] {
        for entry in fs_err::read_dir(directory.join(kind)).unwrap() {
            let name = Path::new(kind).join(entry.unwrap().file_name());
            there.insert(name.clone(), fs_err::read(directory.join(&name)).unwrap());
        }
    }
    let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&there), names(&generated), "{remedy}");
    for (name, text) in &generated {
        let expected = String::from_utf8_lossy(text);
        let found = String::from_utf8_lossy(&there[name]);
        assert!(
            found == expected,
            "{} is out of date; {remedy}",
            name.display()
        );
    }
}
