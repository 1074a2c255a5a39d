//! The log in a file on a volume, as AKO writes it.
//!
//! The rotation is our own: libraries for it end the program, or drop lines without a word, when the
//! volume is full or gone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

/// How large a file gets before it is put away.
const LIMIT: u64 = 500 << 20;
/// How many files are kept that were put away.
const KEPT: usize = 5;

/// A file that is compressed and put away when it is too large.
#[derive(Debug)]
pub(super) struct Rotated {
    path: PathBuf,
    file: Option<File>,
    /// How much was written since the file was begun, or could not be put away.
    written: u64,
    limit: u64,
}

impl Rotated {
    /// A file; it is made when something is written.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, file: None, written: 0, limit: LIMIT }
    }

    /// The file that was put away so many files ago.
    fn put_away(&self, age: usize) -> PathBuf {
        with_end(&self.path, &format!(".{age}.gz"))
    }

    /// Compresses what there is, and begins anew. If that fails, the file goes on as it is.
    fn rotate(&mut self) -> io::Result<()> {
        self.written = 0;
        let partial = with_end(&self.path, ".partial");
        if let Err(error) = compress(&self.path, &partial) {
            // It would only take more of a volume that is full.
            let _ = fs::remove_file(&partial);
            return Err(error);
        }
        for age in (1..KEPT).rev() {
            match fs::rename(self.put_away(age), self.put_away(age + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(&partial, self.put_away(1))?;
        self.file = None;
        fs::remove_file(&self.path)
    }

    fn open(&mut self) -> io::Result<&mut File> {
        match &mut self.file {
            Some(file) => Ok(file),
            none => {
                let opened = OpenOptions::new().create(true).append(true).open(&self.path)?;
                self.written = opened.metadata()?.len();
                Ok(none.insert(opened))
            }
        }
    }
}

impl Write for Rotated {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
        self.open()?;
        let rotated = if self.written > 0 && self.written.saturating_add(length) > self.limit {
            self.rotate()
        } else {
            Ok(())
        };
        self.open()?.write_all(line)?;
        self.written = self.written.saturating_add(length);
        rotated.map(|()| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), File::flush)
    }
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

fn compress(from: &Path, to: &Path) -> io::Result<()> {
    let mut compressed = GzEncoder::new(File::create(to)?, Compression::fast());
    io::copy(&mut File::open(from)?, &mut compressed)?;
    compressed.finish()?.sync_all()
}

/// A writer of which is told elsewhere, and to nobody else, that it fails, once until it works
/// again, and that lines were dropped before they came to it.
#[derive(Debug)]
pub(super) struct Told<W, T, D> {
    writer: W,
    /// Where it is told.
    to: T,
    /// How many lines did not come here, as there was no room for them to wait.
    dropped: D,
    /// How many of those are told.
    said: usize,
    /// How many lines could not be written since it failed.
    lost: u64,
}

impl<W: Write, T: Write, D: FnMut() -> usize> Told<W, T, D> {
    pub(super) fn new(writer: W, to: T, dropped: D) -> Self {
        Self { writer, to, dropped, said: 0, lost: 0 }
    }

    /// Tells of dropped lines, again when they are twice as many.
    fn tell_dropped(&mut self) {
        let dropped = (self.dropped)();
        if dropped > self.said.saturating_mul(2) {
            self.said = dropped;
            let _ = writeln!(
                self.to,
                "the volume of the log file is too slow: {dropped} lines were dropped so far"
            );
        }
    }
}

impl<W: Write, T: Write, D: FnMut() -> usize> Write for Told<W, T, D> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.tell_dropped();
        // Who cannot be told either is not told.
        match self.writer.write_all(line) {
            Ok(()) if self.lost > 0 => {
                let _ =
                    writeln!(self.to, "the log file is written again; at most {} lines are lost", self.lost);
                self.lost = 0;
            }
            Ok(()) => {}
            Err(error) => {
                if self.lost == 0 {
                    let _ = writeln!(
                        self.to,
                        "the log file cannot be written, or not be put away: {error}; make room on its volume, lines are \
                         lost until then"
                    );
                }
                self.lost += 1;
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    fn text(path: &Path) -> String {
        let mut text = String::new();
        GzDecoder::new(File::open(path).unwrap()).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn full_files_are_put_away_and_the_oldest_one_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ako-0.avi.log.1");
        let mut log = Rotated { limit: 10, ..Rotated::new(path.clone()) };
        for line in 0..8 {
            writeln!(log, "line {line}").unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "line 7\n");
        assert_eq!(text(&log.put_away(1)), "line 6\n");
        assert_eq!(text(&log.put_away(KEPT)), "line 2\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), KEPT + 1);
    }

    #[test]
    fn a_file_that_cannot_be_put_away_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = Rotated { limit: 10, ..Rotated::new(path.clone()) };
        log.write_all(b"first\n").unwrap();
        fs::create_dir(folder.path().join("log.partial")).unwrap();
        assert!(log.write_all(b"second\n").is_err());
        log.write_all(b"3\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "first\nsecond\n3\n");
    }

    /// Fails while its volume is full.
    struct Volume(bool);

    impl Write for &mut Volume {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            if self.0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(line.len()) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_volume_is_told_once_and_that_it_is_over() {
        let (mut volume, mut told) = (Volume(true), Vec::new());
        let mut lost = 0;
        for is_full in [true, true, false, false] {
            volume.0 = is_full;
            let mut log = Told { lost, ..Told::new(&mut volume, &mut told, || 0) };
            log.write_all(b"a line\n").unwrap();
            lost = log.lost;
        }
        let told = String::from_utf8(told).unwrap();
        let lines: Vec<_> = told.lines().collect();
        assert_eq!(lines.len(), 2, "{told}");
        assert!(lines[0].contains("cannot be written") && lines[0].contains("make room"), "{told}");
        assert!(lines[1].ends_with("2 lines are lost"), "{told}");
    }

    #[test]
    fn dropped_lines_are_told_when_they_are_twice_as_many() {
        let (mut dropped, mut told) = ([0, 1, 1, 2, 3, 6, 7].into_iter(), Vec::new());
        let mut log = Told::new(io::sink(), &mut told, || dropped.next().unwrap_or(7));
        for _ in 0..7 {
            log.write_all(b"a line\n").unwrap();
        }
        let told = String::from_utf8(told).unwrap();
        let counts: Vec<_> = told.split_whitespace().filter(|word| word.parse::<u32>().is_ok()).collect();
        assert_eq!(counts, ["1", "3", "7"], "{told}");
    }
}
