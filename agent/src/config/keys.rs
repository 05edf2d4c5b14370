//! Names in the file that are no settings: retired ones, and misspelt ones.

/// The nearest setting to a misspelt name, when one is near enough to be meant.
pub(super) fn nearest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let name = name.to_ascii_lowercase().replace('-', "_");
    let limit = (name.chars().count() / 3).min(3);
    known
        .iter()
        .map(|&key| (distance(&name, key), key))
        .filter(|&(distance, _)| distance <= limit)
        .min()
        .map(|(_, key)| key)
}

/// The number of characters to insert, delete or replace (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut left = i + 1;
        let mut next = Vec::with_capacity(row.len());
        next.push(left);
        for (pair, to) in row.windows(2).zip(&b) {
            if let &[diagonal, above] = pair {
                left = (above + 1)
                    .min(left + 1)
                    .min(diagonal + usize::from(from != *to));
                next.push(left);
            }
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

/// Why a setting of AWS's first agent is ignored, when `name` is one that this agent has no use
/// for.
pub(super) fn retired(name: &str) -> Option<&'static str> {
    Some(match name {
        "children" | "wait_between_spawning_children" => {
            "this agent is one process without workers"
        }
        "max_runs_per_worker" => "this agent has no workers that would need replacing",
        "shared_dir" => "nothing is shared between processes of this agent",
        "codedeploy_test_profile" => "use deploy_control_endpoint to reach another service",
        "ssl_verify_peer" => "certificates are always verified; add trust roots with AWS_CA_BUNDLE",
        name if name.starts_with("instance_service_") => {
            "region and endpoint come from the host's identity; use deploy_control_endpoint for \
             another service"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("log_dri", Some("log_dir"))]
    #[case("Log-Dir", Some("log_dir"))]
    #[case("log_directory", None)]
    #[case("wait_betwen_runs", Some("wait_between_runs"))]
    #[case("x", None)]
    #[case("", None)]
    fn a_misspelt_name_finds_its_setting(#[case] name: &str, #[case] expected: Option<&str>) {
        let known = ["log_dir", "pid_dir", "wait_between_runs"];
        assert_eq!(nearest(name, &known), expected);
    }

    #[rstest]
    #[case("", "", 0)]
    #[case("abc", "", 3)]
    #[case("", "abc", 3)]
    #[case("kitten", "sitting", 3)]
    fn distances(#[case] a: &str, #[case] b: &str, #[case] expected: usize) {
        assert_eq!(distance(a, b), expected);
    }
}
