//! Tries bytes on the target that environment variable `AKO_FUZZ_TARGET` names.

#![no_main]

use std::sync::LazyLock;

use ako_fuzzing::Target;
use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("AKO_FUZZ_TARGET").unwrap_or_default();
    let known: Vec<_> = ako_fuzzing::TARGETS.iter().map(|(name, _)| *name).collect();
    ako_fuzzing::target(&name).unwrap_or_else(|| panic!("AKO_FUZZ_TARGET is none of {}", known.join(", ")))
});

fuzz_target!(|data: &[u8]| TARGET(data));
