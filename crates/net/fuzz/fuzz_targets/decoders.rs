//! Bytes of a peer into every decoder: read or refused, never a panic, and what is read writes back to the same meaning.
#![no_main]

use healthsync_net::{
    blob::wire::{Answer, Ask},
    circuit::{HopMessage, StopMessage},
    protobuf::{self, Reader},
    signal::{Exchange, Message, Role},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = protobuf::varint(bytes);
    let mut reader = Reader::new(bytes);
    while let Ok(Some(_)) = reader.field() {}
    if let Ok(message) = HopMessage::decode(bytes) {
        assert_eq!(HopMessage::decode(&message.encode()), Ok(message));
    }
    if let Ok(message) = StopMessage::decode(bytes) {
        assert_eq!(StopMessage::decode(&message.encode()), Ok(message));
    }
    if let Ok(ask) = Ask::decode(bytes) {
        assert_eq!(ask.encode(), bytes);
    }
    if let Ok(answer) = Answer::decode(bytes) {
        assert_eq!(answer.encode(), bytes);
    }
    if let Ok(message) = Message::decode(bytes) {
        assert_eq!(Message::decode(&message.encode()), Ok(message.clone()));
        for role in [Role::Caller, Role::Called] {
            let _ = Exchange::new(role).received(message.clone());
        }
    }
});
