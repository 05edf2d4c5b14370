//! The pages, and what is a heading, a fenced block and plain text in them.

use std::path::{Path, PathBuf};

use super::block::Block;

/// A page of the documentation.
pub(crate) struct Page {
    /// From the repository's top: `docs/hooks.md`.
    pub(crate) name: String,
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Its text.
    pub(crate) text: String,
}

/// A line, and whether it is inside a fenced block.
pub(crate) struct Line<'a> {
    /// Counted from 1.
    pub(crate) number: usize,
    pub(crate) text: &'a str,
    pub(crate) fenced: bool,
}

/// The repository.
pub(crate) fn repository() -> PathBuf {
    fs_err::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap()
}

/// The README and everything under `docs`.
pub(crate) fn pages() -> Vec<Page> {
    let top = repository();
    let mut paths = vec![top.join("README.md")];
    collect(&top.join("docs"), &mut paths);
    paths.into_iter().map(Page::read).collect()
}

fn collect(directory: &Path, paths: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs_err::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            paths.push(path);
        }
    }
}

impl Page {
    pub(crate) fn read(path: PathBuf) -> Self {
        let name = path.strip_prefix(repository()).unwrap();
        Self {
            name: name.to_str().unwrap().to_owned(),
            text: fs_err::read_to_string(&path).unwrap(),
            path,
        }
    }

    /// Whether it explains a rule: those pages and their AppSpecs are tested with the rules.
    pub(crate) fn is_of_a_rule(&self) -> bool {
        self.name.starts_with("docs/rules/") && !self.name.ends_with("README.md")
    }

    /// The lines; the fences themselves count as fenced.
    pub(crate) fn lines(&self) -> Vec<Line<'_>> {
        let mut inside = false;
        let mut lines = Vec::new();
        for (index, text) in self.text.lines().enumerate() {
            let fence = text.starts_with("```");
            lines.push(Line {
                number: index + 1,
                text,
                fenced: inside || fence,
            });
            inside ^= fence;
        }
        assert!(!inside, "{}: a block is not closed", self.name);
        lines
    }

    /// The fenced blocks, in order.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        let mut open: Option<Block> = None;
        for (index, line) in self.text.lines().enumerate() {
            match (line.strip_prefix("```"), &mut open) {
                (Some(info), None) => open = Some(Block::new(&self.name, index + 1, info)),
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (None, Some(block)) => {
                    block.text.push_str(line);
                    block.text.push('\n');
                }
                (None, None) => {}
            }
        }
        blocks
    }

    /// What its headings are called in links.
    pub(crate) fn anchors(&self) -> Vec<String> {
        let mut anchors: Vec<String> = Vec::new();
        for line in self.lines().iter().filter(|line| !line.fenced) {
            let title = line.text.trim_start_matches('#');
            if title.len() == line.text.len() || !title.starts_with(' ') {
                continue;
            }
            anchors.push(slug(title));
        }
        anchors
    }

    /// The code spans of its plain text, with their lines; one may go over a line's end.
    pub(crate) fn code_spans(&self) -> Vec<(usize, String)> {
        let mut spans = Vec::new();
        let mut open: Option<(usize, String)> = None;
        for line in self.lines() {
            if line.fenced || line.text.is_empty() {
                open = None;
                continue;
            }
            for (index, part) in line.text.split('`').enumerate() {
                if index > 0 {
                    match open.take() {
                        Some(span) => spans.push(span),
                        None => open = Some((line.number, String::new())),
                    }
                }
                if let Some((_, text)) = &mut open {
                    text.push_str(part);
                }
            }
            if let Some((_, text)) = &mut open {
                text.push(' ');
            }
        }
        spans
    }
}

/// A heading as the anchor that GitHub and mdBook make of it.
fn slug(title: &str) -> String {
    title
        .trim()
        .chars()
        .filter_map(|ch| match ch {
            ' ' => Some('-'),
            '-' | '_' => Some(ch),
            ch => ch.is_alphanumeric().then(|| ch.to_ascii_lowercase()),
        })
        .collect()
}
