//! No JSON makes the checks of conditions panic, and what passes them becomes a question or an error.
#![no_main]

use healthsync_core::Person;
use healthsync_lighthouse::conditions::{Rules, Shape, question};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};

fuzz_target!(|bytes: &[u8]| {
    let Ok(input) = serde_json::from_slice::<Value>(bytes) else {
        return;
    };
    for shape in [Shape::Update, Shape::WithShards] {
        if let Ok(rules) = Rules::read(&input, shape)
            && rules.check_for_node().is_ok()
        {
            for condition in &rules.conditions {
                let _ = question(condition, Person([7; 20]), &Map::new());
            }
        }
    }
});
