//! Links lead to files and headings that are there.

use super::assert_none;
use super::page::{Page, pages, repository};

/// Pages of the book that name files outside of it. There the links work in the repository only.
const OUT_OF_THE_BOOK: [(&str, &str); 1] = [("docs/differences.md", "../README.md")];

/// The targets of a page's links, with their lines.
fn links(page: &Page) -> Vec<(usize, String)> {
    let mut links = Vec::new();
    for line in page.lines().iter().filter(|line| !line.fenced) {
        // Code spans may hold anything.
        let plain: String = line.text.split('`').step_by(2).collect();
        let mut rest = plain.as_str();
        while let Some((_, after)) = rest.split_once("](") {
            let Some((target, after)) = after.split_once(')') else {
                break;
            };
            links.push((line.number, target.to_owned()));
            rest = after;
        }
        if let Some((_, target)) = plain
            .strip_prefix('[')
            .and_then(|rest| rest.split_once("]: "))
        {
            links.push((line.number, target.to_owned()));
        }
    }
    links
}

#[test]
fn links_lead_somewhere() {
    let pages = pages();
    let mut complaints = Vec::new();
    let mut count = 0;
    for page in &pages {
        for (line, target) in links(page) {
            if target.starts_with("https://") || target.starts_with("http://") {
                continue;
            }
            count += 1;
            if let Err(why) = follow(page, &target, &pages) {
                complaints.push(format!("{}:{line}: {target}: {why}", page.name));
            }
        }
    }
    assert!(count >= 100, "only {count} links were found");
    assert_none(&complaints);
}

fn follow(page: &Page, target: &str, pages: &[Page]) -> Result<(), String> {
    let (path, anchor) = match target.split_once('#') {
        Some((path, anchor)) => (path, Some(anchor)),
        None => (target, None),
    };
    let file = if path.is_empty() {
        page.path.clone()
    } else {
        let file = page.path.parent().unwrap().join(path);
        fs_err::canonicalize(file).map_err(|error| error.to_string())?
    };
    let docs = repository().join("docs");
    let leaves = page.path.starts_with(&docs) && !file.starts_with(&docs);
    let may_leave = OUT_OF_THE_BOOK.contains(&(page.name.as_str(), path));
    if leaves && !may_leave {
        return Err("it leads out of the book".to_owned());
    }
    let is_index = path.ends_with("README.md") && file.starts_with(&docs);
    if is_index && page.path.starts_with(&docs) && page.name != "docs/SUMMARY.md" {
        return Err("mdbook calls it index.html; link to the directory".to_owned());
    }
    let file = match file.is_dir() && file.starts_with(&docs) {
        true => file.join("README.md"),
        false => file,
    };
    let Some(anchor) = anchor else {
        return match file.exists() {
            true => Ok(()),
            false => Err("the directory has no README.md, which a book would show".to_owned()),
        };
    };
    let found = pages.iter().find(|page| page.path == file);
    let found = found.ok_or("it is no page, so it has no anchors")?;
    match found.anchors().iter().filter(|it| *it == anchor).count() {
        1 => Ok(()),
        count => Err(format!("{count} headings of {} are so called", found.name)),
    }
}
