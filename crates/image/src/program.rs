//! The program that an image is for.

use std::fmt;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use object::Endianness;
use object::elf::{EM_AARCH64, EM_X86_64, ET_DYN, ET_EXEC, FileHeader64, PT_INTERP};
use object::read::elf::{FileHeader as _, ProgramHeader as _};

/// A processor that there are images for, named as images name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Architecture {
    /// x86-64.
    Amd64,
    /// 64-bit ARM.
    Arm64,
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        })
    }
}

/// An executable file for Linux.
#[derive(Clone, PartialEq, Eq)]
pub struct Program {
    pub(crate) bytes: Vec<u8>,
    architecture: Architecture,
    is_static: bool,
}

impl Program {
    /// Reads a program.
    ///
    /// # Errors
    /// If there is no such file, or it is no program that an image may hold.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let bytes = std::fs::read(path).with_context(|| {
            format!(
                "the program {} cannot be read: build it first, or give the path of another",
                path.display()
            )
        })?;
        Self::parse(bytes).with_context(|| format!("{} cannot be the program of an image", path.display()))
    }

    fn parse(bytes: Vec<u8>) -> anyhow::Result<Self> {
        let not_elf = "it is not an ELF file for 64-bit Linux";
        let header = FileHeader64::<Endianness>::parse(&*bytes).ok().context(not_elf)?;
        let endian = header.endian().ok().filter(|endian| *endian == Endianness::Little).context(not_elf)?;
        let kind = header.e_type(endian);
        ensure!(kind == ET_EXEC || kind == ET_DYN, "it is an ELF file, but not one that can be run");
        let architecture = match header.e_machine(endian) {
            EM_X86_64 => Architecture::Amd64,
            EM_AARCH64 => Architecture::Arm64,
            other => bail!("it is for processor {other} of ELF; there are images for amd64 and arm64"),
        };
        let parts =
            header.program_headers(endian, &*bytes).ok().context("its program headers are damaged")?;
        let is_static = parts.iter().all(|part| part.p_type(endian) != PT_INTERP);
        Ok(Self { bytes, architecture, is_static })
    }

    /// The processor that it was built for.
    pub fn architecture(&self) -> Architecture {
        self.architecture
    }

    /// Whether it runs without a dynamic loader and libraries, of which an image has none.
    pub fn is_static(&self) -> bool {
        self.is_static
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a program of {} bytes for {}", self.bytes.len(), self.architecture)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header of a program without parts.
    fn header(kind: u8, machine: u8) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1, 1]);
        (bytes[16], bytes[18], bytes[20]) = (kind, machine, 1);
        bytes
    }

    fn refused(bytes: Vec<u8>) -> String {
        Program::parse(bytes).unwrap_err().to_string()
    }

    #[test]
    fn the_processor_is_read_from_the_file() {
        let of = |machine| Program::parse(header(2, machine)).unwrap().architecture();
        assert_eq!([62, 183].map(of), [Architecture::Amd64, Architecture::Arm64]);
    }

    #[test]
    fn what_is_no_program_is_refused() {
        assert!(refused(b"#!/bin/sh\n".to_vec()).contains("not an ELF file"));
        assert!(refused(Vec::new()).contains("not an ELF file"));
        assert!(refused(header(1, 62)).contains("not one that can be run"));
        assert!(refused(header(2, 40)).contains("processor 40"));
        let mut damaged = header(2, 62);
        (damaged[32], damaged[54], damaged[56]) = (200, 56, 9);
        assert!(refused(damaged).contains("damaged"));
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Program::read(Path::new("/no/such/ako")).unwrap_err();
        assert!(format!("{error:#}").contains("/no/such/ako cannot be read: build it first"), "{error:#}");
    }
}
