//! The newest entries of an event's script log, within the size that a completion may carry.

/// The most characters (not bytes) of log that a completion carries.
pub const LOG_CHARACTERS: usize = 2047;

/// Whole entries, newest kept, at most [`LOG_CHARACTERS`] in all. A single entry that is longer
/// keeps its end.
#[derive(Debug, Clone, Default)]
pub struct LogTail {
    entries: std::collections::VecDeque<String>,
    characters: usize,
}

impl LogTail {
    /// Adds an entry (with its own newline) and drops the oldest ones that no longer fit.
    pub fn push(&mut self, entry: &str) {
        let length = entry.chars().count();
        let kept = match length.checked_sub(LOG_CHARACTERS) {
            Some(excess) => entry.chars().skip(excess).collect(),
            None => entry.to_owned(),
        };
        self.characters += length.min(LOG_CHARACTERS);
        self.entries.push_back(kept);
        while self.characters > LOG_CHARACTERS {
            let Some(oldest) = self.entries.pop_front() else {
                break;
            };
            self.characters -= oldest.chars().count();
        }
    }

    /// The log as one text.
    #[must_use]
    pub fn text(&self) -> String {
        self.entries.iter().map(String::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_entries_are_kept_newest_first_dropped_last() {
        let mut tail = LogTail::default();
        for number in 0..500 {
            tail.push(&format!("[stdout]line {number}\n"));
        }
        let text = tail.text();
        assert!(text.chars().count() <= LOG_CHARACTERS);
        assert!(text.starts_with("[stdout]line "));
        assert!(text.ends_with("[stdout]line 499\n"));
    }

    #[test]
    fn the_limit_counts_characters_and_not_bytes() {
        let mut tail = LogTail::default();
        let entry = "é".repeat(LOG_CHARACTERS);
        tail.push(&entry);
        assert_eq!(tail.text(), entry);
        tail.push("x");
        assert_eq!(tail.text(), "x");
    }

    #[test]
    fn a_single_entry_that_is_too_long_keeps_its_end() {
        let mut tail = LogTail::default();
        tail.push(&format!("{}the end\n", "x".repeat(5000)));
        let text = tail.text();
        assert_eq!(text.chars().count(), LOG_CHARACTERS);
        assert!(text.ends_with("the end\n"));
    }
}
