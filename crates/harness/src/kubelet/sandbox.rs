//! A process that sees the files, the network and the name that a container would.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use k8s_openapi::api::core::v1::{Container, PodSpec};
use tokio::process::Command;

use super::images::Image;
use super::network::PodNetwork;
use crate::process::{Process, Program};

/// Becomes the container's program. Only `exec`, so that the number of the process stays what
/// [`Process`] knows, and signals reach the program.
const BECOME: &str = r#"
folder=$1 image=$2 read_only=$3 name=$4
shift 4
hostname "$name"
root=$folder/root
if [ -n "$image" ]; then
  mount -t overlay overlay -o "lowerdir=$image,upperdir=$folder/upper,workdir=$folder/work,userxattr" "$root"
else
  mount --bind "$folder/upper" "$root"
fi
for system in proc sys dev; do
  mount --rbind "/$system" "$root/$system"
done
while [ "$1" != -- ]; do
  mount --rbind "$1" "$root$2"
  [ "$3" = rw ] || mount -o remount,bind,ro "$root$2"
  shift 3
done
[ "$read_only" = no ] || mount -o remount,bind,ro "$root"
shift
exec env -i "$@"
"#;

/// What a program of this machine finds around it, read-only. Without `/usr/local`: that is
/// where programs of images are.
const SYSTEM: [&str; 20] = [
    "/usr/bin",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/libexec",
    "/usr/sbin",
    "/usr/share",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/ld.so.cache",
    "/etc/group",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/pki",
    "/etc/ssl",
];

/// A file or folder of this machine that a container has.
#[derive(Clone, Debug)]
pub(super) struct Bind {
    pub(super) from: PathBuf,
    /// An absolute path in the container.
    pub(super) to: String,
    pub(super) read_only: bool,
}

/// A container that is about to be started.
pub(super) struct Launch<'a> {
    pub(super) spec: &'a PodSpec,
    pub(super) container: &'a Container,
    pub(super) image: &'a Image,
    pub(super) hostname: &'a str,
    pub(super) network: &'a PodNetwork,
    pub(super) arguments: Vec<String>,
    pub(super) env: &'a BTreeMap<String, String>,
    /// The container's volumes.
    pub(super) binds: Vec<Bind>,
    /// What it writes goes here, and is gone when it starts again.
    pub(super) folder: &'a Path,
    pub(super) logs: &'a Path,
}

impl Launch<'_> {
    pub(super) fn start(mut self) -> anyhow::Result<Process> {
        let program = self.image.files.iter();
        let program = program.map(|(to, from)| Bind { from: from.clone(), to: to.clone(), read_only: true });
        self.binds.splice(0..0, program);
        self.prepare().context("the files of a container")?;
        let context = self.container.security_context.as_ref();
        let read_only = context.and_then(|context| context.read_only_root_filesystem) == Some(true);
        let text = |path: &Path| path.display().to_string();
        let mut args = vec![format!("--net={}", text(&self.network.path()))];
        args.extend(["unshare", "--mount", "--uts", "sh", "-euc", BECOME, "become"].map(str::to_owned));
        args.push(text(self.folder));
        args.push(self.image.root.as_deref().map(text).unwrap_or_default());
        args.push(if read_only { "yes" } else { "no" }.to_owned());
        args.push(self.hostname.to_owned());
        for Bind { from, to, read_only } in &self.binds {
            args.extend([text(from), to.clone(), if *read_only { "ro" } else { "rw" }.to_owned()]);
        }
        args.push("--".to_owned());
        args.extend(self.env.iter().map(|(name, value)| format!("{name}={value}")));
        args.extend(self.change_root()?);
        args.extend(self.arguments);
        Process::start(Program {
            name: &self.container.name,
            path: Path::new("nsenter"),
            args,
            env: Vec::new(),
            logs: self.logs,
            scratch: None,
        })
    }

    /// The last command before the program: into the container's root, as its user.
    fn change_root(&self) -> anyhow::Result<Vec<String>> {
        let mut command = vec![
            of_this_machine("unshare")?.display().to_string(),
            format!("--root={}", self.folder.join("root").display()),
            format!("--wd={}", self.container.working_dir.as_deref().unwrap_or("/")),
        ];
        if let Some(user) = user(self.spec, self.container, self.image) {
            // Another user is the same one, by another number and without its rights: nobody
            // needs to be permitted more than one.
            let group = group(self.spec, self.container);
            command.extend([
                "--user".to_owned(),
                format!("--map-user={user}"),
                format!("--map-group={group}"),
            ]);
        }
        Ok(command)
    }

    /// Makes the folders, and in them what is to be mounted over.
    fn prepare(&mut self) -> anyhow::Result<()> {
        if self.folder.exists() {
            fs::remove_dir_all(self.folder)?;
        }
        let upper = self.folder.join("upper");
        for folder in
            ["upper/proc", "upper/sys", "upper/dev", "upper/etc", "upper/usr", "upper/tmp", "work", "root"]
        {
            fs::create_dir_all(self.folder.join(folder))?;
        }
        if self.image.root.is_none() {
            let system = bind_system(&upper)?;
            self.binds.splice(0..0, system);
        }
        let hosts = format!("127.0.0.1 localhost\n{} {}\n", self.network.address, self.hostname);
        fs::write(upper.join("etc/hosts"), hosts)?;
        fs::write(upper.join("etc/resolv.conf"), "")?;
        for bind in &self.binds {
            ensure!(bind.to.starts_with('/'), "{} is no absolute path", bind.to);
            make_mount_point(&bind.from, &upper.join(bind.to.trim_start_matches('/')))?;
        }
        Ok(())
    }
}

/// The parts of this machine: links as they are, the others to be bound.
fn bind_system(upper: &Path) -> anyhow::Result<Vec<Bind>> {
    let mut binds = Vec::new();
    for path in SYSTEM {
        if let Ok(target) = fs::read_link(path) {
            symlink(target, upper.join(path.trim_start_matches('/')))?;
        } else if Path::new(path).exists() {
            binds.push(Bind { from: path.into(), to: path.to_owned(), read_only: true });
        }
    }
    Ok(binds)
}

fn make_mount_point(from: &Path, at: &Path) -> anyhow::Result<()> {
    let is_folder = fs::metadata(from).with_context(|| format!("{} is missing", from.display()))?.is_dir();
    if at.exists() {
        return Ok(());
    }
    if is_folder {
        return fs::create_dir_all(at).with_context(|| format!("making {}", at.display()));
    }
    if let Some(parent) = at.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(at, "").with_context(|| format!("making {}", at.display()))
}

/// The user of a container if it is not root.
fn user(spec: &PodSpec, container: &Container, image: &Image) -> Option<i64> {
    let own = container.security_context.as_ref().and_then(|context| context.run_as_user);
    let of_pod = spec.security_context.as_ref().and_then(|context| context.run_as_user);
    own.or(of_pod).or(image.user).filter(|user| *user != 0)
}

fn group(spec: &PodSpec, container: &Container) -> i64 {
    let own = container.security_context.as_ref().and_then(|context| context.run_as_group);
    own.or_else(|| spec.security_context.as_ref().and_then(|context| context.run_as_group)).unwrap_or(0)
}

/// Where a program of this machine is, for when what is searched is the container's PATH.
fn of_this_machine(program: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&path).map(|folder| folder.join(program));
    places.find(|place| place.is_file()).with_context(|| format!("no {program} on the PATH"))
}

/// A command that runs where a container's program does, as its user. Nothing of the image is
/// needed but what the command names.
pub(super) fn inside(
    process: u32,
    has_user: bool,
    env: &BTreeMap<String, String>,
    arguments: &[String],
) -> anyhow::Result<Command> {
    let mut command = Command::new(of_this_machine("nsenter")?);
    command.args(["--target", &process.to_string(), "--mount", "--uts", "--net", "--root", "--wd"]);
    if has_user {
        command.args(["--user", "--preserve-credentials"]);
    }
    command.arg("--").args(arguments).env_clear().envs(env).stdin(Stdio::null()).kill_on_drop(true);
    Ok(command)
}

/// Whether a container has a user namespace of its own.
pub(super) fn has_user(spec: &PodSpec, container: &Container, image: &Image) -> bool {
    user(spec, container, image).is_some()
}
