//! "Did you mean": the known name that a misspelt one is closest to.

/// Longer names are no misspellings, and comparing them would take long.
const LONGEST: usize = 40;

/// The known name closest to `name`, when one is close enough.
pub(crate) fn closest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    if name.is_empty() || name.len() > LONGEST {
        return None;
    }
    let name = name
        .trim()
        .trim_start_matches('-')
        .trim()
        .to_ascii_lowercase();
    let distance = |known: &str| strsim::osa_distance(&name, &known.to_ascii_lowercase());
    known
        .iter()
        .map(|known| (distance(known), *known))
        .filter(|(distance, known)| *distance * 3 <= known.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// `name` cut to a length that fits a message.
pub(crate) fn short(name: &str) -> &str {
    match name.char_indices().nth(LONGEST) {
        Some((cut, _)) => name.get(..cut).unwrap_or_default(),
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::swapped("sourse", Some("source"))]
    #[case::missing_letter("deatination", Some("destination"))]
    #[case::case("Source", Some("source"))]
    #[case::dash_without_space("-source", Some("source"))]
    #[case::far("overwrite", None)]
    #[case::empty("", None)]
    fn suggests(#[case] name: &str, #[case] expected: Option<&str>) {
        assert_eq!(closest(name, &["source", "destination"]), expected);
    }

    #[test]
    fn long_names_are_not_compared() {
        assert_eq!(closest(&"s".repeat(1_000_000), &["source"]), None);
        assert_eq!(short(&"ä".repeat(50)), "ä".repeat(40));
    }
}
