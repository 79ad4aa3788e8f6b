//! The texts that wallets sign to prove their address, and how often each may serve.
//!
//! One text serves one operation: the first call that uses it binds it to that operation and content id. The
//! official client asks the nodes one after the other and repeats a failed call up to twice, so within the
//! operation each node takes it three times. Several texts of one address can be open at once, so that two tabs do not
//! disturb each other. Anybody may ask for texts of any address; that never closes one that waits for its signature.

use std::collections::{HashMap, VecDeque};

use healthsync_core::eth::recover_eip191;
use healthsync_core::{Millis, Person, Signature65};

const TEXT: &str = "Please sign this message to prove you are owner of this account: ";
/// How long a text waits for its first use, and then for its last.
const LIFE: u64 = 5 * 60 * 1000;
/// Open texts of one address. A further one closes one that has served, or repeats one that waits.
const OPEN: usize = 8;
/// Addresses that may have open texts: more than one caller gets through the server's limit (1,200, then 200 a second)
/// while a text lives. Beyond it the address that has waited longest loses its own, rather than nobody getting any.
const ADDRESSES: usize = 65_536;
/// How often one node takes one text.
const USES_PER_NODE: u8 = 3;
/// What belongs to no node is done in one call, so once.
pub(super) const NO_NODE: u8 = 0;

/// What a signature is used for. Two calls of one operation compare equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Purpose {
    pub(super) operation: &'static str,
    pub(super) cid: String,
}

#[derive(Debug)]
struct Open {
    text: String,
    until: Millis,
    bound: Option<Purpose>,
    /// (node, uses)
    uses: Vec<(u8, u8)>,
}

/// All open texts.
#[derive(Debug, Default)]
pub(super) struct Messages {
    of: HashMap<Person, VecDeque<Open>>,
    /// Each of these people once, with the time at which she came or was last looked at; the longest ago in front.
    order: VecDeque<(Millis, Person)>,
}

impl Messages {
    /// A new text for `person`; `random` makes its nonce, a UUID of version 4.
    pub(super) fn issue(&mut self, person: Person, now: Millis, random: [u8; 16]) -> String {
        if !self.of.contains_key(&person) {
            self.make_room(now);
            self.order.push_back((now, person));
        }
        // Most people have one.
        let open = self.of.entry(person);
        let open = open.or_insert_with(|| VecDeque::with_capacity(1));
        open.retain(|open| open.until > now);
        if open.len() >= OPEN {
            let served = open.iter().position(|open| open.bound.is_some());
            if let Some(oldest) = open.remove(served.unwrap_or(0))
                && oldest.bound.is_none()
            {
                // All wait for a signature: the oldest is handed out once more and stays valid.
                let text = oldest.text.clone();
                open.push_back(Open {
                    until: Millis(now.0 + LIFE),
                    ..oldest
                });
                return text;
            }
        }
        let text = format!("{TEXT}{}", uuid(random));
        open.push_back(Open {
            text: text.clone(),
            until: Millis(now.0 + LIFE),
            bound: None,
            uses: Vec::new(),
        });
        text
    }

    /// Forgets who has no open text any more, and whoever came first while there are too many. Looks at each person once
    /// in the life of a text.
    fn make_room(&mut self, now: Millis) {
        while let Some(&(since, person)) = self.order.front() {
            let full = self.of.len() >= ADDRESSES;
            if !full && since.0 + LIFE > now.0 {
                break;
            }
            self.order.pop_front();
            let open = self.of.get(&person);
            let waits = open.is_some_and(|open| open.iter().any(|open| open.until > now));
            if waits && !full {
                self.order.push_back((now, person));
            } else {
                self.of.remove(&person);
            }
        }
    }

    /// True if `signature` is by `person` under one of the open texts, and that text may serve this purpose at this
    /// node once more. Counts the use.
    pub(super) fn accept(
        &mut self,
        person: Person,
        signature: &Signature65,
        purpose: &Purpose,
        node: u8,
        now: Millis,
    ) -> bool {
        let Some(open) = self.of.get_mut(&person) else {
            return false;
        };
        open.retain(|open| open.until > now);
        let signed = |open: &&mut Open| {
            recover_eip191(&open.text, signature).is_ok_and(|signer| signer == person)
        };
        let Some(open) = open.iter_mut().find(signed) else {
            return false;
        };
        if open.bound.is_none() {
            open.until = Millis(now.0 + LIFE);
        }
        if open.bound.get_or_insert_with(|| purpose.clone()) != purpose {
            return false;
        }
        let position = open
            .uses
            .iter()
            .position(|(used, _)| *used == node)
            .unwrap_or_else(|| {
                open.uses.push((node, 0));
                open.uses.len() - 1
            });
        let uses = &mut open.uses[position].1;
        *uses = uses.saturating_add(1);
        *uses <= if node == NO_NODE { 1 } else { USES_PER_NODE }
    }
}

fn uuid(mut random: [u8; 16]) -> String {
    random[6] = random[6] & 0x0f | 0x40;
    random[8] = random[8] & 0x3f | 0x80;
    let digits = hex::encode(random);
    let [a, b, c, d, e] = [
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..],
    ];
    format!("{a}-{b}-{c}-{d}-{e}")
}

#[cfg(test)]
mod tests {
    use healthsync_core::eth::{eip191_hash, person_of_secret, sign_hash};

    use super::*;

    const SECRET: [u8; 32] = [9; 32];

    fn purpose(cid: &str) -> Purpose {
        Purpose {
            operation: "save",
            cid: cid.into(),
        }
    }

    fn signed(text: &str) -> Signature65 {
        sign_hash(&eip191_hash(text), &SECRET).unwrap()
    }

    #[test]
    fn one_signature_serves_one_operation_three_times_per_node() {
        let person = person_of_secret(&SECRET).unwrap();
        let mut messages = Messages::default();
        let text = messages.issue(person, Millis(0), [0xff; 16]);
        assert_eq!(text, format!("{TEXT}ffffffff-ffff-4fff-bfff-ffffffffffff"));
        let signature = signed(&text);
        for node in 1..=5 {
            for _ in 0..3 {
                assert!(messages.accept(person, &signature, &purpose("a"), node, Millis(1)));
            }
            assert!(!messages.accept(person, &signature, &purpose("a"), node, Millis(1)));
        }
        assert!(messages.accept(person, &signature, &purpose("a"), NO_NODE, Millis(1)));
        assert!(!messages.accept(person, &signature, &purpose("a"), NO_NODE, Millis(1)));
        assert!(!messages.accept(person, &signature, &purpose("b"), 6, Millis(1)));
        assert!(!messages.accept(Person([1; 20]), &signature, &purpose("a"), 6, Millis(1)));
        assert!(messages.accept(person, &signature, &purpose("a"), 6, Millis(LIFE)));
        assert!(!messages.accept(person, &signature, &purpose("a"), 7, Millis(2 * LIFE)));
    }

    #[test]
    fn open_texts_are_bounded_and_two_tabs_do_not_disturb_each_other() {
        let person = person_of_secret(&SECRET).unwrap();
        let mut messages = Messages::default();
        let mut issue = |nonce| messages.issue(person, Millis(0), [nonce; 16]);
        let texts: Vec<String> = (0..OPEN as u8).map(&mut issue).collect();
        // More requests, by whomever, repeat what waits.
        assert_eq!(
            [issue(100), issue(101)],
            [texts[0].clone(), texts[1].clone()]
        );
        assert!(messages.accept(person, &signed(&texts[0]), &purpose("a"), 1, Millis(1)));
        assert!(messages.accept(person, &signed(&texts[2]), &purpose("b"), 1, Millis(1)));
        // One that has served makes room for a new one.
        let new = messages.issue(person, Millis(2), [102; 16]);
        assert!(!texts.contains(&new));
        assert!(messages.accept(person, &signed(&texts[7]), &purpose("c"), 1, Millis(2)));
        assert!(messages.accept(person, &signed(&new), &purpose("d"), 1, Millis(2)));
    }
    #[test]
    fn a_crowd_takes_places_from_each_other_and_locks_nobody_out() {
        let someone = |number: usize| {
            let mut person = Person([0; 20]);
            person.0[..8].copy_from_slice(&number.to_be_bytes());
            person
        };
        let mut messages = Messages::default();
        for number in 0..ADDRESSES {
            messages.issue(someone(number), Millis(0), [1; 16]);
        }
        // Signs in all the same, and the texts of those who came last are still there.
        let person = person_of_secret(&SECRET).unwrap();
        let text = messages.issue(person, Millis(1), [2; 16]);
        for number in 0..ADDRESSES - 1 {
            messages.issue(someone(ADDRESSES + number), Millis(1), [1; 16]);
        }
        assert!(messages.accept(person, &signed(&text), &purpose("a"), 1, Millis(1)));
        assert_eq!(
            (messages.of.len(), messages.order.len()),
            (ADDRESSES, ADDRESSES)
        );
        // When a text's life is over, so is its place.
        messages.issue(someone(0), Millis(2 * LIFE), [1; 16]);
        assert_eq!((messages.of.len(), messages.order.len()), (1, 1));
    }
}
