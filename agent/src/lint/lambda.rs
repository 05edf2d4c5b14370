//! AppSpecs for Lambda functions.

use super::resources::{self, Kind, mapping, required};
use crate::appspec::findings::{Fields, Findings, Shape};
use crate::appspec::quoted;
use crate::appspec::yaml::Node;

pub(super) static KIND: Kind = Kind {
    resource: "AWS::Lambda::Function",
    name: "my-function",
    events: &["BeforeAllowTraffic", "AfterAllowTraffic"],
};

pub(super) static PROPERTIES: Shape = Shape {
    what: "`Properties`",
    keys: &["Name", "Alias", "CurrentVersion", "TargetVersion"],
    mistaken: &[],
};

/// Applies the rules.
pub(super) fn check(root: Option<&Node>, findings: &mut Findings<'_>) {
    let Some(node) = resources::check(root, &KIND, findings) else {
        return;
    };
    let Some(fields) = mapping(node, "Properties", &PROPERTIES, findings) else {
        return;
    };
    required(&fields, "Name", "write the function's name", findings);
    let help = "write the name of the alias whose traffic is shifted";
    required(&fields, "Alias", help, findings);
    let help = "write the version that the alias points to now, such as `CurrentVersion: 1`";
    let current = version(&fields, "CurrentVersion", help, findings);
    let help = "write the version that the alias is to point to, such as `TargetVersion: 2`";
    let target = version(&fields, "TargetVersion", help, findings);
    if let (Some((current, _)), Some((target, node))) = (current, target)
        && current == target
    {
        let message = format!("`CurrentVersion` and `TargetVersion` are both {target}");
        let help = "publish a new version, and write its number as `TargetVersion`";
        findings.error("lambda-versions-equal", node.region(), &message, help);
    }
}

fn version<'n>(
    fields: &Fields<'n>,
    key: &'static str,
    help: &str,
    findings: &mut Findings<'_>,
) -> Option<(u64, &'n Node)> {
    let node = required(fields, key, help, findings)?;
    let text = node.text().unwrap_or_default();
    let digits = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    let version = text.parse().ok().filter(|_| digits);
    if version.is_none() {
        let message = format!(
            "`{key}` is {}, where a published version is expected",
            quoted(text)
        );
        let help = "write its number, from 1 up; `$LATEST` cannot be deployed";
        findings.error("lambda-version", node.region(), &message, help);
    }
    version.map(|version| (version, node))
}
