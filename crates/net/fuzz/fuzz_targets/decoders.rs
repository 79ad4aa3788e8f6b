//! Bytes of a peer into every decoder: read or refused, never a panic, and what is read writes back to the same meaning.
#![no_main]

use healthsync_net::{
    blob::wire::{Answer, Ask},
    circuit::{HopMessage, StopMessage},
    native::webrtc::stun::Request,
    protobuf::{self, Reader},
    signal::{Exchange, Message, Role},
    tabs,
    webrtc::{
        credentials::parse_username,
        frame::{Decoder, MAX_FRAME},
        sdp,
    },
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = protobuf::varint(bytes);
    if let Ok(message) = tabs::Message::decode(bytes) {
        assert_eq!(tabs::Message::decode(&message.encode()), Ok(message));
    }
    let mut reader = Reader::new(bytes);
    while let Ok(Some(_)) = reader.field() {}
    let mut frames = Decoder::default();
    frames.push(bytes);
    while let Ok(Some(frame)) = frames.frame() {
        assert!(frame.payload.len() < MAX_FRAME);
    }
    if let Ok(request) = Request::parse(bytes) {
        assert!(parse_username(request.username).is_ok());
        assert!(request.answer(([127, 0, 0, 1], 1).into()).len() <= bytes.len() + 12);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = parse_username(text);
        let _ = (sdp::password(text), sdp::fingerprint(text));
    }
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
