//! Runs one lifecycle hook script: knows no deployments, network or YAML.
