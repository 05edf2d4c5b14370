//! The subcommand's frame: read, check, mend, print, exit.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::archive::Archive;
use super::directory::Directory;
use super::host::ThisHost;
use super::input::{Input, NAMES, looks_like_appspec};
use super::output::{self, CheckedFile};
use super::rewrite::rewrite;
use crate::appspec::{Problem, Problems, Severity};
use crate::cli::arguments::{ValidateArguments, ValidateOutput};
use crate::cli::terminal::{print, say_aside};
use crate::cli::{Exit, complain};
use crate::error::chain;
use crate::lint::{self, Bundle, Host, Platform, Subject, Tree};

/// Times that mending is tried: one edit may show the next finding.
const MOST_ROUNDS: usize = 10;

/// Runs the subcommand.
pub(in crate::cli) fn main(arguments: &ValidateArguments) -> Exit {
    let mut inputs = Vec::with_capacity(arguments.paths.len());
    let mut worst = Exit::Success;
    for path in &arguments.paths {
        let exit = match validate(path, arguments) {
            Ok(files) => {
                let exit = verdict(&files);
                inputs.push(files);
                exit
            }
            Err(exit) => exit,
        };
        if exit.number() > worst.number() {
            worst = exit;
        }
    }
    if arguments.output != ValidateOutput::Human {
        let omitted = inputs.iter().flatten().map(|file| file.problems.omitted());
        match omitted.sum::<usize>() {
            0 => {}
            omitted => say_aside(&format!("{omitted} more findings are left out")),
        }
    }
    // Nothing that was checked is no list of findings that is empty.
    if !inputs.is_empty() {
        print(output::show(&inputs, arguments.output).as_bytes());
    }
    worst
}

/// Checks what `path` names, and mends it when that is asked for: its AppSpec, then its scripts.
fn validate(path: &Path, arguments: &ValidateArguments) -> Result<Vec<CheckedFile>, Exit> {
    let input = Input::read(path).map_err(|error| complain(&chain(&error), Exit::Usage))?;
    let mut task = Task::new(input, path, arguments)?;
    let mut files = task.check();
    if arguments.fix {
        files = task.mend(files)?;
    }
    if arguments.strict {
        for file in &mut files {
            file.problems = strict(&file.problems);
        }
    }
    Ok(files)
}

fn verdict(files: &[CheckedFile]) -> Exit {
    let mut problems = files.iter().flat_map(|file| &file.problems);
    if problems.any(|problem| problem.severity == Severity::Error) {
        Exit::Failed
    } else {
        Exit::Success
    }
}

/// Every warning as an error.
fn strict(problems: &Problems) -> Problems {
    let raised = problems.iter().map(|problem| Problem {
        severity: Severity::Error,
        ..problem.clone()
    });
    Problems::new(raised.collect(), problems.omitted())
}

/// What is checked: an AppSpec with what is around it.
struct Task {
    platform: Option<Platform>,
    host: bool,
    /// The AppSpec; none when the bundle has none.
    document: Option<Document>,
    content: Content,
    /// What is wrong with the bundle as such.
    remarks: Vec<Problem>,
    /// The file that remarks are about when there is no AppSpec.
    name: String,
}

struct Document {
    name: String,
    /// Where it can be mended.
    path: Option<PathBuf>,
    bytes: Vec<u8>,
}

enum Content {
    None,
    Directory(Directory),
    Archive(Archive),
}

impl Task {
    fn new(input: Input, path: &Path, arguments: &ValidateArguments) -> Result<Self, Exit> {
        let mut task = Self {
            platform: arguments.platform.map(Platform::from),
            host: arguments.host,
            document: None,
            content: Content::None,
            remarks: Vec::new(),
            name: path.to_string_lossy().into_owned(),
        };
        match input {
            Input::Document { name, path, bytes } => {
                task.document = Some(Document { name, path, bytes });
            }
            Input::BadArchive(error) => {
                let help = "build it again, from a directory that `agent validate` finds good";
                task.remark(Severity::Error, "bundle-invalid", &chain(&error), help);
            }
            Input::Directory(directory) => {
                if let Some(why) = &directory.incomplete {
                    let message =
                        format!("the bundle {why}; it is not checked against its content");
                    let help = "validate the directory that is deployed, not one above it";
                    task.remark(
                        Severity::Warning,
                        "content-check-incomplete",
                        &message,
                        help,
                    );
                }
                if let Some(name) = task.name_in(&directory.tree) {
                    if let Some(inner) = directory.tree.file(name.as_bytes()) {
                        let path = directory.path.join(OsStr::from_bytes(&inner));
                        let bytes = directory.document(&inner).map_err(|error| {
                            let message = format!("cannot read {}: {error}", path.display());
                            complain(&message, Exit::Usage)
                        })?;
                        task.document = Some(Document {
                            name: shown(&directory.path.join(name)),
                            path: Some(path),
                            bytes,
                        });
                    } else {
                        task.unreadable_link(name);
                    }
                }
                task.content = Content::Directory(directory);
            }
            Input::Archive(archive) => {
                if let Some(name) = task.name_in(&archive.tree) {
                    let inner = archive.tree.file(name.as_bytes());
                    if let Some(bytes) = inner.and_then(|inner| archive.document(&inner)) {
                        task.document = Some(Document {
                            name: shown(&archive.path.join(name)),
                            path: None,
                            bytes,
                        });
                    } else {
                        task.unreadable_link(name);
                    }
                }
                task.content = Content::Archive(archive);
            }
        }
        Ok(task)
    }

    fn remark(&mut self, severity: Severity, rule: &'static str, message: &str, help: &str) {
        self.remarks
            .push(lint::finding_without_place(severity, rule, message, help));
    }

    /// The AppSpec is a directory, or a link that is not followed.
    fn unreadable_link(&mut self, name: &str) {
        let message = format!("{name} is no file of the bundle");
        let help = "put the AppSpec itself there, not a link that leads elsewhere";
        self.remark(Severity::Error, "appspec-missing", &message, help);
    }

    /// The AppSpec's name in a bundle, with remarks on it.
    fn name_in(&mut self, tree: &Tree) -> Option<&'static str> {
        let top: Vec<&[u8]> = tree.names_at_the_top().collect();
        let there = |name: &str| top.contains(&name.as_bytes());
        let mut found = NAMES.iter().copied().filter(|name| there(name));
        let (first, second) = (found.next(), found.next());
        match (first, second) {
            (Some(first), Some(second)) => {
                let message = format!("the bundle has {first} and {second}; {first} is read");
                let help = format!("remove {second}");
                self.remark(Severity::Warning, "appspec-two", &message, &help);
            }
            (Some("appspec.yaml"), None) => {
                let message = "AWS's agent looks for appspec.yml when it runs hooks";
                let help = "rename the file to appspec.yml";
                self.remark(Severity::Warning, "appspec-name", message, help);
            }
            (None, _) => {
                let message = "the bundle has no appspec.yml at its top";
                let help = match top.iter().find(|name| looks_like_appspec(name)) {
                    Some(name) => {
                        let name = String::from_utf8_lossy(name);
                        format!("rename {name} to appspec.yml")
                    }
                    None => "put an appspec.yml into the directory that is deployed".to_owned(),
                };
                self.remark(Severity::Error, "appspec-missing", message, &help);
            }
            _ => {}
        }
        first
    }

    fn check(&self) -> Vec<CheckedFile> {
        let Some(document) = &self.document else {
            return vec![CheckedFile {
                name: self.name.clone(),
                source: Vec::new(),
                problems: Problems::new(self.remarks.clone(), 0),
                platform: None,
            }];
        };
        let bundle = match &self.content {
            Content::Directory(directory) if directory.incomplete.is_none() => Some(Bundle {
                tree: &directory.tree,
                scripts: directory,
            }),
            Content::Archive(archive) => Some(Bundle {
                tree: &archive.tree,
                scripts: archive,
            }),
            Content::Directory(_) | Content::None => None,
        };
        let report = lint::lint(&Subject {
            document: &document.bytes,
            platform: self.platform,
            bundle,
            host: self.host.then_some(&ThisHost as &dyn Host),
        });
        let mut problems = self.remarks.clone();
        problems.extend(report.document.iter().cloned());
        let mut files = vec![CheckedFile {
            name: document.name.clone(),
            source: document.bytes.clone(),
            problems: Problems::new(problems, report.document.omitted()),
            platform: Some(report.platform),
        }];
        let top = Path::new(&self.name);
        files.extend(report.scripts.into_iter().map(|script| CheckedFile {
            name: shown(&top.join(&script.path)),
            source: script.text,
            problems: script.problems,
            platform: None,
        }));
        files
    }

    /// Mends the AppSpec file; gives back what is found then.
    fn mend(&mut self, mut files: Vec<CheckedFile>) -> Result<Vec<CheckedFile>, Exit> {
        let Some(Document {
            path: Some(path),
            name,
            ..
        }) = &self.document
        else {
            if self.document.is_none() {
                return Ok(files);
            }
            let message = "--fix needs a file to write to; name an AppSpec file or a directory";
            return Err(complain(message, Exit::Usage));
        };
        let (path, name) = (path.clone(), name.clone());
        let mut changed = false;
        for _ in 0..MOST_ROUNDS {
            let Some(document) = &mut self.document else {
                break;
            };
            let Some(fixed) = files
                .first()
                .and_then(|file| lint::fix(&document.bytes, &file.problems))
                .filter(|fixed| *fixed != document.bytes)
            else {
                break;
            };
            document.bytes = fixed;
            changed = true;
            files = self.check();
        }
        if changed && let Some(document) = &self.document {
            rewrite(&path, &document.bytes).map_err(|error| {
                let message = format!("cannot rewrite {}: {error}", path.display());
                complain(&message, Exit::Failed)
            })?;
            say_aside(&format!("mended {}", name.escape_debug()));
        }
        Ok(files)
    }
}

/// `./appspec.yml` as people write it.
fn shown(path: &Path) -> String {
    let path = path.strip_prefix(".").unwrap_or(path);
    path.to_string_lossy().into_owned()
}
