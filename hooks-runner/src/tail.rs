//! The newest log entries within a budget of characters, for the diagnostics.

use std::collections::VecDeque;

/// Whole entries, newest kept.
#[derive(Debug)]
pub(crate) struct Tail {
    entries: VecDeque<(String, usize)>,
    characters: usize,
    budget: usize,
}

impl Tail {
    /// `budget`: the most characters (not bytes) of all entries together.
    pub(crate) fn new(budget: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            characters: 0,
            budget,
        }
    }

    /// Adds `prefix` and `text` (what is not UTF-8 in it replaced) as one entry.
    pub(crate) fn push(&mut self, prefix: &str, text: &[u8]) {
        let mut entry = format!("{prefix}{}\n", String::from_utf8_lossy(text));
        let mut characters = entry.chars().count();
        if characters > self.budget {
            entry = entry.chars().skip(characters - self.budget).collect();
            characters = self.budget;
        }
        if characters == 0 {
            return;
        }
        self.entries.push_back((entry, characters));
        self.characters += characters;
        while self.characters > self.budget {
            match self.entries.pop_front() {
                Some((_, characters)) => self.characters -= characters,
                None => break,
            }
        }
    }

    /// The entries, oldest first.
    pub(crate) fn entries(&self) -> Vec<String> {
        self.entries
            .iter()
            .map(|(entry, _)| entry.clone())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_entries_newest_kept() {
        let mut tail = Tail::new(12);
        tail.push("", b"one");
        tail.push("", b"two");
        tail.push("", "äöü".as_bytes());
        assert_eq!(tail.entries(), ["one\n", "two\n", "äöü\n"]);
        tail.push("", b"4");
        assert_eq!(tail.entries(), ["two\n", "äöü\n", "4\n"]);
    }

    #[test]
    fn an_entry_over_the_budget_keeps_its_end() {
        let mut tail = Tail::new(5);
        tail.push("[stdout]", b"before");
        tail.push("[stdout]", b"abcdefg");
        assert_eq!(tail.entries(), ["defg\n"]);
    }

    #[test]
    fn invalid_utf_8_and_nul_are_entries() {
        let mut tail = Tail::new(50);
        tail.push("[stderr]", b"\xff\0x");
        assert_eq!(tail.entries(), ["[stderr]\u{fffd}\0x\n"]);
    }

    #[test]
    fn no_budget_no_entries() {
        let mut tail = Tail::new(0);
        tail.push("", b"x");
        assert!(tail.entries().is_empty());
    }
}
