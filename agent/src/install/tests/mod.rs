//! Whole Installs into temporary directories.

mod crash;
mod details;
mod faults;
mod generated;
mod host;
mod permissions;
mod previews;
mod properties;
mod records;
mod selinux;
mod swapped;
mod updates;
mod volumes;
