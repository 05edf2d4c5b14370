//! Whole Installs into temporary directories.

mod crash;
mod details;
mod faults;
mod host;
mod permissions;
mod properties;
mod records;
mod selinux;
mod updates;
mod volumes;
