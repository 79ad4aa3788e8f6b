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
/// Addresses that may have open texts.
const ADDRESSES: usize = 20_000;
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
}

impl Messages {
    /// A new text for `person`; `random` makes its nonce, a UUID of version 4. `None` if too many addresses have one.
    pub(super) fn issue(
        &mut self,
        person: Person,
        now: Millis,
        random: [u8; 16],
    ) -> Option<String> {
        if self.of.len() >= ADDRESSES && !self.of.contains_key(&person) {
            self.of
                .retain(|_, open| open.iter().any(|open| open.until > now));
            if self.of.len() >= ADDRESSES {
                return None;
            }
        }
        let open = self.of.entry(person).or_default();
        open.retain(|open| open.until > now);
        if open.len() >= OPEN {
            let served = open.iter().position(|open| open.bound.is_some());
            let oldest = open.remove(served.unwrap_or(0))?;
            if oldest.bound.is_none() {
                // All wait for a signature: the oldest is handed out once more and stays valid.
                let text = oldest.text.clone();
                open.push_back(Open {
                    until: Millis(now.0 + LIFE),
                    ..oldest
                });
                return Some(text);
            }
        }
        let text = format!("{TEXT}{}", uuid(random));
        open.push_back(Open {
            text: text.clone(),
            until: Millis(now.0 + LIFE),
            bound: None,
            uses: Vec::new(),
        });
        Some(text)
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
        let text = messages.issue(person, Millis(0), [0xff; 16]).unwrap();
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
        let mut issue = |nonce| messages.issue(person, Millis(0), [nonce; 16]).unwrap();
        let texts: Vec<String> = (0..OPEN as u8).map(&mut issue).collect();
        // More requests, by whomever, repeat what waits.
        assert_eq!(
            [issue(100), issue(101)],
            [texts[0].clone(), texts[1].clone()]
        );
        assert!(messages.accept(person, &signed(&texts[0]), &purpose("a"), 1, Millis(1)));
        assert!(messages.accept(person, &signed(&texts[2]), &purpose("b"), 1, Millis(1)));
        // One that has served makes room for a new one.
        let new = messages.issue(person, Millis(2), [102; 16]).unwrap();
        assert!(!texts.contains(&new));
        assert!(messages.accept(person, &signed(&texts[7]), &purpose("c"), 1, Millis(2)));
        assert!(messages.accept(person, &signed(&new), &purpose("d"), 1, Millis(2)));
    }
}
