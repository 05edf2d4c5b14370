//! Bundles as archives, with times that stay.

use std::path::{Path, PathBuf};

use integration_tests::{Kind, snapshot};

/// When everything in an archive was changed last.
const TIME: u64 = 1_600_000_000;

/// A tar of all that is in `directory`, beside it.
pub(crate) fn tar(directory: &Path) -> PathBuf {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, entry) in snapshot(directory) {
        let mut header = tar::Header::new_gnu();
        header.set_mode(entry.mode);
        header.set_uid(entry.uid.into());
        header.set_gid(entry.gid.into());
        header.set_mtime(TIME);
        match entry.kind {
            Kind::Directory => {
                header.set_entry_type(tar::EntryType::Directory);
                header.set_size(0);
                builder.append_data(&mut header, name, &[][..]).unwrap();
            }
            Kind::File(content) => {
                header.set_size(content.len() as u64);
                builder
                    .append_data(&mut header, name, content.as_slice())
                    .unwrap();
            }
            Kind::Link(target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_size(0);
                builder.append_link(&mut header, name, target).unwrap();
            }
            Kind::Other => panic!("{} cannot be in a tar", name.display()),
        }
    }
    let path = directory.with_extension("tar");
    fs_err::write(&path, builder.into_inner().unwrap()).unwrap();
    path
}
