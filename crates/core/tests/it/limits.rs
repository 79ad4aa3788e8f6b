//! Limits say what is too long and by how much, and hold for what peers send.

use healthsync_core::{
    EventError, EventId, Kind, LimitError, OptionId, Person, PhotoReceipt, RegistryAt, Signature65,
    SignedEvent, WalletVote, limits,
};

use crate::people::{Device, case, close, message, poll, revoke};

#[test]
fn limits_speak_in_sentences() {
    let too_long = limits::check_message(&"ä".repeat(8_120)).unwrap_err();
    insta::assert_snapshot!(too_long, @"The message has 8120 characters; the limit is 8000, so 120 too many.");
    insta::assert_snapshot!(limits::check_message(&"🩻".repeat(5_000)).unwrap_err(), @"The message has 20000 bytes; the limit is 16384, so 3616 too many.");
    insta::assert_snapshot!(limits::check_message(" \n").unwrap_err(), @"The message is empty.");
    insta::assert_snapshot!(limits::check_name(&"n".repeat(121)).unwrap_err(), @"The name has 121 characters; the limit is 120, so 1 too many.");
    insta::assert_snapshot!(limits::check_options(&["one".into()]).unwrap_err(), @"The question needs at least 2 options; there are 1.");
    insta::assert_snapshot!(limits::check_images(65).unwrap_err(), @"The case has 65 images; the limit is 64, so 1 too many.");
    assert_eq!(limits::check_message(&"ä".repeat(8_000)), Ok(()));
    assert_eq!(limits::check_caption(""), Ok(()));
}

/// Signed by its device, but never checked: what a hostile peer would send.
fn sent(change: impl FnOnce(&mut healthsync_core::Event)) -> Result<SignedEvent, EventError> {
    let mut device = Device::new(1, 0);
    let mut event = device.say(message("x")).event;
    change(&mut event);
    let signed = SignedEvent::sign(event, &device.secret);
    SignedEvent::decode(signed.bytes, signed.signature)
}

#[test]
fn a_peers_event_beyond_a_limit_is_refused() {
    assert!(sent(|_| ()).is_ok());
    let id = NOBODY;
    let kinds: [Kind; 16] = [
        message(&"x".repeat(8_001)),
        message(""),
        Kind::Room {
            name: "x".repeat(121),
        },
        Kind::Case {
            caption: "x".into(),
            images: vec![],
        },
        match case() {
            Kind::Case { images, .. } => Kind::Case {
                caption: String::new(),
                images: vec![images[0].clone(); 65],
            },
            other => other,
        },
        match poll(NOBODY, true) {
            Kind::Poll {
                case,
                question,
                open_options,
                signing,
                reveal,
                ..
            } => Kind::Poll {
                case,
                question,
                options: vec!["x".into(); 13],
                open_options,
                signing,
                reveal,
            },
            other => other,
        },
        Kind::Option {
            poll: NOBODY,
            text: " ".into(),
        },
        close(NOBODY, vec![NOBODY; 401]),
        Kind::Close {
            poll: NOBODY,
            counted: vec![],
            options: Some(vec![NOBODY; 41]),
            registry: None,
        },
        message(&"x".repeat(40_000)),
        Kind::Message {
            text: "x".into(),
            to: None,
            mentions: vec![healthsync_core::Person([0; 20]); 33],
        },
        Kind::Edit {
            of: id,
            text: "x".repeat(8_001),
        },
        Kind::Edit {
            of: id,
            text: "\n".into(),
        },
        Kind::Profile {
            name: "x".repeat(61),
            role: String::new(),
            city: String::new(),
        },
        Kind::Profile {
            name: String::new(),
            role: String::new(),
            city: "x".repeat(61),
        },
        Kind::Epoch {
            epoch: 1 << 16,
            block: 1,
            removed: vec![healthsync_core::Person([0; 20]); 257],
            readers: 1,
        },
    ];
    for kind in kinds {
        assert!(matches!(
            sent(|event| event.kind = kind),
            Err(EventError::Limit(_))
        ));
    }
}

#[test]
fn a_photographs_receipt_is_bounded_and_names_its_file() {
    let with = |change: fn(&mut PhotoReceipt)| {
        let mut receipt = PhotoReceipt {
            tool: "HealthSync 0.1.0".into(),
            sha256: "0a".repeat(32),
            removed: vec!["exif".into()],
        };
        change(&mut receipt);
        let Kind::Case {
            caption,
            mut images,
        } = case()
        else {
            unreachable!("it makes a case");
        };
        images[0].receipt = Some(receipt);
        sent(|e| e.kind = Kind::Case { caption, images }).map(|event| event.event.kind)
    };
    let Ok(Kind::Case { images, .. }) = with(|_| ()) else {
        panic!("a good receipt is taken");
    };
    let receipt = images[0].receipt.as_ref().expect("it travels");
    assert!(receipt.is_of(&[10; 32]) && !receipt.is_of(&[11; 32]));
    let error = |change| with(change).expect_err("refused").to_string();
    insta::assert_snapshot!(error(|receipt| receipt.sha256.make_ascii_uppercase()), @"A receipt's SHA-256 is 64 lower-case hex digits.");
    insta::assert_snapshot!(error(|receipt| receipt.tool = "t".repeat(25)), @"The receipt's tool has 25 characters; the limit is 24, so 1 too many.");
    insta::assert_snapshot!(error(|receipt| receipt.removed = vec!["exif".into(); 17]), @"The receipt has 17 kinds of data; the limit is 16, so 1 too many.");
    insta::assert_snapshot!(error(|receipt| receipt.removed[0] = "k".repeat(25)), @"A kind of data has 25 characters; the limit is 24, so 1 too many.");
}

const NOBODY: EventId = EventId([0; 32]);

fn numbered(number: u64) -> Kind {
    Kind::Vote {
        poll: NOBODY,
        option: OptionId {
            event: NOBODY,
            index: 0,
        },
        wallet: Some(WalletVote {
            number,
            signature: Signature65([0; 65]),
        }),
    }
}

#[test]
fn an_impossible_place_in_the_history_is_refused() {
    let changes: [fn(&mut healthsync_core::Event); 9] = [
        |e| e.kind = numbered(0),
        |e| e.kind = numbered(1 << 53),
        |e| e.seq = 0,
        |e| e.seq = 2,
        |e| e.prev = Some(EventId([1; 32])),
        |e| (e.seq, e.prev) = (1 << 53, Some(EventId([1; 32]))),
        |e| e.seq = u64::MAX,
        |e| e.lamport = 0,
        |e| e.lamport = u64::MAX,
    ];
    for change in changes {
        assert!(matches!(sent(change), Err(EventError::Place)));
    }
    assert!(matches!(sent(|e| e.v = 2), Err(EventError::Version(2))));
    let other = Device::new(2, 0).delegation;
    let foreign = sent(|e| e.kind = Kind::Delegation { delegation: other });
    assert!(matches!(foreign, Err(EventError::Delegation)));
    let revocation = revoke(2, Device::new(2, 0).secret.public(), 60);
    let foreign = sent(|e| {
        e.kind = Kind::Revocation {
            revocation,
            last: 1,
        }
    });
    assert!(matches!(foreign, Err(EventError::Delegation)));
    for (epoch, block) in [(0, 1), (0xffff, 1), (1 << 16, 1 << 53)] {
        let (removed, readers) = (vec![], 1);
        let kind = Kind::Epoch {
            epoch,
            block,
            removed,
            readers,
        };
        assert!(matches!(sent(|e| e.kind = kind), Err(EventError::Epoch)));
    }
}

#[test]
fn the_largest_event_fits_an_envelope() {
    let counted = vec![EventId([0xff; 32]); limits::COUNTED_VOTES];
    let close = Kind::Close {
        poll: counted[0],
        counted,
        options: Some(vec![NOBODY; limits::CERTIFIED_OPTIONS]),
        registry: Some(RegistryAt {
            address: Person([0xff; 20]),
            block: limits::CLOCK,
        }),
    };
    assert!(sent(|e| e.kind = close).is_ok());
    let images = match case() {
        Kind::Case { images, .. } => images,
        _ => vec![],
    };
    // By an older release with the longest name, by this one with everything in the file that can be.
    let kinds = "exif xmp iptc text time thumbnail colour-text broken-profile other trailing";
    let kinds = kinds.split(' ').map(str::to_owned).collect();
    let named = healthsync_core::ImageRef {
        name: "n".repeat(limits::NAME_CHARS),
        ..images[0].clone()
    };
    let cleaned = healthsync_core::ImageRef {
        name: "WEBP, 10000 × 10000".into(),
        receipt: Some(PhotoReceipt {
            tool: "HealthSync 10.10.10".into(),
            sha256: "0a".repeat(32),
            removed: kinds,
        }),
        ..images[0].clone()
    };
    for image in [named, cleaned] {
        let full = Kind::Case {
            caption: "c".repeat(limits::CAPTION_CHARS),
            images: vec![image; limits::IMAGES_PER_CASE],
        };
        assert!(sent(|e| e.kind = full).is_ok());
    }
    const { assert!(limits::EVENT_BYTES + 64 + 16 + 157 <= limits::ENVELOPE_BYTES) };
    let error = limits::check_count("The event", "bytes", 2, 1);
    assert!(matches!(error, Err(LimitError::TooLong { .. })));
}
