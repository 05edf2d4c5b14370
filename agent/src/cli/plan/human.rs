//! The plan for people: the events, the files as a tree, the room, and what stands against it.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::PathBuf;

use super::Planned;
use super::details::access;
use super::names::{Accounts, counted, escaped};
use super::summary::{CHANGES, Counts};
use super::tree::{Line, Tree};
use crate::appspec::printable;
use crate::cli::sizes::bytes;
use crate::executor::{EventPreview, EventWork, Preview, ScriptPreview, ScriptsFrom};
use crate::install::{Change, Outcome, PreviewedObject, Room};
use crate::lifecycle::LifecycleEvent;

/// Columns for an event's name; the longest standard one has eighteen.
const NAME_COLUMNS: usize = 19;

/// Writes the text; writing to a String cannot fail.
macro_rules! put {
    ($page:expr, $($what:tt)*) => { let _ = writeln!($page.text, $($what)*); };
}

struct Page {
    text: String,
    colour: bool,
}

#[derive(Clone, Copy)]
enum Colour {
    Green = 32,
    Red = 31,
    Yellow = 33,
    Dim = 2,
}

pub(super) fn show(planned: &Planned, all: bool) -> String {
    let colour = std::io::stdout().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let mut page = Page {
        text: String::new(),
        colour,
    };
    let bundle = printable(&planned.bundle);
    put!(
        page,
        "Plan for {bundle}, deployment group {}",
        planned.group
    );
    let preview = &planned.preview;
    page.events(&preview.events);
    page.download(preview);
    page.files(preview, all);
    page.space(preview);
    page.list("Could not be seen", Colour::Yellow, &preview.unseen);
    page.list("Warnings", Colour::Yellow, &preview.warnings);
    page.verdict(preview);
    page.text
}

impl Page {
    fn paint(&self, colour: Colour, text: &str) -> String {
        if self.colour {
            format!("\x1b[{}m{text}\x1b[0m", colour as u8)
        } else {
            text.to_owned()
        }
    }

    fn events(&mut self, events: &[EventPreview]) {
        put!(self, "\nEvents");
        for preview in events {
            let name = format!("{:<NAME_COLUMNS$}", printable(preview.event.as_str()));
            match &preview.work {
                EventWork::Own => {
                    let what = if preview.event == LifecycleEvent::DownloadBundle {
                        "fetches and unpacks the revision"
                    } else {
                        "installs its files"
                    };
                    put!(self, "  {name} {what}");
                }
                EventWork::Nothing(reason) => {
                    let reason = reason.as_deref().map(printable);
                    let reason = reason.map_or(String::new(), |reason| format!(": {reason}"));
                    let line = format!("{name} nothing to run{reason}");
                    let line = self.paint(Colour::Dim, &line);
                    put!(self, "  {line}");
                }
                EventWork::Unknown => {
                    put!(self, "  {name} cannot be told");
                }
                EventWork::Scripts { from, scripts } => {
                    let mut name = name;
                    for script in scripts {
                        put!(self, "  {name} {}", script_text(script, from));
                        name = " ".repeat(NAME_COLUMNS);
                    }
                }
            }
        }
    }

    fn download(&mut self, preview: &Preview) {
        let Some(download) = &preview.download else {
            return;
        };
        let entries = usize::try_from(download.entries).unwrap_or(usize::MAX);
        let bundle = download.bundle_bytes.map_or(String::new(), |size| {
            format!("{} in the bundle, ", bytes(size))
        });
        put!(
            self,
            "\nRevision\n  {bundle}{} unpacked, {}",
            bytes(download.bytes),
            counted(entries, "entry")
        );
        for path in &download.removed {
            let line = format!("- {} (an old deployment)", path_text(path));
            let line = self.paint(Colour::Red, &line);
            put!(self, "  {line}");
        }
    }

    fn files(&mut self, preview: &Preview, all: bool) {
        let Some(install) = &preview.install else {
            return;
        };
        put!(self, "\nFiles");
        if let Some(outcome) = preview.unfinished {
            put!(self, "  {}", unfinished(outcome));
        }
        let reasons = preview.reasons.iter();
        let problems: HashSet<PathBuf> = reasons.filter_map(|reason| reason.path.clone()).collect();
        let accounts = Accounts::default();
        for line in Tree::new(&install.objects, &problems, &accounts, all).lines() {
            self.line(&line);
        }
        let totals = totals(&install.objects);
        put!(self, "  {totals}");
        self.permissions(&install.objects, &accounts);
    }

    /// What each `permissions` rule comes to.
    fn permissions(&mut self, objects: &[PreviewedObject], accounts: &Accounts) {
        let mut rules: BTreeMap<usize, Vec<&PreviewedObject>> = BTreeMap::new();
        for object in objects {
            if let Some(line) = object.rule_line {
                rules.entry(line).or_default().push(object);
            }
        }
        if rules.is_empty() {
            return;
        }
        put!(self, "\nPermissions");
        for (line, objects) in rules {
            let more = match objects.len() {
                1 => String::new(),
                count => format!(" and {} more", count - 1),
            };
            if let Some(first) = objects.first()
                && let Some(after) = &first.after
            {
                let path = path_text(&first.path);
                let what = access(after, accounts);
                put!(self, "  line {line} of the AppSpec: {path}{more}: {what}");
            }
        }
    }

    fn line(&mut self, line: &Line) {
        let (mark, colour) = match line.change {
            _ if line.is_problem => ("! ", Some(Colour::Red)),
            Some(Change::Add) => ("+ ", Some(Colour::Green)),
            Some(Change::Change) => ("~ ", Some(Colour::Yellow)),
            Some(Change::Keep) => ("= ", Some(Colour::Dim)),
            Some(Change::Remove) => ("- ", Some(Colour::Red)),
            Some(Change::Leave) => (". ", Some(Colour::Dim)),
            None => ("  ", None),
        };
        let text = format!("{mark}{}", line.text);
        let text = colour.map_or_else(|| text.clone(), |colour| self.paint(colour, &text));
        put!(self, "  {}{text}", line.branches);
    }

    fn space(&mut self, preview: &Preview) {
        let download = preview.download.as_ref();
        let root = download.and_then(|download| download.room.as_ref());
        let install = preview.install.iter().flat_map(|install| &install.rooms);
        let rooms: Vec<&Room> = root.into_iter().chain(install).collect();
        if rooms.is_empty() {
            return;
        }
        put!(self, "\nSpace");
        for room in rooms {
            let free = room.free_bytes.map_or("unknown".to_owned(), bytes);
            let mut line = format!(
                "{}: {} needed, {free} free",
                path_text(&room.path),
                bytes(room.needed_bytes)
            );
            if let Some(free) = room.free_inodes.filter(|free| room.needed_inodes > *free) {
                let _ = write!(line, "; {} inodes needed, {free} free", room.needed_inodes);
            }
            if room.shortage().is_some() {
                line = self.paint(Colour::Red, &line);
            }
            put!(self, "  {line}");
        }
    }

    fn list(&mut self, title: &str, colour: Colour, texts: &[String]) {
        if texts.is_empty() {
            return;
        }
        let title = self.paint(colour, title);
        put!(self, "\n{title}");
        for text in texts {
            self.item(text);
        }
    }

    /// A text that may have several lines.
    fn item(&mut self, text: &str) {
        for (number, line) in text.lines().enumerate() {
            let indent = if number == 0 { "  " } else { "      " };
            put!(self, "{indent}{}", printable(line));
        }
    }

    fn verdict(&mut self, preview: &Preview) {
        if preview.reasons.is_empty() {
            let text = self.paint(Colour::Green, "It would work, as far as can be told.");
            put!(self, "\n{text}");
            return;
        }
        let reasons = preview.reasons.iter();
        let reasons: Vec<String> = reasons
            .map(|reason| format!("{}: {}", reason.event, reason.message))
            .collect();
        self.list("It would fail", Colour::Red, &reasons);
        if install_waits_for_hooks(preview) {
            put!(
                self,
                "  Scripts run before Install, and may put right what stands against it."
            );
        }
    }
}

/// Whether Install has problems, and scripts run before it.
fn install_waits_for_hooks(preview: &Preview) -> bool {
    let is_install = |event: &&EventPreview| event.event != LifecycleEvent::Install;
    let mut before = preview.events.iter().take_while(is_install);
    let runs = before.any(|event| matches!(event.work, EventWork::Scripts { .. }));
    let install = LifecycleEvent::Install.as_str();
    runs && preview.reasons.iter().any(|reason| reason.event == install)
}

fn unfinished(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::NotBegun | Outcome::RolledForward => {
            "An earlier Install was killed; what it left is removed first."
        }
        Outcome::RolledBack => {
            "An earlier Install was killed half way and is undone first: what is below is planned \
             from the host as it is now, before that."
        }
        Outcome::Superseded => {
            "An earlier Install was killed half way, and another agent has installed since; what it \
             left is forgotten first."
        }
    }
}

fn path_text(path: &std::path::Path) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    escaped(path.as_os_str().as_bytes())
}

fn script_text(script: &ScriptPreview, from: &ScriptsFrom) -> String {
    let mut parts = Vec::new();
    let user = script.runas.as_deref().map(printable);
    match (user, script.sudo) {
        (Some(user), true) => parts.push(format!("as {user}, through sudo")),
        (Some(user), false) => parts.push(format!("as {user}")),
        (None, true) => parts.push("through sudo".to_owned()),
        (None, false) => {}
    }
    parts.push(format!("{} s at most", script.timeout.as_secs()));
    if let ScriptsFrom::Earlier(directory) = from {
        parts.push(format!("from {}", path_text(directory)));
    }
    format!("{} ({})", printable(&script.location), parts.join(", "))
}

fn totals(objects: &[PreviewedObject]) -> String {
    let mut counts = Counts::default();
    objects.iter().for_each(|object| counts.count(object));
    let told = |change: Change| match change {
        Change::Add => "added",
        Change::Change => "changed",
        Change::Keep => "kept",
        Change::Remove => "removed",
        Change::Leave => "left alone",
    };
    let list = |changes: &[Change], count: &dyn Fn(Change) -> usize| {
        let there = changes.iter().filter(|change| count(**change) > 0);
        let parts: Vec<String> = there
            .map(|change| format!("{} {}", count(*change), told(*change)))
            .collect();
        if parts.is_empty() {
            "none".to_owned()
        } else {
            parts.join(", ")
        }
    };
    let files = list(&CHANGES, &|change| counts.files(change));
    // Those that are only on the way say nothing.
    let told = [Change::Add, Change::Change, Change::Remove, Change::Leave];
    let directories = list(&told, &|change| counts.directories(change));
    format!("Files: {files}; directories: {directories}")
}
