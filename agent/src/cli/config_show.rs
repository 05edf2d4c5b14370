//! `agent config show`: the effective settings and where each comes from.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::arguments::{Output, ShowArguments};
use super::configuration::Configuration;
use super::terminal::say;
use super::{Exit, complain};
use crate::config::{Entry, Origin};
use crate::error::chain;

/// Runs the subcommand.
pub(super) fn main(named: Option<&Path>, arguments: &ShowArguments) -> Exit {
    let configuration = match Configuration::load(named) {
        Ok(configuration) => configuration,
        Err(error) => return complain(&chain(&error), Exit::Configuration),
    };
    let entries = configuration.loaded.entries();
    match arguments.output {
        Output::Human => {
            // A name may hold a line break, which must not leave the comment.
            say(&format!("# {}", configuration.name().escape_debug()));
            for entry in &entries {
                say(&line(entry));
            }
        }
        Output::Json => {
            say(&format!("{:#}", object(&entries)));
        }
    }
    Exit::Success
}

/// A line of YAML.
fn line(entry: &Entry) -> String {
    let origin = match entry.origin {
        Origin::Default => "default".to_owned(),
        Origin::File { line } => format!("line {line}"),
    };
    let value = match entry.value.as_deref() {
        None => String::new(),
        Some(text) if ["no_proxy", "proxy_for"].contains(&entry.key) => {
            let hosts = text.trim_matches(['[', ']']).split(", ");
            let hosts: Vec<String> = hosts.filter(|host| !host.is_empty()).map(scalar).collect();
            format!(" [{}]", hosts.join(", "))
        }
        Some(text) => format!(" {}", scalar(text)),
    };
    format!("{}:{value}  # {origin}", entry.key)
}

/// As it is where that is unmistakable in YAML, else in double quotes.
fn scalar(text: &str) -> String {
    let harmless = |character: char| character.is_ascii_alphanumeric() || "/._".contains(character);
    let plain = text.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '/')
        && text.chars().all(|next| harmless(next) || next == '-')
        && !text.eq_ignore_ascii_case("null");
    if plain {
        text.to_owned()
    } else {
        // Each string of JSON is one of YAML.
        Value::from(text).to_string()
    }
}

fn object(entries: &[Entry]) -> Value {
    let of = |entry: &Entry| {
        let shown = match entry.origin {
            Origin::Default => json!({"value": entry.value, "origin": "default"}),
            Origin::File { line } => {
                json!({"value": entry.value, "origin": "file", "line": line})
            }
        };
        (entry.key.to_owned(), shown)
    };
    Value::Object(entries.iter().map(of).collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::config::{Config, Purpose};

    #[test]
    fn what_is_shown_is_yaml_with_the_same_meaning() {
        let text = "root_dir: \"/a b: #c\"\nno_proxy: [\"*.internal\", 10.0.0.1]\n\
                    wait_between_runs: 0.5\nproxy_for: s3\nlog_format: json\n";
        let path = Path::new("f");
        let loaded = Config::parse(path, text.as_bytes(), Purpose::Service).unwrap();
        let shown: Vec<String> = loaded.entries().iter().map(line).collect();
        let shown = shown.join("\n");
        let again = Config::parse(path, shown.as_bytes(), Purpose::Service).unwrap();
        assert_eq!(again.config, loaded.config, "{shown}");
        let independent: serde_yaml::Value = serde_yaml::from_str(&shown).unwrap();
        assert_eq!(independent["root_dir"], "/a b: #c");
        assert!(
            shown.contains("wait_between_runs: 0.5  # line 3"),
            "{shown}"
        );
        assert!(shown.contains("max_revisions: 5  # default"), "{shown}");
        assert!(shown.contains("proxy_uri:  # default"), "{shown}");
    }

    #[rstest]
    #[case::word("text", "text")]
    #[case::path("/var/log/aws", "/var/log/aws")]
    #[case::nothing("", r#""""#)]
    #[case::comment("a #b", r#""a #b""#)]
    #[case::null("Null", r#""Null""#)]
    #[case::address("http://x:1", r#""http://x:1""#)]
    #[case::line_break("a\nb", r#""a\nb""#)]
    fn values_are_quoted_where_they_could_be_mistaken(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(scalar(text), expected);
    }

    #[test]
    fn json_has_an_object_a_key() {
        let loaded = Config::parse(Path::new("f"), b"\nverbose: true\n", Purpose::Service).unwrap();
        let shown = object(&loaded.entries());
        let expected = json!({"value": "true", "origin": "file", "line": 2});
        assert_eq!(shown["verbose"], expected);
        assert_eq!(shown["user"], json!({"value": null, "origin": "default"}));
    }
}
