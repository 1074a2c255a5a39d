//! The operator between both simulators for ten virtual minutes, without faults.

use std::time::Instant;

use ako_simulation::quiet::ten_minutes;

#[test]
fn every_change_arrives_and_nothing_else_is_written() {
    let begun = Instant::now();
    let (wrong, writes) = ten_minutes().unwrap();
    println!("ten virtual minutes: {:.2} s, {writes} writes", begun.elapsed().as_secs_f64());
    assert_eq!(wrong, Vec::<String>::new());
    assert!(writes > 0);
}
