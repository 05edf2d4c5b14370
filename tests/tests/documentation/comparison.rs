//! Whether a command printed what the page shows.
//!
//! `...` stands for any text in a line, and alone for any lines. Ids of deployments, durations, times
//! and process numbers differ from run to run and are not compared.

/// Whether `actual` is what `expected` says.
pub(crate) fn agrees(expected: &[&str], actual: &[&str]) -> bool {
    match (expected.split_first(), actual.split_first()) {
        (None, None) => true,
        (Some((&"...", rest)), _) => {
            agrees(rest, actual)
                || actual
                    .split_first()
                    .is_some_and(|(_, actual)| agrees(expected, actual))
        }
        (Some((line, rest)), Some((found, actual))) => {
            line_agrees(&settled(line), &settled(found)) && agrees(rest, actual)
        }
        _ => false,
    }
}

fn line_agrees(expected: &str, actual: &str) -> bool {
    let mut pieces = expected.split("...");
    let Some(mut rest) = actual.strip_prefix(pieces.next().unwrap_or_default()) else {
        return false;
    };
    let mut last = None;
    for piece in pieces {
        // The piece before was not the last one, so its first place is as good as any.
        if let Some(before) = last.replace(piece) {
            match rest.split_once(before) {
                Some((_, after)) => rest = after,
                None => return false,
            }
        }
    }
    last.map_or(rest.is_empty(), |piece: &str| rest.ends_with(piece))
}

/// The line with fixed texts for what differs from run to run.
fn settled(line: &str) -> String {
    let line = line.trim_end();
    let mut settled = String::new();
    let mut rest = line;
    while let Some(ch) = rest.chars().next() {
        let starts_a_word = !settled.ends_with(|ch: char| ch.is_alphanumeric() || ch == '.');
        let matched = if starts_a_word {
            deployment_id(rest)
                .or_else(|| time(rest))
                .or_else(|| duration(rest))
                .or_else(|| process(rest))
        } else {
            None
        };
        let length = match matched {
            Some((length, text)) => {
                settled.push_str(text);
                length
            }
            None => {
                settled.push(ch);
                ch.len_utf8()
            }
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    settled
}

fn deployment_id(text: &str) -> Option<(usize, &'static str)> {
    let id = text.strip_prefix("d-")?.get(..9)?;
    let valid = id
        .bytes()
        .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    (valid && text.get(11..)?.starts_with("-local")).then_some((17, "d-ID-local"))
}

fn time(text: &str) -> Option<(usize, &'static str)> {
    // To the millisecond, or to the second.
    let shapes = ["0000-00-00 00:00:00.000", "0000-00-00 00:00:00"];
    let shape = shapes.iter().find(|shape| shaped(text, shape))?;
    Some((shape.len(), "TIME"))
}

fn shaped(text: &str, shape: &str) -> bool {
    let mut bytes = text.bytes();
    shape.bytes().all(|expected| match bytes.next() {
        Some(found) if expected == b'0' => found.is_ascii_digit(),
        found => found == Some(expected),
    })
}

fn duration(text: &str) -> Option<(usize, &'static str)> {
    let number = text
        .bytes()
        .take_while(|b| b.is_ascii_digit() || *b == b'.');
    let length = number.count();
    let is_decimal = text.get(..length)?.contains('.') && text.starts_with(char::is_numeric);
    let after = text.get(length..)?.strip_prefix(" s")?;
    let ends = !after.starts_with(char::is_alphanumeric);
    (is_decimal && ends).then_some((length + 2, "TIME s"))
}

fn process(text: &str) -> Option<(usize, &'static str)> {
    ["pid ", "PID ", "process "].iter().find_map(|word| {
        let digits = text
            .strip_prefix(word)?
            .bytes()
            .take_while(u8::is_ascii_digit);
        let digits = digits.count();
        (digits > 0).then_some((word.len() + digits, "PROCESS"))
    })
}

#[test]
fn what_differs_from_run_to_run_is_not_compared() {
    let shown = "Deployment d-8XUTB0Q6A-local of 2026-01-31 10:00:00 took 0.04 s as process 12";
    let other = "Deployment d-AAAABBBB9-local of 2027-12-31 23:59:59 took 12.3 s as process 4711";
    assert!(agrees(&[shown], &[other]));
    assert!(agrees(
        &["[2026-01-31 10:00:00.123]"],
        &["[2026-01-31 10:00:00.456]"]
    ));
    assert!(!agrees(&["took 3 seconds"], &["took 4 seconds"]));
}

#[test]
fn dots_stand_for_any_text_and_any_lines() {
    assert!(agrees(&["a ... c"], &["a b b c"]));
    assert!(!agrees(&["a ... c"], &["a b b"]));
    assert!(agrees(&["x", "...", "y"], &["x", "y"]));
    assert!(agrees(&["x", "...", "y"], &["x", "1", "2", "y"]));
    assert!(!agrees(&["x", "...", "y"], &["x", "1", "2"]));
    assert!(!agrees(&[], &["more"]));
    assert!(!agrees(&["more"], &[]));
}
