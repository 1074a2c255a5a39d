//! The one layer of an image: an archive of its files.

use std::io::Write as _;

use anyhow::Context as _;
use flate2::{Compression, GzBuilder};
use tar::{Builder, EntryType, Header};

use crate::digest::digest;
use crate::root::Entry;

pub(crate) struct Layer {
    pub(crate) compressed: Vec<u8>,
    /// Of the archive before it was compressed: what an image is told apart by.
    pub(crate) archive: String,
    /// Of all files together.
    pub(crate) unpacked: u64,
}

impl Layer {
    /// Depends on the entries alone: all times are 0, all owners are root, and the header of
    /// gzip says neither when nor on what it was made.
    pub(crate) fn of(entries: &[Entry]) -> anyhow::Result<Self> {
        let mut archive = Builder::new(Vec::new());
        let mut unpacked = 0;
        for entry in entries {
            let content = entry.content.as_deref().unwrap_or_default();
            let is_file = entry.content.is_some();
            let mut header = Header::new_ustar();
            header.set_entry_type(if is_file { EntryType::Regular } else { EntryType::Directory });
            header.set_mode(entry.mode);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(0);
            header.set_size(content.len() as u64);
            let path = if is_file { entry.path.clone() } else { format!("{}/", entry.path) };
            archive
                .append_data(&mut header, &path, content)
                .with_context(|| format!("adding {path} to the layer"))?;
            unpacked += content.len() as u64;
        }
        let archive = archive.into_inner().context("ending the layer")?;
        let mut compressed = GzBuilder::new().write(Vec::new(), Compression::default());
        compressed.write_all(&archive).context("compressing the layer")?;
        let compressed = compressed.finish().context("compressing the layer")?;
        Ok(Self { archive: digest(&archive), compressed, unpacked })
    }
}
