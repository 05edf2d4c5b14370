//! Problems as text for people: the line of the source, a caret, and what to write instead.

use std::collections::HashSet;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::parse::MAX_BYTES;
use super::problem::{Problem, Problems, Severity, Span, printable, printable_char};
use super::yaml::Text;

/// Characters of a line that are shown around a problem.
const BEFORE: usize = 60;
const AFTER: usize = 90;

/// The rule whose places hold secrets.
pub(crate) const SECRET: &str = "secret-in-plain-text";

impl Problems {
    /// All problems, each with its line of `source`, the file named `file_name`. `styled` adds
    /// colours. Nothing of the source reaches the result that a terminal could obey.
    #[must_use]
    pub fn render(&self, file_name: &str, source: &[u8], styled: bool) -> String {
        let renderer = match styled {
            true => Renderer::styled(),
            false => Renderer::plain(),
        };
        // A file that was too large to read is not decoded for its excerpt either.
        let text = (source.len() <= MAX_BYTES).then(|| Text::decode(source));
        let file_name = printable(file_name);
        // A line with a secret is shown for no problem at all.
        let hidden: HashSet<usize> = self
            .iter()
            .filter(|problem| problem.code == SECRET)
            .map(|problem| problem.span.line)
            .collect();
        let mut rendered: Vec<String> = self
            .iter()
            .map(|problem| {
                let text = text.as_ref();
                let text = text.filter(|_| !hidden.contains(&problem.span.line));
                render(problem, &file_name, text, &renderer)
            })
            .collect();
        if self.omitted() > 0 {
            rendered.push(format!("and {} more problems", self.omitted()));
        }
        rendered.join("\n\n")
    }
}

fn render(
    problem: &Problem,
    file_name: &str,
    text: Option<&Text<'_>>,
    renderer: &Renderer,
) -> String {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(&*problem.message).id(problem.code));
    let excerpt = text.and_then(|text| Excerpt::of(problem, text));
    // The column that a snippet tells is the one in its excerpt: right only if nothing is cut.
    let whole = excerpt.as_ref().is_some_and(|excerpt| !excerpt.cut);
    if !whole {
        let Span { line, column, .. } = problem.span;
        group = group.element(Origin::path(file_name).line(line).char_column(column));
    }
    if let Some(excerpt) = excerpt {
        let annotation = AnnotationKind::Primary.span(excerpt.start..excerpt.end);
        let snippet = Snippet::source(excerpt.line)
            .line_start(problem.span.line)
            .path(whole.then_some(file_name))
            .annotation(annotation);
        group = group.element(snippet);
    }
    if let Some(help) = &problem.help {
        group = group.element(Level::HELP.message(&**help));
    }
    renderer.render(&[group])
}

/// The part of a line around a problem, made printable; offsets are bytes in it.
struct Excerpt {
    line: String,
    start: usize,
    end: usize,
    /// The line begins further left.
    cut: bool,
}

impl Excerpt {
    fn of(problem: &Problem, text: &Text<'_>) -> Option<Self> {
        let range = text.line_range(problem.span.line);
        let line = text.line_text(problem.span.line);
        if line.is_empty() {
            return None;
        }
        let within = |offset: usize| line.floor_char_boundary(offset.saturating_sub(range.start));
        let (start, end) = (within(problem.span.start), within(problem.span.end));
        let before = line.get(..start)?;
        let marked = line.get(start..end.max(start))?;
        let after = line.get(end.max(start)..)?;

        let cut = before.chars().count().saturating_sub(BEFORE);
        let mut shown = String::new();
        if cut > 0 {
            shown.push('…');
        }
        shown.extend(before.chars().skip(cut).map(flat));
        let start = shown.len();
        shown.extend(marked.chars().take(AFTER).map(flat));
        let marked_is_cut = marked.chars().nth(AFTER).is_some();
        // A problem without length, such as one at the end of a line, is shown as one column.
        let end = shown.len().max(start);
        let room = AFTER.saturating_sub(marked.chars().take(AFTER).count());
        shown.extend(after.chars().take(room).map(flat));
        if marked_is_cut || after.chars().nth(room).is_some() {
            shown.push('…');
        }
        Some(Self {
            line: shown,
            start,
            end,
            cut: cut > 0,
        })
    }
}

/// Printable, and one column for a tab, so that the caret stands below what it means.
fn flat(ch: char) -> char {
    if ch == '\t' { ' ' } else { printable_char(ch) }
}
