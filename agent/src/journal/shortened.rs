//! Texts of any length in records of a length that is bounded.

/// The most characters of a text in a record.
const MOST: usize = 200;

/// The beginning of `text`, with a mark where it was cut.
pub(crate) fn shortened(text: &str) -> String {
    let mut shortened: String = text.chars().take(MOST).collect();
    if shortened.len() < text.len() {
        shortened.pop();
        shortened.push('…');
    }
    shortened
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_cut_is_marked() {
        assert_eq!(shortened(&"ä".repeat(200)), "ä".repeat(200));
        assert_eq!(shortened(&"ä".repeat(201)), "ä".repeat(199) + "…");
    }
}
