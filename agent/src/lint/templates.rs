//! Values that a pipeline or a template engine fills in before the service sees the file.

use crate::appspec::findings::Findings;
use crate::appspec::yaml::Node;

/// Whether `node` stands for a value that is not known yet: `<TASK_DEFINITION>`, `{{ x }}`, `${X}`,
/// `$X`, `%X%`, or a CloudFormation function.
pub(super) fn is_placeholder(node: &Node, findings: &mut Findings<'_>) -> bool {
    if is_cloudformation(node) {
        return true;
    }
    // Without quotes, `{{ x }}` is a mapping to YAML.
    if findings.source(node.region()).starts_with("{{") {
        return true;
    }
    node.text().is_some_and(is_placeholder_text)
}

/// Whether a text has a placeholder in it.
pub(super) fn is_placeholder_text(text: &str) -> bool {
    // A version of a Lambda function, not a variable.
    let text = text.replace("$LATEST", "");
    let between = |open: &str, close: &str| {
        text.find(open).is_some_and(|at| {
            text.get(at + open.len()..)
                .is_some_and(|rest| rest.contains(close))
        })
    };
    let variable = text.find('$').is_some_and(|at| {
        text.get(at + 1..).is_some_and(|rest| {
            rest.starts_with(|ch: char| ch.is_ascii_alphabetic() || ch == '_' || ch == '{')
        })
    });
    variable || between("<", ">") || between("{{", "}}") || between("%", "%") || between("@", "@")
}

/// Whether a value is a CloudFormation function, which only CloudFormation understands.
pub(super) fn is_cloudformation(node: &Node) -> bool {
    const FUNCTIONS: [&str; 8] = [
        "!Ref",
        "!GetAtt",
        "!Sub",
        "!Join",
        "!ImportValue",
        "!Select",
        "!FindInMap",
        "!If",
    ];
    node.tag().is_some_and(|tag| FUNCTIONS.contains(&tag))
}

/// Warns of a CloudFormation function.
pub(super) fn warn_of_cloudformation(node: &Node, findings: &mut Findings<'_>) {
    if !is_cloudformation(node) {
        return;
    }
    let message = format!(
        "CodeDeploy does not know `{}`: it takes the text behind it as it is",
        node.tag().unwrap_or_default()
    );
    findings.warning(
        "cloudformation-tag",
        node.region(),
        &message,
        "let a step of the pipeline write the value, for instance with a placeholder such as \
         <TASK_DEFINITION>",
    );
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("<TASK_DEFINITION>", true)]
    #[case("${TASK}", true)]
    #[case("$TASK", true)]
    #[case("arn:aws:ecs:{{ region }}:x", true)]
    #[case("%TASK%", true)]
    #[case("web:3", false)]
    #[case("a < b", false)]
    #[case("5$", false)]
    #[case("$LATEST", false)]
    fn placeholders(#[case] text: &str, #[case] expected: bool) {
        assert_eq!(is_placeholder_text(text), expected);
    }
}
