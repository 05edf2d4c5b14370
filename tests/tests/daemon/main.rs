//! `agent run` against the fakes, over the real protocol.

#![expect(clippy::unwrap_used, reason = "a failure fails the test")]

mod commands;
mod credentials;
mod credentials_file;
mod deployments;
mod disk;
mod draining;
mod ec2;
mod fault_matrix;
mod faults;
mod flow;
mod footprint;
mod handover;
mod hostile_input;
mod installation;
mod logs;
mod metrics;
mod network;
mod process;
mod reporting;
mod retention;
mod scene;
mod service_manager;
mod settings;
mod slow_s3;
mod specifications;
mod storm;
mod taking_up;
