//! AppSpecs for services of ECS.

use super::resources::{self, Kind, mapping, required};
use super::templates::is_placeholder;
use crate::appspec::findings::{Fields, Findings, Shape};
use crate::appspec::quoted;
use crate::appspec::yaml::{Content, Node, Value};

pub(super) static KIND: Kind = Kind {
    resource: "AWS::ECS::Service",
    name: "TargetService",
    events: &[
        "BeforeInstall",
        "AfterInstall",
        "AfterAllowTestTraffic",
        "BeforeAllowTraffic",
        "AfterAllowTraffic",
    ],
};

pub(super) static PROPERTIES: Shape = Shape {
    what: "`Properties`",
    keys: &[
        "TaskDefinition",
        "LoadBalancerInfo",
        "PlatformVersion",
        "NetworkConfiguration",
        "CapacityProviderStrategy",
    ],
    mistaken: &[
        ("ContainerName", "write it below `LoadBalancerInfo`"),
        ("ContainerPort", "write it below `LoadBalancerInfo`"),
        (
            "AwsvpcConfiguration",
            "write it below `NetworkConfiguration`",
        ),
    ],
};

pub(super) static LOAD_BALANCER: Shape = Shape {
    what: "`LoadBalancerInfo`",
    keys: &["ContainerName", "ContainerPort"],
    mistaken: &[("HostPort", "the port is `ContainerPort`")],
};

pub(super) static NETWORK: Shape = Shape {
    what: "`NetworkConfiguration`",
    keys: &["AwsvpcConfiguration"],
    mistaken: &[
        ("Subnets", BELOW_AWSVPC),
        ("SecurityGroups", BELOW_AWSVPC),
        ("AssignPublicIp", BELOW_AWSVPC),
    ],
};
const BELOW_AWSVPC: &str = "write it below `AwsvpcConfiguration`";

pub(super) static AWSVPC: Shape = Shape {
    what: "`AwsvpcConfiguration`",
    keys: &["Subnets", "SecurityGroups", "AssignPublicIp"],
    mistaken: &[],
};

pub(super) static CAPACITY_PROVIDER: Shape = Shape {
    what: "an entry of `CapacityProviderStrategy`",
    keys: &["CapacityProvider", "Base", "Weight"],
    mistaken: &[],
};

const NETWORK_HELP: &str = "write `Subnets: [..]`, `SecurityGroups: [..]` and `AssignPublicIp: \
     ENABLED` or `DISABLED`, all three, or leave `NetworkConfiguration` out";

/// Applies the rules.
pub(super) fn check(root: Option<&Node>, findings: &mut Findings<'_>) {
    let Some(node) = resources::check(root, &KIND, findings) else {
        return;
    };
    let Some(fields) = mapping(node, "Properties", &PROPERTIES, findings) else {
        return;
    };
    task_definition(&fields, findings);
    load_balancer(&fields, findings);
    platform_version(&fields, findings);
    network(&fields, findings);
    capacity_providers(&fields, findings);
}

fn task_definition(fields: &Fields<'_>, findings: &mut Findings<'_>) {
    let help = "write the task definition's ARN with its revision, or <TASK_DEFINITION> when a \
                pipeline fills it in";
    let Some(node) = required(fields, "TaskDefinition", help, findings) else {
        return;
    };
    let text = node.text().unwrap_or_default();
    let revision = text.rsplit_once(':').is_some_and(|(name, revision)| {
        !name.is_empty()
            && revision.bytes().all(|byte| byte.is_ascii_digit())
            && !revision.is_empty()
    });
    if !text.starts_with("arn:") || !text.contains(":task-definition/") || !revision {
        let message = format!(
            "{} is not the ARN of one revision of a task definition",
            quoted(text)
        );
        let help = "write `arn:aws:ecs:REGION:ACCOUNT:task-definition/NAME:REVISION`";
        findings.warning("task-definition-revision", node.region(), &message, help);
    }
}

fn load_balancer(fields: &Fields<'_>, findings: &mut Findings<'_>) {
    let help = "write `LoadBalancerInfo:` with `ContainerName` and `ContainerPort` below it";
    let Some(node) = fields.require("LoadBalancerInfo", "property-missing", help, findings) else {
        return;
    };
    let Some(fields) = mapping(node, "LoadBalancerInfo", &LOAD_BALANCER, findings) else {
        return;
    };
    let help = "write the name of the container that takes the traffic, as in the task definition";
    required(&fields, "ContainerName", help, findings);
    let help = "write the container's port, such as `ContainerPort: 80`";
    let Some(node) = required(&fields, "ContainerPort", help, findings) else {
        return;
    };
    let text = node.text().unwrap_or_default();
    let port = text.parse::<u16>().ok().filter(|port| *port > 0);
    match (node.value(), port) {
        (Some(Value::Int(_)), Some(_)) => {}
        (Some(Value::Text(_)), Some(port)) => findings.warning(
            "container-port-quoted",
            node.region(),
            "the port is a text, where a number is documented",
            &format!("write `ContainerPort: {port}` without quotes"),
        ),
        _ => {
            let message = format!("{} is no port", quoted(text));
            let help = "write a whole number from 1 to 65535";
            findings.error("container-port", node.region(), &message, help);
        }
    }
}

fn platform_version(fields: &Fields<'_>, findings: &mut Findings<'_>) {
    let Some(node) = fields.get("PlatformVersion") else {
        return;
    };
    let text = node.text().unwrap_or_default();
    let parts: Vec<&str> = text.split('.').collect();
    let number = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let version = parts.len() == 3 && parts.iter().all(number);
    if text != "LATEST" && !version && !is_placeholder(node, findings) {
        let found = node.text().map_or(node.kind().to_owned(), quoted);
        let message = format!("{found} is no version of the Fargate platform");
        let help = "write LATEST or a version with three parts, such as `PlatformVersion: 1.4.0`";
        findings.warning("platform-version", node.region(), &message, help);
    }
}

fn network(fields: &Fields<'_>, findings: &mut Findings<'_>) {
    let Some(node) = fields.get("NetworkConfiguration") else {
        return;
    };
    let Some(fields) = mapping(node, "NetworkConfiguration", &NETWORK, findings) else {
        return;
    };
    let Some(node) = fields.require(
        "AwsvpcConfiguration",
        "network-configuration",
        NETWORK_HELP,
        findings,
    ) else {
        return;
    };
    let Some(fields) = mapping(node, "AwsvpcConfiguration", &AWSVPC, findings) else {
        return;
    };
    for key in ["Subnets", "SecurityGroups"] {
        let Some(node) = fields.require(key, "network-configuration", NETWORK_HELP, findings)
        else {
            continue;
        };
        let list = match node.content() {
            Content::Sequence(items) => {
                !items.is_empty() && items.iter().all(|item| item.text().is_some())
            }
            _ => is_placeholder(node, findings),
        };
        if !list {
            let message = format!("`{key}` is not a list of names");
            let help = "write a list of ids, such as `[subnet-0123456789abcdef0]`";
            findings.error("network-configuration", node.region(), &message, help);
        }
    }
    if let Some(node) = fields.require(
        "AssignPublicIp",
        "network-configuration",
        NETWORK_HELP,
        findings,
    ) && !matches!(node.text(), Some("ENABLED" | "DISABLED"))
        && !is_placeholder(node, findings)
    {
        let found = node.text().map_or(node.kind().to_owned(), quoted);
        let message = format!("`AssignPublicIp` is {found}");
        let help = "write ENABLED or DISABLED";
        findings.error("network-configuration", node.region(), &message, help);
    }
}

fn capacity_providers(fields: &Fields<'_>, findings: &mut Findings<'_>) {
    const RULE: &str = "capacity-provider-strategy";
    let Some(node) = fields.get("CapacityProviderStrategy") else {
        return;
    };
    let Content::Sequence(items) = node.content() else {
        if !is_placeholder(node, findings) {
            let message = format!(
                "`CapacityProviderStrategy` is {}, where a list is expected",
                node.kind()
            );
            let help = "start each provider below it with `- CapacityProvider: `";
            findings.error(RULE, node.region(), &message, help);
        }
        return;
    };
    let (mut bases, mut weights, mut unknown) = (0, 0, false);
    for item in items {
        let Some(fields) = mapping(
            item,
            "CapacityProviderStrategy",
            &CAPACITY_PROVIDER,
            findings,
        ) else {
            unknown = true;
            continue;
        };
        let help = "name the provider, such as `CapacityProvider: FARGATE_SPOT`";
        required(&fields, "CapacityProvider", help, findings);
        for (key, count) in [("Base", &mut bases), ("Weight", &mut weights)] {
            let Some(node) = fields.get(key) else {
                continue;
            };
            match node.value() {
                Some(Value::Int(number)) if number >= 0 => *count += i32::from(number > 0),
                _ if is_placeholder(node, findings) => unknown = true,
                _ => {
                    let found = node.text().map_or(node.kind().to_owned(), quoted);
                    let message = format!("`{key}` is {found}, where a number is expected");
                    let help = "write a whole number, 0 or more";
                    findings.error(RULE, node.region(), &message, help);
                    unknown = true;
                }
            }
        }
    }
    if bases > 1 {
        let message = "only one provider may have a `Base` above 0";
        let help = "keep the `Base` of one of them";
        findings.error(RULE, node.region(), message, help);
    }
    if weights == 0 && !unknown {
        let message = "no provider has a `Weight` above 0, so no task would be placed";
        let help = "give one of them `Weight: 1`";
        findings.error(RULE, node.region(), message, help);
    }
}
