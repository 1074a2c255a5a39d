//! The operator binary `ako`.

fn main() {}
