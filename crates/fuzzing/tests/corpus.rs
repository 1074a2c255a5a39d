//! The corpus, replayed.

use std::path::Path;

use ako_fuzzing::TARGETS;

#[test]
fn no_input_of_the_corpus_is_too_much_for_its_target() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let folders = std::fs::read_dir(&corpus).unwrap().count();
    assert_eq!(folders, TARGETS.len(), "a folder for each target");
    for (name, target) in TARGETS {
        let mut inputs: Vec<_> =
            std::fs::read_dir(corpus.join(name)).unwrap().map(|e| e.unwrap().path()).collect();
        inputs.sort();
        assert!(inputs.len() > 1, "{name} has no inputs");
        for input in &inputs {
            println!("{}", input.display());
            target(&std::fs::read(input).unwrap());
        }
        println!("{name}: {} inputs", inputs.len());
    }
}
