//! JSON Schemas for editors, made from the same tables of keys that the rules read.
//!
//! A schema cannot know everything that `agent validate` knows; what it knows, it says while a
//! file is being written. Keys that mean nothing are refused here and warned of there.

use serde_json::{Map, Value, json};

use super::platform::Platform;
use super::resources::Kind;
use super::{ecs, lambda, resources};
use crate::appspec::findings::Shape;
use crate::appspec::shapes;

const DRAFT: &str = "http://json-schema.org/draft-07/schema#";

/// The schema of a platform's AppSpec.
#[must_use]
pub fn schema(platform: Platform) -> Value {
    match platform {
        Platform::Ec2 => ec2(),
        Platform::Ecs => with_resource(
            "AppSpec for ECS",
            &ecs::KIND,
            &object(
                &ecs::PROPERTIES,
                &["TaskDefinition", "LoadBalancerInfo"],
                ecs_property,
            ),
        ),
        Platform::Lambda => with_resource(
            "AppSpec for Lambda",
            &lambda::KIND,
            &object(
                &lambda::PROPERTIES,
                lambda::PROPERTIES.keys,
                lambda_property,
            ),
        ),
    }
}

/// An object with the keys of `shape`, each described by `property`.
fn object(shape: &Shape, required: &[&str], property: fn(&str) -> Value) -> Value {
    let properties: Map<String, Value> = shape
        .keys
        .iter()
        .map(|key| ((*key).to_owned(), property(key)))
        .collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn list(items: &Value) -> Value {
    json!({ "type": "array", "items": items })
}

fn text(description: &str) -> Value {
    json!({ "type": "string", "minLength": 1, "description": description })
}

fn titled(mut schema: Value, title: &str) -> Value {
    if let Some(members) = schema.as_object_mut() {
        members.insert("$schema".to_owned(), DRAFT.into());
        members.insert("title".to_owned(), title.into());
    }
    schema
}

fn version() -> Value {
    json!({ "const": 0.0, "description": "The version of the format: 0.0, without quotes." })
}

fn ec2() -> Value {
    let schema = object(&shapes::TOP, &["version", "os"], |key| match key {
        "version" => version(),
        "os" => json!({ "const": "linux", "description": "linux, for every distribution." }),
        "files" => {
            let mut files = list(&object(&shapes::FILE, shapes::FILE.keys, file));
            describe(&mut files, "What is copied where.");
            files
        }
        "hooks" => hooks(),
        "permissions" => {
            let mut rules = list(&object(&shapes::PERMISSION, &["object"], permission));
            describe(&mut rules, "Owners, modes and more of what is copied.");
            rules
        }
        "file_exists_behavior" => json!({
            "enum": ["DISALLOW", "OVERWRITE", "RETAIN"],
            "description": "What to do with a file that is in the way. Beats the deployment's setting.",
        }),
        _ => Value::Bool(false),
    });
    titled(schema, "AppSpec for EC2/on-premises")
}

fn describe(schema: &mut Value, description: &str) {
    if let Some(members) = schema.as_object_mut() {
        members.insert("description".to_owned(), description.into());
    }
}

fn file(key: &str) -> Value {
    match key {
        "source" => text("A file or directory of the bundle; / is all of it."),
        "destination" => json!({
            "type": "string",
            "pattern": "^/",
            "description": "The directory that receives it, from the host's root.",
        }),
        _ => Value::Bool(false),
    }
}

fn hooks() -> Value {
    let scripts = list(&object(&shapes::SCRIPT, &["location"], script));
    let events: Map<String, Value> = super::ec2::EVENTS
        .iter()
        .map(|event| ((*event).to_owned(), scripts.clone()))
        .collect();
    json!({
        "type": "object",
        "description": "The scripts of each lifecycle event, in order.",
        "properties": events,
        "additionalProperties": false,
    })
}

fn script(key: &str) -> Value {
    match key {
        "location" => text("The script's path in the bundle."),
        "timeout" => json!({
            "anyOf": [
                { "type": "integer", "minimum": 1 },
                { "type": "string", "pattern": "^[1-9][0-9]*$" },
            ],
            "description": "Seconds; 3600 without it. Those of one event come to 3600 at most.",
        }),
        "runas" => text("The account that runs it; without it, the agent's."),
        "sudo" => json!({ "type": "boolean", "description": "Run it with sudo." }),
        _ => Value::Bool(false),
    }
}

fn permission(key: &str) -> Value {
    let account = |description: &str| json!({ "type": ["string", "integer"], "minLength": 1, "minimum": 0, "description": description });
    match key {
        "object" => json!({
            "type": "string",
            "pattern": "^/",
            "description": "An installed file, or a directory at or above installed files.",
        }),
        "pattern" => text("Which names directly in the object; ** is everything below it."),
        "except" => list(&text("A pattern of names to leave out.")),
        "type" => json!({
            "type": "array",
            "items": { "enum": ["file", "directory"] },
            "description": "Both without it.",
        }),
        "owner" => account("The user that becomes the owner."),
        "group" => account("The group that becomes the owner."),
        "mode" => json!({
            "anyOf": [
                { "type": "integer", "minimum": 0, "maximum": 7777 },
                { "type": "string", "pattern": "^[0-7]{1,4}$" },
            ],
            "description": "1 to 4 octal digits. Quote one with a leading zero.",
        }),
        "acls" => list(&text(
            "user:name:rwx, group:name:r-x, mask::rwx, or default: in front.",
        )),
        "context" => object(&shapes::CONTEXT, &["type"], |key| match key {
            "type" => text("The SELinux type."),
            "name" | "user" => text("The SELinux user."),
            "range" => text("The range, such as s0 or s0-s15:c0.c1023."),
            "role" => text("Ignored."),
            _ => Value::Bool(false),
        }),
        _ => Value::Bool(false),
    }
}

/// What ECS and Lambda have in common, around the properties.
fn with_resource(title: &str, kind: &Kind, properties: &Value) -> Value {
    let resource = json!({
        "type": "object",
        "properties": { "Type": { "const": kind.resource }, "Properties": properties },
        "required": resources::RESOURCE.keys,
        "additionalProperties": false,
    });
    let resources = json!({
        "type": "array",
        "minItems": 1,
        "maxItems": 1,
        "items": {
            "type": "object",
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": resource,
        },
    });
    let function = text("The name or ARN of a Lambda function.");
    let events: Map<String, Value> = kind
        .events
        .iter()
        .map(|event| ((*event).to_owned(), function.clone()))
        .collect();
    let hooks = list(&json!({
        "type": "object",
        "properties": events,
        "additionalProperties": false,
    }));
    let members: Map<String, Value> = resources::TOP
        .keys
        .iter()
        .map(|key| {
            let schema = match *key {
                "version" => version(),
                "Resources" | "resources" => resources.clone(),
                _ => hooks.clone(),
            };
            ((*key).to_owned(), schema)
        })
        .collect();
    let schema = json!({
        "type": "object",
        "properties": members,
        "required": ["version"],
        "oneOf": [{ "required": ["Resources"] }, { "required": ["resources"] }],
        "additionalProperties": false,
    });
    titled(schema, title)
}

fn ecs_property(key: &str) -> Value {
    let number = json!({ "type": "integer", "minimum": 0 });
    let names = json!({ "type": "array", "minItems": 1, "items": { "type": "string" } });
    match key {
        "TaskDefinition" => text("Its ARN with the revision, or a placeholder."),
        "LoadBalancerInfo" => object(
            &ecs::LOAD_BALANCER,
            ecs::LOAD_BALANCER.keys,
            |key| match key {
                "ContainerName" => text("The container that takes the traffic."),
                "ContainerPort" => json!({
                    "anyOf": [
                        { "type": "integer", "minimum": 1, "maximum": 65535 },
                        // A placeholder.
                        { "type": "string", "pattern": "[<{$%@]" },
                    ],
                }),
                _ => Value::Bool(false),
            },
        ),
        "PlatformVersion" => text("LATEST, or a version such as 1.4.0."),
        "NetworkConfiguration" => json!({
            "type": "object",
            "properties": { "AwsvpcConfiguration": {
                "type": "object",
                "properties": {
                    "Subnets": names,
                    "SecurityGroups": names,
                    "AssignPublicIp": { "enum": ["ENABLED", "DISABLED"] },
                },
                "required": ecs::AWSVPC.keys,
                "additionalProperties": false,
            } },
            "required": ecs::NETWORK.keys,
            "additionalProperties": false,
        }),
        "CapacityProviderStrategy" => list(&json!({
            "type": "object",
            "properties": {
                "CapacityProvider": { "type": "string", "minLength": 1 },
                "Base": number,
                "Weight": number,
            },
            "required": ["CapacityProvider"],
            "additionalProperties": false,
        })),
        _ => Value::Bool(false),
    }
}

fn lambda_property(key: &str) -> Value {
    match key {
        "Name" => text("The function's name."),
        "Alias" => text("The alias whose traffic is shifted."),
        _ => json!({
            "anyOf": [
                { "type": "integer", "minimum": 1 },
                { "type": "string", "pattern": "^[1-9][0-9]*$|[<{$%@]" },
            ],
            "description": "The number of a published version.",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key of the tables that the schema does not describe would be `false`.
    #[test]
    fn every_key_is_described() {
        for platform in [Platform::Ec2, Platform::Ecs, Platform::Lambda] {
            let mut ahead = vec![schema(platform)];
            while let Some(value) = ahead.pop() {
                if let Value::Object(members) = &value {
                    if let Some(Value::Object(properties)) = members.get("properties") {
                        for (key, property) in properties {
                            assert!(property.is_object(), "{key} of {platform:?}");
                        }
                    }
                    ahead.extend(members.values().cloned());
                } else if let Value::Array(items) = value {
                    ahead.extend(items);
                }
            }
        }
    }

    #[test]
    fn the_keys_of_nested_mappings_are_the_tables() {
        let ecs = schema(Platform::Ecs);
        let text = ecs.to_string();
        for shape in [&ecs::NETWORK, &ecs::AWSVPC, &ecs::CAPACITY_PROVIDER] {
            for key in shape.keys {
                assert!(text.contains(&format!("\"{key}\"")), "{key}");
            }
        }
    }
}
