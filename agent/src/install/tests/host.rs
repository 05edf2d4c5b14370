//! A host to install on: a deployment root, a place for destinations, archives.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use crate::appspec::{AppSpec, FileMapping, Pattern, Permission};
use crate::deployment::{DeploymentGroupId, FileExistsBehavior};
use crate::deployment_root::{DeploymentRoot, InstructionFiles};
use crate::install::apply::{Moment, Watch, install_watched};
use crate::install::{
    InstallError, InstallOptions, InstallRequest, Installed, Plan, PlanError, Preview, SourceForm,
};

/// True when tests that need root can run; fails where they must.
pub(super) fn is_root() -> bool {
    if nix::unistd::geteuid().is_root() {
        return true;
    }
    assert!(
        std::env::var_os("REQUIRE_ROOT_TESTS").is_none(),
        "this test needs root"
    );
    eprintln!("skipped: needs root");
    false
}

/// Something to put into a directory.
#[derive(Debug, Clone)]
pub(super) enum Put<'a> {
    File(&'a str, &'a str),
    Directory(&'a str),
    Link(&'a str, &'a str),
}
pub(super) use Put::{Directory, File, Link};

pub(super) fn fill(base: &Path, objects: &[Put<'_>]) {
    fs_err::create_dir_all(base).unwrap();
    for object in objects {
        let (File(path, _) | Directory(path) | Link(path, _)) = object;
        let path = base.join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        match object {
            File(_, content) => fs_err::write(&path, content).unwrap(),
            Directory(_) => fs_err::create_dir_all(&path).unwrap(),
            Link(_, target) => symlink(target, &path).unwrap(),
        }
    }
}

/// What can be seen of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) mode: u32,
    pub(super) owner: (u32, u32),
    pub(super) modified: i64,
    /// A file's content, a link's target.
    pub(super) content: Option<Vec<u8>>,
    pub(super) attributes: Vec<(OsString, Vec<u8>)>,
}

/// Everything below `base`, by path relative to it.
pub(super) fn snapshot(base: &Path) -> BTreeMap<PathBuf, Seen> {
    let mut seen = BTreeMap::new();
    let mut ahead = vec![base.to_owned()];
    while let Some(directory) = ahead.pop() {
        for entry in fs_err::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let status = fs_err::symlink_metadata(&path).unwrap();
            let content = if status.is_symlink() {
                use std::os::unix::ffi::OsStringExt as _;
                Some(
                    fs_err::read_link(&path)
                        .unwrap()
                        .into_os_string()
                        .into_vec(),
                )
            } else if status.is_dir() {
                ahead.push(path.clone());
                None
            } else {
                Some(fs_err::read(&path).unwrap())
            };
            let attributes = xattr::list(&path).into_iter().flatten();
            let value = |name: OsString| Some((name.clone(), xattr::get(&path, &name).ok()??));
            let mut attributes: Vec<_> = attributes.filter_map(value).collect();
            attributes.sort();
            let object = Seen {
                mode: status.permissions().mode(),
                owner: (status.uid(), status.gid()),
                modified: if status.is_dir() { 0 } else { status.mtime() },
                content,
                attributes,
            };
            seen.insert(path.strip_prefix(base).unwrap().to_owned(), object);
        }
    }
    seen
}

pub(super) struct Host {
    directory: tempfile::TempDir,
    pub(super) options: InstallOptions,
    pub(super) group: &'static str,
    pub(super) interrupted: std::sync::atomic::AtomicBool,
}

impl Host {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs_err::create_dir(directory.path().join("srv")).unwrap();
        Self {
            directory,
            options: InstallOptions::default(),
            group: "group",
            interrupted: false.into(),
        }
    }

    /// Below this the destinations are.
    pub(super) fn srv(&self) -> PathBuf {
        self.directory.path().join("srv")
    }

    pub(super) fn at(&self, path: &str) -> PathBuf {
        self.srv().join(path)
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    pub(super) fn records(&self) -> InstructionFiles {
        let root = DeploymentRoot::new(self.path("root"));
        root.instructions(&DeploymentGroupId::new(self.group).unwrap())
    }

    /// An archive with `objects`; the same name again is a new one.
    pub(super) fn archive(&self, name: &str, objects: &[Put<'_>]) -> PathBuf {
        let path = self.path(name);
        if path.exists() {
            fs_err::remove_dir_all(&path).unwrap();
        }
        fill(&path, objects);
        path
    }

    /// `files` entries with destinations below [`Self::srv`].
    pub(super) fn appspec(&self, files: &[(&str, &str)]) -> AppSpec {
        let mapping = |(source, destination): &(&str, &str)| FileMapping {
            source: PathBuf::from(source),
            destination: if destination.is_empty() {
                self.srv()
            } else {
                self.at(destination)
            },
        };
        AppSpec {
            file_exists_behavior: None,
            files: files.iter().map(mapping).collect(),
            hooks: Vec::new(),
            permissions: Vec::new(),
        }
    }

    pub(super) fn rule(&self, object: &str, line: usize) -> Permission {
        Permission {
            object: self.at(object),
            pattern: Pattern::Everything,
            except: Vec::new(),
            files: true,
            directories: true,
            owner: None,
            group: None,
            mode: None,
            acls: Vec::new(),
            context: None,
            line,
        }
    }

    /// A request for an unpacked archive.
    fn request<'a>(
        &'a self,
        archive: &'a Path,
        deployment_directory: &'a Path,
        appspec: &'a AppSpec,
        behavior: &'a FileExistsBehavior,
        records: &'a InstructionFiles,
    ) -> InstallRequest<'a> {
        InstallRequest {
            archive,
            form: SourceForm::Unpacked,
            deployment_directory,
            appspec,
            behavior,
            records,
            options: &self.options,
            interrupted: &self.interrupted,
        }
    }

    pub(super) fn install_watched(
        &self,
        archive: &Path,
        appspec: &AppSpec,
        behavior: &FileExistsBehavior,
        watch: &mut (dyn FnMut(Moment) -> std::io::Result<()> + Send),
    ) -> Result<Installed, InstallError> {
        let deployment = self.path("root/group/d-1");
        // Moments come from several threads.
        let watch = std::sync::Mutex::new(watch);
        let watch = |moment| {
            (watch
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner))(moment)
        };
        let records = self.records();
        let request = self.request(archive, &deployment, appspec, behavior, &records);
        install_watched(&request, &Watch(&watch))
    }

    pub(super) fn plan(
        &self,
        archive: &Path,
        appspec: &AppSpec,
        behavior: &FileExistsBehavior,
    ) -> Result<Plan, PlanError> {
        crate::install::plan(&self.request(
            archive,
            Path::new("/d"),
            appspec,
            behavior,
            &self.records(),
        ))
    }

    /// What an Install would do, with nothing else on its file systems.
    pub(super) fn preview(
        &self,
        archive: &Path,
        appspec: &AppSpec,
        behavior: &FileExistsBehavior,
    ) -> Preview {
        let records = self.records();
        let request = self.request(archive, Path::new("/d"), appspec, behavior, &records);
        crate::install::preview(&request, u64::MAX, |_| 0).unwrap()
    }

    pub(super) fn install(
        &self,
        archive: &Path,
        appspec: &AppSpec,
        behavior: &FileExistsBehavior,
    ) -> Result<Installed, InstallError> {
        self.install_watched(archive, appspec, behavior, &mut |_| Ok(()))
    }

    /// Installs all of a new archive below [`Self::srv`]/`destination` under DISALLOW.
    pub(super) fn deploy(&self, destination: &str, objects: &[Put<'_>]) -> Installed {
        let archive = self.archive("archive", objects);
        let appspec = self.appspec(&[("", destination)]);
        self.install(&archive, &appspec, &FileExistsBehavior::Disallow)
            .unwrap_or_else(|error| panic!("{}", crate::error::chain(&error)))
    }

    /// The paths in `-cleanup`, relative to [`Self::srv`]; others as they are.
    pub(super) fn cleanup(&self) -> Vec<String> {
        let text = fs_err::read_to_string(self.records().cleanup()).unwrap();
        let base = format!("{}/", self.srv().display());
        text.lines()
            .map(|line| line.strip_prefix(&base).unwrap_or(line).to_owned())
            .collect()
    }

    pub(super) fn text(&self, path: &str) -> String {
        fs_err::read_to_string(self.at(path)).unwrap()
    }

    pub(super) fn mode(&self, path: &str) -> u32 {
        fs_err::symlink_metadata(self.at(path))
            .unwrap()
            .permissions()
            .mode()
            & 0o7777
    }

    /// Nothing of an Install is left but its results.
    pub(super) fn assert_tidy(&self) {
        let root = Some(self.path("root")).filter(|root| root.exists());
        for path in [self.srv()]
            .iter()
            .chain(&root)
            .flat_map(|base| snapshot(base).into_keys())
        {
            let name = path.to_string_lossy();
            assert!(
                !name.contains(".codedeploy-") && !name.contains("-install/"),
                "{name}"
            );
        }
    }
}

pub(super) fn chmod(path: &Path, mode: u32) {
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// The problems of a failed Install, as text.
pub(super) fn problems(result: Result<Installed, InstallError>) -> String {
    match result {
        Err(InstallError::Plan(error @ PlanError::Conflicts(_))) => crate::error::chain(&error),
        other => panic!("no conflicts but {other:?}"),
    }
}

/// A small file system, unmounted when dropped.
pub(super) struct Small(PathBuf);

impl Small {
    /// Mounts one where root can; fails where root must.
    pub(super) fn mount(path: PathBuf, kind: &str, options: &str) -> Option<Self> {
        let at = path.to_str().unwrap().to_owned();
        Self::mounted(path, &["-t", kind, "-o", options, "tmpfs", &at])
    }

    /// An ext4 of 8 MB, in a file beside `path`.
    pub(super) fn ext4(path: PathBuf) -> Option<Self> {
        let image = path.with_extension("ext4");
        if is_root() {
            let file = fs_err::File::create(&image).unwrap();
            file.set_len(8 << 20).unwrap();
            assert!(run("mkfs.ext4", &["-q", "-F", image.to_str().unwrap()]));
        }
        Self::ext4_again(path)
    }

    /// An image that [`Small::ext4`] has made, mounted again.
    pub(super) fn ext4_again(path: PathBuf) -> Option<Self> {
        let image = path.with_extension("ext4");
        let at = path.to_str().unwrap().to_owned();
        Self::mounted(path, &["-o", "loop", image.to_str().unwrap(), &at])
    }

    /// A btrfs in a file beside `path`; it says so where there is none to be had.
    pub(super) fn btrfs(path: PathBuf) -> Option<Self> {
        if !is_root() {
            return None;
        }
        let image = path.with_extension("btrfs");
        let file = fs_err::File::create(&image).unwrap();
        file.set_len(256 << 20).unwrap();
        fs_err::create_dir_all(&path).unwrap();
        let (image, at) = (image.to_str().unwrap(), path.to_str().unwrap());
        if run("mkfs.btrfs", &["-q", image]) && run("mount", &["-o", "loop", image, at]) {
            return Some(Self(path));
        }
        eprintln!("skipped: no btrfs, or no loop device");
        None
    }

    /// An overlay over what is in `path` now.
    pub(super) fn overlay(path: PathBuf) -> Option<Self> {
        let beside = |name: &str| path.with_extension(name).to_str().unwrap().to_owned();
        let [lower, upper, work] = ["lower", "upper", "work"].map(beside);
        if is_root() {
            fs_err::rename(&path, &lower).unwrap();
            for directory in [path.to_str().unwrap(), &upper, &work] {
                fs_err::create_dir(directory).unwrap();
            }
        }
        let options = format!("lowerdir={lower},upperdir={upper},workdir={work}");
        let at = path.to_str().unwrap().to_owned();
        Self::mounted(path, &["-t", "overlay", "-o", &options, "overlay", &at])
    }

    fn mounted(path: PathBuf, arguments: &[&str]) -> Option<Self> {
        if !is_root() {
            return None;
        }
        fs_err::create_dir_all(&path).unwrap();
        if run("mount", arguments) {
            return Some(Self(path));
        }
        assert!(
            std::env::var_os("REQUIRE_ROOT_TESTS").is_none(),
            "cannot mount"
        );
        eprintln!("skipped: cannot mount");
        None
    }

    /// What is mounted there already.
    pub(super) fn there(path: PathBuf) -> Self {
        Self(path)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        run("umount", &[self.0.to_str().unwrap()]);
    }
}

#[expect(clippy::disallowed_methods, reason = "a test's own set-up")]
pub(super) fn run(program: &str, arguments: &[&str]) -> bool {
    std::process::Command::new(program)
        .args(arguments)
        .status()
        .is_ok_and(|status| status.success())
}
