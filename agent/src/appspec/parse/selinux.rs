//! `permissions[].context`: an SELinux user, type and range.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::appspec::findings::{Fields, Findings, Shape, text};
use crate::appspec::model::SelinuxContext;
use crate::appspec::problem::quoted;
use crate::appspec::yaml::Node;

pub(crate) static CONTEXT: Shape = Shape {
    what: "`context`",
    keys: &["type", "name", "user", "range", "role"],
    mistaken: &[],
};

/// The highest category that SELinux policies have.
const MAX_CATEGORY: u32 = 1023;

/// The context of a rule.
pub(super) fn context(node: &Node, findings: &mut Findings<'_>) -> Option<SelinuxContext> {
    let Some(fields) = Fields::read(node, &CONTEXT, findings) else {
        let message = format!("`context` is {}, where a mapping is expected", node.kind());
        let help = "write `type:` and, when needed, `name:` and `range:` below it";
        findings.error("context-not-a-mapping", node.region(), &message, help);
        return None;
    };
    let help = "name the SELinux type, such as `type: httpd_sys_content_t`";
    let kind = fields
        .require("type", "context-type-missing", help, findings)
        .and_then(|node| identifier(node, "type", findings));
    let user_node = fields.get("name").or_else(|| fields.get("user"));
    let user = user_node.map(|node| identifier(node, "name", findings));
    if let Some(role) = fields.get("role") {
        let message = "`role` is ignored: every file has the role object_r";
        findings.warning("context-role", role.region(), message, "remove it");
    }
    let range_node = fields.get("range");
    if range_node.is_none() {
        let message = "without a `range`, AWS's agent fails";
        let help = "add `range: s0` if AWS's agent must read this file, too";
        findings.warning("context-range-missing", fields.region(), message, help);
    }
    let range = range_node.map(|node| range(node, findings));
    // A value that was given and is wrong has been told; the file is refused.
    Some(SelinuxContext {
        user: user.flatten(),
        kind: kind?,
        range: range.flatten(),
    })
}

/// A word of a policy: letters, digits, `_`, `.` and `-`.
fn identifier(node: &Node, key: &str, findings: &mut Findings<'_>) -> Option<String> {
    let word = text(node, key, "context-invalid", findings)?;
    let valid = word.starts_with(|ch: char| ch.is_ascii_alphanumeric() || ch == '_')
        && word
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    if !valid {
        let message = format!("{key} {} is not an SELinux name", quoted(word));
        let help = "write one part of the context a key, such as `type: httpd_sys_content_t`";
        findings.error("context-invalid", node.region(), &message, help);
    }
    valid.then(|| word.to_owned())
}

fn range(node: &Node, findings: &mut Findings<'_>) -> Option<String> {
    let written = text(node, "range", "context-range-invalid", findings)?;
    let range = normalise(written);
    if range.is_none() {
        let message = format!("range {} is not valid", quoted(written));
        let help = "write `s0`, `s0-s15`, `s0:c1,c3` or `s0-s15:c0.c1023`, low before high, each \
                    category once";
        findings.error("context-range-invalid", node.region(), &message, help);
    }
    range
}

/// `sN[-sN][:cN[.cN][,...]]` in its shortest form, which is what AWS's agent records.
fn normalise(range: &str) -> Option<String> {
    let (levels, categories) = match range.split_once(':') {
        Some((levels, categories)) => (levels, Some(categories)),
        None => (range, None),
    };
    let (low, high) = match levels.split_once('-') {
        Some((low, high)) => (number(low, 's')?, number(high, 's')?),
        None => (number(levels, 's')?, number(levels, 's')?),
    };
    if high < low {
        return None;
    }
    let mut text = format!("s{low}");
    if high > low {
        // Writing to a String cannot fail.
        let _ = write!(text, "-s{high}");
    }
    if let Some(categories) = categories {
        text.push(':');
        text.push_str(&category_list(categories)?);
    }
    Some(text)
}

fn number(text: &str, prefix: char) -> Option<u32> {
    let digits = text.strip_prefix(prefix)?;
    let valid = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    valid.then(|| digits.parse().ok()).flatten()
}

fn category_list(text: &str) -> Option<String> {
    let mut categories = BTreeSet::new();
    for part in text.split(',') {
        let (low, high) = match part.split_once('.') {
            Some((low, high)) => (number(low, 'c')?, number(high, 'c')?),
            None => (number(part, 'c')?, number(part, 'c')?),
        };
        if low > high || high > MAX_CATEGORY {
            return None;
        }
        for category in low..=high {
            if !categories.insert(category) {
                return None;
            }
        }
    }
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for category in categories {
        match runs.last_mut() {
            Some((_, high)) if *high + 1 == category => *high = category,
            _ => runs.push((category, category)),
        }
    }
    let runs: Vec<_> = runs
        .into_iter()
        .map(|(low, high)| match low == high {
            true => format!("c{low}"),
            false => format!("c{low}.c{high}"),
        })
        .collect();
    Some(runs.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::level("s0", "s0")]
    #[case::levels("s0-s15", "s0-s15")]
    #[case::equal_levels("s1-s1", "s1")]
    #[case::category("s0:c1", "s0:c1")]
    #[case::all("s0-s15:c0.c1023", "s0-s15:c0.c1023")]
    #[case::sorted_and_joined("s0:c5,c1,c2.c4", "s0:c1.c5")]
    #[case::leading_zeros("s00:c01", "s0:c1")]
    fn reads_range(#[case] written: &str, #[case] expected: &str) {
        assert_eq!(normalise(written).as_deref(), Some(expected));
    }

    #[rstest]
    #[case::empty("")]
    #[case::no_number("s")]
    #[case::not_a_level("x0")]
    #[case::low_above_high("s2-s1")]
    #[case::open_level("s0-")]
    #[case::no_category("s0:")]
    #[case::category_too_high("s0:c1024")]
    #[case::category_overflow("s0:c99999999999")]
    #[case::categories_low_above_high("s0:c5.c1")]
    #[case::duplicate("s0:c1,c1")]
    #[case::duplicate_in_a_run("s0:c0.c5,c3")]
    #[case::open_run("s0:c1.")]
    #[case::sign("s+0")]
    fn refuses_range(#[case] written: &str) {
        assert_eq!(normalise(written), None);
    }
}
