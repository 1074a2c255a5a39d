//! The program of the image: linked with musl, so that it needs nothing around it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use ako_image::{Architecture, Program};
use anyhow::{Context as _, ensure};

use crate::cargo::cargo;

const PROFILE: &str = "image";
/// Without these the headers of glibc put names of its own in the place of common functions.
const C_FLAGS: &str = "-std=gnu11 -U_FORTIFY_SOURCE";

/// What is built for a processor.
pub(crate) struct Platform {
    pub(crate) architecture: Architecture,
    /// As Rust calls the processor.
    processor: &'static str,
    pub(crate) target: &'static str,
    /// For the C code of `ring` and `mimalloc`. With [`C_FLAGS`] they use nothing of a C library
    /// that glibc and musl name differently, so any compiler for the processor will do.
    compilers: [&'static str; 2],
}

/// All that there are images for.
pub(crate) const PLATFORMS: [Platform; 2] = [
    Platform {
        architecture: Architecture::Amd64,
        processor: "x86_64",
        target: "x86_64-unknown-linux-musl",
        compilers: ["x86_64-linux-musl-gcc", "x86_64-linux-gnu-gcc"],
    },
    Platform {
        architecture: Architecture::Arm64,
        processor: "aarch64",
        target: "aarch64-unknown-linux-musl",
        compilers: ["aarch64-linux-musl-gcc", "aarch64-linux-gnu-gcc"],
    },
];

impl Platform {
    pub(crate) fn of(architecture: Architecture) -> &'static Self {
        let [amd64, arm64] = &PLATFORMS;
        match architecture {
            Architecture::Amd64 => amd64,
            Architecture::Arm64 => arm64,
        }
    }

    /// Whether this machine can run what is built for it.
    pub(crate) fn is_native(&self) -> bool {
        std::env::consts::ARCH == self.processor
    }

    /// The C compiler to build with, or why nothing can be built.
    pub(crate) fn compiler(&self) -> anyhow::Result<Result<OsString, String>> {
        if let Err(error) = self.add_target()? {
            return Ok(Err(error));
        }
        if let Some(given) = std::env::var_os(self.compiler_variable()) {
            return Ok(Ok(given));
        }
        let native = self.is_native().then_some("cc");
        let found = self.compilers.into_iter().chain(native).find(|compiler| is_installed(compiler));
        Ok(found.map(OsString::from).ok_or_else(|| {
            let names = self.compilers.join(" or ");
            format!("no C compiler for it: install {names}, or name one in {}", self.compiler_variable())
        }))
    }

    /// Has rustup install the standard library for the target if it is missing; what is there
    /// stays as it is.
    pub(crate) fn add_target(&self) -> anyhow::Result<Result<(), String>> {
        let target = self.target;
        let is_there = || -> anyhow::Result<bool> {
            let libraries = rustc(&["--print", "target-libdir", "--target", target])?;
            Ok(Path::new(libraries.trim()).is_dir())
        };
        if is_there()? {
            return Ok(Ok(()));
        }
        eprintln!("installing what Rust needs to build for {target}: `rustup target add {target}`");
        let added = Command::new("rustup").args(["target", "add", target]).status();
        let why = match added {
            Ok(_) if is_there()? => return Ok(Ok(())),
            Ok(status) => format!("`rustup target add {target}` did not help ({status})"),
            Err(error) => format!("rustup cannot be started ({error})"),
        };
        Ok(Err(format!("Rust cannot build for {target}, and {why}")))
    }

    /// Where the crate `cc` looks for a compiler.
    fn compiler_variable(&self) -> String {
        self.variable("CC")
    }

    fn variable(&self, name: &str) -> String {
        format!("{name}_{}", self.target.replace('-', "_"))
    }
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// A build for release.
pub(crate) struct Release<'a> {
    /// The folder of the sources.
    pub(crate) root: &'a Path,
    /// The folder of what is built.
    pub(crate) target: &'a Path,
}

impl Release<'_> {
    pub(crate) fn build(&self, platform: &Platform, compiler: &OsString) -> anyhow::Result<Program> {
        let compiler = compiler.to_str().context("the name of the C compiler is not UTF-8")?;
        let target = self.target.to_str().context("the path of the target folder is not UTF-8")?;
        let flags = self.flags()?;
        let variable = platform.compiler_variable();
        let c_flags = platform.variable("CFLAGS");
        let env = [
            ("CARGO_ENCODED_RUSTFLAGS", flags.as_str()),
            (variable.as_str(), compiler),
            (c_flags.as_str(), C_FLAGS),
            // What `__DATE__` and `__TIME__` say in C code.
            ("SOURCE_DATE_EPOCH", "0"),
        ];
        let build = ["build", "--locked", "--package", "ako-app", "--bin", "ako", "--profile", PROFILE];
        let build = [&build[..], &["--target", platform.target, "--target-dir", target]].concat();
        cargo(self.root, &build, &env)?;
        let path = self.target.join(platform.target).join(PROFILE).join("ako");
        if platform.is_native() {
            let output = Command::new(&path).arg("--version").output();
            let output = output.with_context(|| format!("starting {}", path.display()))?;
            ensure!(output.status.success(), "`{} --version` failed ({})", path.display(), output.status);
        }
        Program::read(&path)
    }

    /// The linker comes with Rust and links for all processors. Functions of the same code are one,
    /// and relocations are packed, which makes the program smaller by a sixteenth. No path of this machine is to
    /// show in messages; of two that fit, rustc takes the later.
    fn flags(&self) -> anyhow::Result<String> {
        let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo"));
        let home = std::env::var_os("CARGO_HOME").map(PathBuf::from).or(home);
        let home = home.context("neither CARGO_HOME nor HOME is set")?;
        let renamed = [(home.as_path(), "/cargo"), (self.root, "/ako-rs"), (self.target, "/ako-rs/target")];
        let mut flags = ["-Clinker=rust-lld", "-Clink-arg=--icf=all", "-Clink-arg=--pack-dyn-relocs=relr"]
            .map(str::to_owned)
            .to_vec();
        for (from, to) in renamed {
            let from = from.to_str().with_context(|| format!("{} is not UTF-8", from.display()))?;
            flags.push(format!("--remap-path-prefix={from}={to}"));
        }
        // This is what separates them.
        Ok(flags.join("\u{1f}"))
    }
}

/// The version of the compiler, and with it of the standard library.
pub(crate) fn rust_version() -> anyhow::Result<String> {
    let text = rustc(&["--version"])?;
    let version = text.split(' ').nth(1).with_context(|| format!("`rustc --version` printed {text:?}"))?;
    Ok(version.to_owned())
}

fn rustc(args: &[&str]) -> anyhow::Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).args(args).output().context("starting rustc")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`rustc {}` failed: {}", args.join(" "), errors.trim());
    String::from_utf8(output.stdout).context("what rustc printed")
}
