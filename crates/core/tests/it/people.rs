//! People with wallets and devices, for all tests: fixed keys, real signatures.

use std::sync::OnceLock;

use healthsync_core::{
    Delegation, DeviceKey, DeviceSecret, Event, EventId, Kind, Millis, OptionId, Person, Reveal,
    Revocation, RoomId, RoomLog, SignedDelegation, SignedEvent, SignedRevocation, Signing, eth,
};
use sha2::{Digest, Sha256};

pub(crate) const CHAIN: u64 = 31337;
pub(crate) const ROOM: RoomId = RoomId([7; 32]);
/// 2026-09-21, in seconds.
pub(crate) const T0: u64 = 1_790_000_000;

/// One device of one person, with its own idea of the room.
#[derive(Clone)]
pub(crate) struct Device {
    pub(crate) person: Person,
    pub(crate) secret: DeviceSecret,
    pub(crate) delegation: SignedDelegation,
    pub(crate) room: RoomId,
    pub(crate) seq: u64,
    pub(crate) prev: Option<EventId>,
    pub(crate) lamport: u64,
}

impl Device {
    /// Device `d`, from 0 to 7, of person `p`, from 0 to 22.
    pub(crate) fn new(p: u8, d: u8) -> Self {
        static SIGNED: [OnceLock<SignedDelegation>; 184] = [const { OnceLock::new() }; 184];
        let wallet = wallet(p);
        let secret = DeviceSecret::from_bytes([0x40 + 8 * p + d; 32]);
        let person = eth::person_of_secret(&wallet).unwrap();
        let delegation = SIGNED[usize::from(8 * p + d)]
            .get_or_init(|| delegate(&wallet, &secret, T0, T0 + 86_400, CHAIN))
            .clone();
        Self {
            person,
            secret,
            delegation,
            room: ROOM,
            seq: 0,
            prev: None,
            lamport: 0,
        }
    }

    /// The next event of this device, one second after the one before.
    pub(crate) fn say(&mut self, kind: Kind) -> SignedEvent {
        self.lamport += 1;
        self.say_at(kind, Millis::from_seconds(T0 + self.seq))
    }

    /// The next event, with the Lamport clock as it stands.
    pub(crate) fn say_at(&mut self, kind: Kind, at: Millis) -> SignedEvent {
        self.seq += 1;
        let event = Event {
            v: 1,
            room: self.room,
            person: self.person,
            device: self.secret.public(),
            seq: self.seq,
            prev: self.prev,
            lamport: self.lamport.max(1),
            at,
            kind,
        };
        event.check().unwrap();
        let signed = SignedEvent::sign(event, &self.secret);
        self.prev = Some(signed.id());
        signed
    }

    /// The event that a device begins with.
    pub(crate) fn enter(&mut self) -> SignedEvent {
        let delegation = self.delegation.clone();
        self.say(Kind::Delegation { delegation })
    }
}

/// The secret key of person `p`'s account.
pub(crate) fn wallet(p: u8) -> [u8; 32] {
    [p + 1; 32]
}

/// Person `p`'s wallet ends `device`'s right to speak, from so many seconds after [`T0`] on.
pub(crate) fn revoke(p: u8, device: DeviceKey, after: u64) -> SignedRevocation {
    let revocation = Revocation {
        person: eth::person_of_secret(&wallet(p)).unwrap(),
        device,
        revoked_at: T0 + after,
        chain_id: CHAIN,
    };
    let signature = eth::sign_hash(&revocation.signing_hash(), &wallet(p)).unwrap();
    SignedRevocation {
        revocation,
        signature,
    }
}

pub(crate) fn delegate(
    wallet: &[u8; 32],
    secret: &DeviceSecret,
    issued_at: u64,
    expires_at: u64,
    chain_id: u64,
) -> SignedDelegation {
    let delegation = Delegation {
        person: eth::person_of_secret(wallet).unwrap(),
        device: secret.public(),
        issued_at,
        expires_at,
        chain_id,
    };
    let signature = eth::sign_hash(&delegation.signing_hash(), wallet).unwrap();
    SignedDelegation {
        delegation,
        signature,
    }
}

/// An empty log of the room, owned by person 0.
pub(crate) fn log() -> RoomLog {
    RoomLog::new(ROOM, Device::new(0, 0).person, CHAIN)
}

pub(crate) fn log_of<'a>(events: impl IntoIterator<Item = &'a SignedEvent>) -> RoomLog {
    let mut log = log();
    for event in events {
        log.insert(event.clone()).unwrap();
    }
    log
}

pub(crate) fn message(text: &str) -> Kind {
    Kind::message(text)
}

pub(crate) fn case() -> Kind {
    Kind::Case {
        caption: "Chest, 54 y".into(),
        images: vec![healthsync_core::ImageRef {
            cid: "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy".into(),
            name: "chest.png".into(),
            mime: "image/png".into(),
            size: 1_234_567,
            width: 1024,
            height: 768,
            series: None,
            receipt: None,
        }],
    }
}

pub(crate) fn poll(case: EventId, open_options: bool) -> Kind {
    Kind::Poll {
        case,
        question: "What is it?".into(),
        options: vec!["Sarcoidosis".into(), "Tuberculosis".into()],
        open_options,
        signing: Signing::Device,
        reveal: Reveal::Open,
    }
}

pub(crate) fn vote(poll: EventId, option: OptionId) -> Kind {
    Kind::Vote {
        poll,
        option,
        wallet: None,
    }
}

/// A close that certifies votes and, as older programs did, no options.
pub(crate) fn close(poll: EventId, counted: Vec<EventId>) -> Kind {
    Kind::Close {
        poll,
        counted,
        options: None,
        registry: None,
    }
}

/// A short discussion of three people on five devices: always the same events.
pub(crate) fn story() -> Vec<SignedEvent> {
    let mut devices: Vec<Device> = [(0, 0), (0, 1), (1, 0), (2, 0), (2, 1)]
        .map(|(p, d)| Device::new(p, d))
        .into();
    let mut all: Vec<SignedEvent> = devices.iter_mut().map(Device::enter).collect();
    let shown = devices[0].say(case());
    let asked = devices[2].say(poll(shown.id(), true));
    let question = asked.id();
    all.extend([shown, asked]);
    for (who, index) in [(0, 0), (1, 1), (2, 1), (3, 0), (4, 1), (3, 1)] {
        devices[who].lamport = log_of(&all).next_lamport() - 1;
        let option = OptionId {
            event: question,
            index,
        };
        all.push(devices[who].say(message("Hilar nodes, “both” sides.")));
        all.push(devices[who].say(vote(question, option)));
    }
    all
}

/// What must come out of [`story`] on every platform: the ids (and with them every byte and signature before them)
/// and the counts.
pub(crate) fn outcome(log: &RoomLog) -> String {
    let mut events: Vec<String> = log.ids().map(|id| id.to_string()).collect();
    events.sort_unstable();
    let polls = log.state().cases.iter().flat_map(|case| &case.polls);
    let counts: Vec<u32> = polls
        .flat_map(|poll| &poll.options)
        .map(|option| option.count)
        .collect();
    let digest = Sha256::digest(events.concat());
    format!("{} {} {counts:?}", events.len(), hex::encode(digest))
}

pub(crate) const OUTCOME: &str =
    "19 6676d597db75451af6e33fd7a519d1867c66eacc632f7eb12981dc87c85762ad [0, 3]";

/// A step from one content id of [`case`]'s image to another: 0 is the first.
pub(crate) fn renewed(was: usize, now: usize) -> healthsync_core::Renewed {
    let cid = |step| match (step, case()) {
        (0, Kind::Case { images, .. }) => images[0].cid.clone(),
        _ => format!("bafkrei-step-{step}"),
    };
    healthsync_core::Renewed {
        was: cid(was),
        cid: cid(now),
        size: now as u64,
    }
}
