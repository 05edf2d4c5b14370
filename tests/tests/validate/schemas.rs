//! The JSON Schemas: checked in as they are printed, and true of every good AppSpec.

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::Value;

use super::*;

const PLATFORMS: [&str; 3] = ["ec2", "ecs", "lambda"];

fn printed(platform: &str) -> String {
    let ran = run(Path::new("/"), &["schema", platform]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    ran.stdout
}

struct Validator {
    schemas: Schemas,
    indices: Vec<SchemaIndex>,
}

impl Validator {
    fn new() -> Self {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        let indices = PLATFORMS
            .iter()
            .map(|platform| {
                let schema: Value = serde_json::from_str(&printed(platform)).unwrap();
                let name = format!("{platform}.json");
                compiler.add_resource(&name, schema).unwrap();
                compiler.compile(&name, &mut schemas).unwrap()
            })
            .collect();
        Self { schemas, indices }
    }

    fn check(&self, text: &str) -> Result<(), String> {
        let platform = match text {
            _ if text.contains("AWS::ECS::") => 1,
            _ if text.contains("AWS::Lambda::") => 2,
            _ => 0,
        };
        let yaml: serde_yaml::Value =
            serde_yaml::from_str(text).map_err(|error| error.to_string())?;
        let json = serde_json::to_value(yaml).map_err(|error| error.to_string())?;
        self.schemas
            .validate(&json, self.indices[platform])
            .map_err(|error| format!("{error:#}"))
    }
}

fn good_examples() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for rule in fs_err::read_dir(appspecs().join("rules")).unwrap() {
        let rule = rule.unwrap().path();
        let candidates = [rule.join("good.yml"), rule.join("good/appspec.yml")];
        found.extend(candidates.into_iter().filter(|path| path.is_file()));
    }
    for file in fs_err::read_dir(appspecs().join("files")).unwrap() {
        let file = file.unwrap().path();
        let name = file.file_name().unwrap().to_str().unwrap();
        // Templates are not what they will be, and merge keys are of YAML 1.1.
        if name.starts_with("good") && !name.contains("template") && !name.contains("anchors") {
            found.push(file);
        }
    }
    found
}

#[test]
fn the_schemas_are_checked_in() {
    for platform in PLATFORMS {
        let path = docs().join(format!("schema/appspec-{platform}.json"));
        assert_is_file(&path, &printed(platform));
    }
    assert_eq!(run(Path::new("/"), &["schema"]).stdout, printed("ec2"));
}

#[test]
fn every_good_appspec_conforms() {
    let validator = Validator::new();
    let examples = good_examples();
    assert!(examples.len() > 120, "{}", examples.len());
    for path in examples {
        let text = fs_err::read_to_string(&path).unwrap();
        if let Err(error) = validator.check(&text) {
            panic!("{}: {error}", path.display());
        }
    }
}

#[test]
fn what_an_editor_should_underline_does_not_conform() {
    let validator = Validator::new();
    for rule in [
        "unknown-key",
        "version-invalid",
        "os-invalid",
        "source-missing",
        "hook-unknown-event",
        "timeout-invalid",
        "mode-invalid",
        "type-invalid",
        "property-missing",
        "container-port",
        "lambda-version",
        "hook-event",
    ] {
        let path = appspecs().join("rules").join(rule).join("bad.yml");
        let text = fs_err::read_to_string(path).unwrap();
        let conforms = validator.check(&text).is_ok();
        // `$LATEST` looks like a placeholder to a pattern.
        assert_eq!(conforms, rule == "lambda-version", "{rule}");
    }
}
