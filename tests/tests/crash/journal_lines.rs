//! The journal as a file, read by its rules and with no code of the agent's.

use std::path::Path;

use serde_json::Value;

/// The records that are whole, as JSON; the header is the first.
pub(crate) fn records(path: &Path) -> Vec<Value> {
    let bytes = fs_err::read(path).unwrap_or_default();
    bytes
        .split_inclusive(|byte| *byte == b'\n')
        .filter(|line| line.ends_with(b"\n"))
        .filter_map(|line| serde_json::from_slice(line.get(9..)?).ok())
        .collect()
}

/// The commands that are not settled, with their states (null before the first).
pub(crate) fn live(path: &Path) -> Vec<(String, Value)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut live: Vec<(String, Value)> = Vec::new();
    for record in records(path) {
        if let Some(taken) = record.get("taken") {
            let id = text(&taken["command"]["host_command_identifier"]);
            live.retain(|(known, _)| *known != id);
            live.push((id, Value::Null));
        } else if let Some(state) = record.get("state") {
            let id = text(&state["command"]);
            if let Some(known) = live.iter_mut().find(|(known, _)| *known == id) {
                known.1 = state["state"].clone();
            }
        } else if let Some(settled) = record.get("settled") {
            let id = text(&settled["command"]);
            live.retain(|(known, _)| *known != id);
        }
    }
    live
}
