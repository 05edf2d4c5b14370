//! Whole Installs into temporary directories.

mod details;
mod faults;
mod host;
mod permissions;
mod properties;
mod records;
mod selinux;
