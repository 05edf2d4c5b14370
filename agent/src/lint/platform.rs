//! Which compute platform an AppSpec is for.

use crate::appspec::yaml::{Content, Node};

/// A compute platform of CodeDeploy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// EC2 instances and on-premises hosts.
    Ec2,
    /// Services of ECS.
    Ecs,
    /// Lambda functions.
    Lambda,
}

impl Platform {
    /// The name, as on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ec2 => "ec2",
            Self::Ecs => "ecs",
            Self::Lambda => "lambda",
        }
    }
}

/// The platform that a document seems to be for: EC2, unless it has `Resources`.
pub(super) fn detect(root: Option<&Node>) -> Platform {
    let Some(resources) = root.and_then(|root| {
        member(root, &["Resources", "resources"]).filter(|_| member(root, &["os"]).is_none())
    }) else {
        return Platform::Ec2;
    };
    let first = match resources.content() {
        Content::Sequence(items) => items.first(),
        _ => Some(resources),
    };
    let resource = first.and_then(|item| match item.content() {
        Content::Mapping(entries) => entries.first().map(|entry| &entry.value),
        _ => None,
    });
    let kind = resource.and_then(|resource| member(resource, &["Type", "type"]));
    if let Some(kind) = kind.and_then(Node::text) {
        let kind = kind.to_ascii_lowercase();
        if kind.contains("lambda") {
            return Platform::Lambda;
        }
        if kind.contains("ecs") {
            return Platform::Ecs;
        }
    }
    let properties = resource.and_then(|resource| member(resource, &["Properties", "properties"]));
    let of_lambda = ["CurrentVersion", "TargetVersion", "Alias"];
    match properties.and_then(|properties| member(properties, &of_lambda)) {
        Some(_) => Platform::Lambda,
        None => Platform::Ecs,
    }
}

fn member<'n>(node: &'n Node, keys: &[&str]) -> Option<&'n Node> {
    let Content::Mapping(entries) = node.content() else {
        return None;
    };
    let entry = entries
        .iter()
        .find(|entry| entry.key.text().is_some_and(|key| keys.contains(&key)));
    entry.map(|entry| &entry.value)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::appspec::yaml::{Text, load};

    #[rstest]
    #[case::ec2("version: 0.0\nos: linux\n", Platform::Ec2)]
    #[case::nothing("", Platform::Ec2)]
    #[case::ecs("Resources: [{T: {Type: \"AWS::ECS::Service\"}}]", Platform::Ecs)]
    #[case::lower_case("resources: [{T: {Type: \"AWS::ECS::Service\"}}]", Platform::Ecs)]
    #[case::lambda(
        "Resources: [{f: {Type: \"AWS::Lambda::Function\"}}]",
        Platform::Lambda
    )]
    #[case::by_property("Resources: [{f: {Properties: {Alias: a}}}]", Platform::Lambda)]
    #[case::unknown("Resources:", Platform::Ecs)]
    #[case::json(
        "{\"Resources\":[{\"f\":{\"Type\":\"AWS::Lambda::Function\"}}]}",
        Platform::Lambda
    )]
    fn is_detected(#[case] source: &str, #[case] expected: Platform) {
        let text = Text::decode(source.as_bytes());
        assert_eq!(detect(load(&text).unwrap().root.as_ref()), expected);
    }
}
