//! Commands that a test cannot run: each says why, they are counted, they are at least bash, and the
//! agent is asked whether it understands its arguments.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::Stdio;

use integration_tests::{agent_command, command};

use super::agent_calls::agent_calls;
use super::assert_none;
use super::block::{Block, Language, Needs};
use super::page::pages;

/// How many blocks there are of each reason. Run a command rather than raise a number.
const COUNTS: [(Needs, usize); 4] = [
    (Needs::Aws, 5),
    (Needs::Package, 11),
    (Needs::Build, 13),
    (Needs::Host, 2),
];

#[test]
fn blocks_that_are_not_run_are_counted() {
    let mut counts: BTreeMap<Needs, usize> = COUNTS.iter().map(|(it, _)| (*it, 0)).collect();
    for block in pages().iter().flat_map(super::page::Page::blocks) {
        if let Some(reason) = block.no_run {
            *counts.entry(reason).or_default() += 1;
        }
    }
    assert_eq!(counts, BTreeMap::from(COUNTS));
}

/// A block's commands, prompts and output taken away.
fn script(block: &Block) -> String {
    if block.language == Language::Sh {
        return block.text.clone();
    }
    let mut script = String::new();
    let mut goes_on = false;
    for line in block.text.lines() {
        let command = if goes_on {
            Some(line)
        } else {
            ["$ ", "# "].iter().find_map(|it| line.strip_prefix(it))
        };
        goes_on = command.is_some_and(|command| command.ends_with('\\'));
        if let Some(command) = command {
            script.push_str(command);
            script.push('\n');
        }
    }
    script
}

#[test]
fn all_shell_is_bash_and_calls_the_agent_as_it_can_be_called() {
    let mut complaints = Vec::new();
    let mut calls = 0;
    for block in pages().iter().flat_map(super::page::Page::blocks) {
        if !matches!(block.language, Language::Console | Language::Sh) {
            continue;
        }
        let script = script(&block);
        if script.is_empty() {
            complaints.push(format!("{}: there is no command", block.place));
        }
        let interpreter = script.lines().next().filter(|line| line.starts_with("#!"));
        let is_shell = interpreter.is_none_or(|line| line.ends_with("sh"));
        if is_shell && let Err(error) = parses(&script) {
            complaints.push(format!("{}: {error}", block.place));
        }
        for call in agent_calls(&script) {
            calls += 1;
            if let Err(error) = is_understood(&call) {
                complaints.push(format!("{}: {call:?}: {error}", block.place));
            }
        }
    }
    assert!(calls >= 30, "only {calls} calls were found");
    assert_none(&complaints);
}

#[test]
fn calls_in_running_text_are_understood() {
    let mut complaints = Vec::new();
    let mut calls = 0;
    for page in pages() {
        for (line, span) in page.code_spans() {
            // Optional parts, and what is left out.
            if span.contains(['[', '|']) || span.contains("...") {
                continue;
            }
            for call in agent_calls(&span) {
                calls += 1;
                if let Err(error) = is_understood(&call) {
                    complaints.push(format!("{}:{line}: `{span}`: {error}", page.name));
                }
            }
        }
    }
    assert!(calls >= 30, "only {calls} calls were found");
    assert_none(&complaints);
}

fn parses(script: &str) -> Result<(), String> {
    let mut bash = command("bash")
        .arg("-n")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    bash.stdin
        .take()
        .unwrap()
        .write_all(script.as_bytes())
        .unwrap();
    let output = bash.wait_with_output().unwrap();
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// Asks the real program for help behind the arguments: it reads those first, and does nothing.
fn is_understood(call: &[String]) -> Result<(), String> {
    let (name, arguments) = call.split_first().unwrap();
    if arguments.is_empty() {
        // The program's name, not a call.
        return Ok(());
    }
    help(name, arguments).or_else(|error| {
        // Running text names an option without its value.
        let value_is_missing = error.contains("a value is required");
        let arguments = [arguments, &["VALUE".to_owned()]].concat();
        match value_is_missing {
            true => help(name, &arguments),
            false => Err(error),
        }
    })
}

fn help(name: &str, arguments: &[String]) -> Result<(), String> {
    let output = agent_command()
        .arg0(name)
        .args(arguments)
        .arg("--help")
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .unwrap();
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

#[test]
fn a_call_with_an_unknown_option_is_not_understood() {
    let call = |words: &[&str]| -> Vec<String> { words.iter().map(|it| (*it).into()).collect() };
    assert!(is_understood(&call(&["agent", "stop", "--wait"])).is_ok());
    assert!(is_understood(&call(&["codedeploy-local", "-l", "."])).is_ok());
    assert!(is_understood(&call(&["agent", "stop", "--now"])).is_err());
    assert!(is_understood(&call(&["agent", "stopp"])).is_err());
}
