//! The container image of the operator, as an OCI image layout: a folder that `skopeo`, `crane`
//! and the like push to a registry. It is assembled here, from programs that were built before;
//! no container engine is asked.
//!
//! ```no_run
//! use std::path::Path;
//! use ako_image::{About, Program, Variant, extract, write};
//!
//! # fn main() -> anyhow::Result<()> {
//! let root = Path::new(".");
//! let bill = ako_image::bill_of_materials(root, "x86_64-unknown-linux-musl", "1.95.0")?;
//! let program = Program::read(Path::new("target/ako"))?;
//! let variant = Variant { program, bill, untried: false };
//! let about = About { version: "1.2.3".into(), ..About::default() };
//! let written = write(&about, &[variant], Path::new("target/container-image"))?;
//! println!("{}", written.digest);
//! # Ok(())
//! # }
//! ```
//!
//! Invariants:
//! - The same programs and the same [`About`] make the same bytes: nothing is asked of the clock,
//!   of this machine's files, or of an order that changes.
//! - What is in the image is the list in `root`, and nothing else: no shell, no package manager.
//!
//! Why it is as it is: `docs/decisions/020-image.md`.

mod bill;
mod digest;
mod extract;
mod layer;
mod layout;
mod program;
mod root;

pub use bill::bill_of_materials;
pub use extract::{Container, extract};
pub use layout::{About, UNTRIED, Variant, Written, WrittenVariant, write};
pub use program::{Architecture, Program};
pub use root::{BILL, CERTIFICATES, PROGRAM, USER};
