//! No text makes the parser of aggregators panic or take long, and what it reads it can judge.
#![no_main]

use healthsync_lighthouse::conditions::aggregator::Expression;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(expression) = Expression::parse(text) {
        let _ = expression.ids();
        assert_eq!(
            expression.value(&|_| None),
            None,
            "what is unknown decides nothing"
        );
    }
});
