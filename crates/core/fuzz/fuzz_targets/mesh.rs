//! What another relay may send: read or refused, never a panic, and what is read writes back to the same meaning.
//! Nobody's signature is made by chance.
#![no_main]

use healthsync_core::{MeshAnswer, MeshAsk};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(ask) = MeshAsk::decode(bytes) {
        assert_eq!(MeshAsk::decode(&ask.encode()), Ok(ask));
    }
    if let Ok(answer) = MeshAnswer::decode(bytes) {
        match &answer {
            MeshAnswer::Revoked(revoked) => drop(revoked.verify(31337)),
            MeshAnswer::Live { proof, .. } => drop(proof.as_ref().map(|proof| proof.verify(31337))),
            MeshAnswer::Page { proofs, .. } => {
                assert!(proofs.iter().take(4).all(|proof| proof.verify(1).is_err()));
            }
            MeshAnswer::Behind | MeshAnswer::Rooms { .. } | MeshAnswer::Unavailable => {}
        }
        assert_eq!(MeshAnswer::decode(&answer.encode()), Ok(answer));
    }
});
