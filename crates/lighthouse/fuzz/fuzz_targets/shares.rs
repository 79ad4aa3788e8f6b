//! No bytes and no text make the readers of shares panic, and what is read gives a key or an error.
#![no_main]

use healthsync_lighthouse::{SealKeyPair, Share, recover, shares::candidates};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let shares: Vec<Share> = bytes
        .chunks(64)
        .filter_map(|bytes| Share::from_bytes(bytes).ok())
        .collect();
    let _ = recover(&shares);
    let numbered: Vec<(usize, Share)> = shares.into_iter().take(5).enumerate().collect();
    if let Ok(found) = candidates(&numbered, 3) {
        for candidate in found {
            assert!(candidate.agreeing.len() >= 3);
        }
    }
    let _ = serde_json::from_slice::<Share>(bytes);
    let cid = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
    assert!(SealKeyPair::from_seed([1; 32]).open(bytes, 1, cid).is_err());
});
