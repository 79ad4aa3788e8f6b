//! Bytes and text of a peer into every reader: read or refused, never a panic, and what is read writes back to the same
//! meaning. Nothing opens that was not sealed with the room's key.
#![no_main]

use healthsync_core::{
    DeviceToken, Envelope, Millis, Person, Request, Response, RoomId, RoomKey, Signature65,
    SignedEvent, TokenId, open_ephemeral,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(request) = Request::decode(bytes) {
        assert_eq!(Request::decode(&request.encode()), Ok(request));
    }
    if let Ok(response) = Response::decode(bytes) {
        assert_eq!(Response::decode(&response.encode()), Ok(response));
    }
    let key = RoomKey::from_master(&[3; 32], &RoomId([0; 32]), 0);
    if let Ok(envelope) = Envelope::decode_unverified(bytes) {
        assert_eq!(envelope.encode(), bytes);
        assert!(envelope.open(&key).is_err());
    }
    let _ = Envelope::decode(bytes);
    let mut room = RoomId([0; 32]);
    if let Some(named) = bytes.get(1..33) {
        room.0.copy_from_slice(named);
    }
    assert!(open_ephemeral(bytes, &room, &key).is_err());
    assert!(SignedEvent::decode(bytes.to_vec(), [0; 64]).is_err());
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Ok(token) = DeviceToken::from_bearer(text) {
            assert_eq!(token.to_bearer(), text);
            assert!(token.verify(31337, Millis(1)).is_err());
        }
        if let Ok(person) = text.parse::<Person>() {
            assert_eq!(person.to_string().parse(), Ok(person));
        }
        let _ = text.parse::<RoomId>();
        let _ = text.parse::<TokenId>();
        let _ = text.parse::<Signature65>();
    }
});
