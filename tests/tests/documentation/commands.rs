//! Runs the commands of the pages, page by page, in order, and compares what they print.

use super::block::{Block, Language};
use super::comparison::agrees;
use super::page::{Page, pages};
use super::sandbox::Sandbox;
use super::{assert_none, page};

/// A command and what the page says that it prints.
struct Step {
    command: String,
    expected: Vec<String>,
    /// The first line of what it prints, counted from 1 in the page.
    line: usize,
    status: i32,
}

/// The commands of a block that is run.
fn steps(block: &Block) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut goes_on = false;
    for (index, line) in block.text.lines().enumerate() {
        let after = block.line + index + 2;
        let last = steps.last_mut();
        match (line.strip_prefix("$ "), last) {
            (_, Some(last)) if goes_on => {
                last.command = format!("{}\n{line}", last.command);
                last.line = after;
                goes_on = line.ends_with('\\');
            }
            (Some(command), _) => {
                goes_on = command.ends_with('\\');
                steps.push(Step {
                    command: command.to_owned(),
                    expected: Vec::new(),
                    line: after,
                    status: 0,
                });
            }
            (None, Some(last)) => last.expected.push(line.to_owned()),
            (None, None) => panic!("{}: output without a command", block.place),
        }
    }
    if let Some(last) = steps.last_mut() {
        last.status = block.status;
    }
    steps
}

/// What is printed now instead of some lines of a page.
struct Edit {
    line: usize,
    count: usize,
    text: String,
}

/// Complaints about a page, and what would settle those about output.
fn run(page: &Page) -> (Vec<String>, Vec<Edit>) {
    let mut sandbox = Sandbox::new();
    let (mut complaints, mut edits) = (Vec::new(), Vec::new());
    for block in page.blocks() {
        if let Some(path) = &block.file {
            sandbox.write(path, &block.text);
        }
        if block.language != Language::Console || block.no_run.is_some() {
            continue;
        }
        for step in steps(&block) {
            let ran = sandbox.run(&step.command);
            if ran.status != Some(step.status) {
                complaints.push(format!(
                    "{}: `{}` ended with {:?} instead of {}:\n{}",
                    block.place, step.command, ran.status, step.status, ran.output
                ));
            }
            let expected: Vec<&str> = step.expected.iter().map(String::as_str).collect();
            let actual: Vec<&str> = ran.output.lines().collect();
            if !agrees(&expected, &actual) {
                complaints.push(format!(
                    "{}: `{}` prints now:\n{}",
                    block.place, step.command, ran.output
                ));
                edits.push(Edit {
                    line: step.line,
                    count: expected.len(),
                    text: ran.output,
                });
            }
        }
    }
    (complaints, edits)
}

fn update(page: &Page, edits: &[Edit]) {
    let mut lines: Vec<&str> = page.text.lines().collect();
    for edit in edits.iter().rev() {
        let first = edit.line - 1;
        lines.splice(first..first + edit.count, edit.text.lines());
    }
    fs_err::write(&page.path, lines.join("\n") + "\n").unwrap();
}

#[test]
fn every_command_prints_what_its_page_shows() {
    if nix::unistd::geteuid().is_root()
        && fs_err::metadata("/etc/codedeploy-agent/conf/codedeployagent.yml").is_ok()
    {
        eprintln!("skipped: root would use the configuration that is installed on this host");
        return;
    }
    let pages = pages();
    let is_run = |page: &&Page| {
        let blocks = page.blocks();
        blocks
            .iter()
            .any(|block| block.language == Language::Console && block.no_run.is_none())
    };
    let results: Vec<(&Page, Vec<String>, Vec<Edit>)> = std::thread::scope(|scope| {
        let started: Vec<_> = pages
            .iter()
            .filter(is_run)
            .map(|page| (page, scope.spawn(|| run(page))))
            .collect();
        let ended = started.into_iter().map(|(page, thread)| {
            let (complaints, edits) = thread.join().unwrap();
            (page, complaints, edits)
        });
        ended.collect()
    });
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        for (page, _, edits) in &results {
            update(page, edits);
        }
    }
    assert!(results.len() >= 4, "only {} pages are run", results.len());
    let complaints: Vec<String> = results.into_iter().flat_map(|result| result.1).collect();
    assert_none(&complaints);
}

#[test]
fn commands_stand_in_blocks_that_are_run() {
    let mut complaints = Vec::new();
    for page in pages() {
        for block in page.blocks() {
            let shows_commands = block.text.lines().any(|line| line.starts_with("$ "));
            if shows_commands && block.language != Language::Console {
                complaints.push(format!("{}: make it a console block", block.place));
            }
            // Files of rules' pages are named in their text.
            let is_file = block.file.is_some() || block.text.starts_with("#!");
            if block.language == Language::Sh && !is_file && block.no_run.is_none() {
                complaints.push(format!(
                    "{}: a script begins with #!, commands belong into a console block",
                    block.place
                ));
            }
        }
        complaints.extend(indented_blocks(&page));
    }
    assert_none(&complaints);
}

#[test]
fn readers_are_told_the_names_of_files() {
    let mut complaints = Vec::new();
    for page in pages() {
        let lines: Vec<&str> = page.text.lines().collect();
        for block in page.blocks() {
            let Some(file) = &block.file else { continue };
            let before = lines.get(..block.line - 1).unwrap().iter().rev();
            let mut paragraph = before
                .skip_while(|line| line.is_empty())
                .take_while(|line| !line.is_empty());
            if !paragraph.any(|line| line.contains(&format!("`{file}`"))) {
                complaints.push(format!(
                    "{}: the paragraph before does not name `{file}`",
                    block.place
                ));
            }
        }
    }
    assert_none(&complaints);
}

/// The README's two commands for a fresh machine, which other programs read.
const INDENTED: [&str; 2] = [
    "    cargo run -p agent -- run-bundle -l examples/web",
    "    cargo test --workspace",
];

fn indented_blocks(page: &Page) -> Vec<String> {
    let lines: Vec<page::Line<'_>> = page.lines();
    let mut complaints = Vec::new();
    for pair in lines.windows(2) {
        let [before, line] = pair else { continue };
        let begins = before.text.is_empty() && line.text.starts_with("    ") && !line.fenced;
        if begins && !(page.name == "README.md" && INDENTED.contains(&line.text)) {
            complaints.push(format!(
                "{}:{}: indented commands are not seen by tests; write a fenced block",
                page.name, line.number
            ));
        }
    }
    complaints
}
