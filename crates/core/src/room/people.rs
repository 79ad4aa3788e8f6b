//! Who speaks for whom in a room: delegations and revocations as they have proved themselves. Whether an
//! event counts is decided here; nothing here depends on whether other events count.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    delegation::Delegation,
    ids::{DeviceKey, Millis, Person},
    revocation::Revocation,
};

/// A device as the device of one person.
pub(super) type Who = (Person, DeviceKey);

/// The end of a device's right to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    /// Events from this time on do not count.
    pub(super) at: Millis,
    /// Nor do events with a higher number than this, whatever time they bear: a thief dates events back.
    /// The highest that another device which the person's wallet has delegated has certified; `None` while none has.
    pub(super) last: Option<u64>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Devices {
    delegations: BTreeMap<Who, BTreeSet<Delegation>>,
    ends: BTreeMap<Who, End>,
    /// What devices have certified that are not known to be the person's, or not yet: anybody can pass on a
    /// wallet's revocation and write in that person's name.
    claims: BTreeMap<Who, BTreeMap<DeviceKey, u64>>,
}

impl Devices {
    /// Takes a proved delegation; gives what the device has certified before it was known to be the person's, for
    /// [`Self::certify`].
    pub(super) fn delegate(&mut self, delegation: Delegation) -> BTreeMap<DeviceKey, u64> {
        let who = (delegation.person, delegation.device);
        self.delegations.entry(who).or_default().insert(delegation);
        self.claims.remove(&who).unwrap_or_default()
    }

    /// Takes a proved revocation from an event by `device` that certifies `last`; says which numbers of the
    /// revoked device's events are to be looked at again, and the end as it is now.
    pub(super) fn revoke(
        &mut self,
        revocation: &Revocation,
        device: DeviceKey,
        last: u64,
    ) -> (Option<std::ops::RangeInclusive<u64>>, End) {
        let who = (revocation.person, revocation.device);
        let by = (revocation.person, device);
        // The device itself has no say in how much of it counts, nor have devices of others.
        let certified = if device == revocation.device {
            None
        } else if self.delegations.contains_key(&by) {
            Some(last)
        } else {
            let claims = self.claims.entry(by).or_default();
            let claim = claims.entry(revocation.device).or_default();
            *claim = last.max(*claim);
            None
        };
        let before = self.ends.get(&who);
        let now = End {
            at: before.map_or(revocation.from(), |end| end.at.min(revocation.from())),
            last: before.and_then(|end| end.last).max(certified),
        };
        (self.end(who, now), now)
    }

    /// Counts what another device of the person has certified of a device that is revoked; says as [`Self::revoke`]
    /// what is to be looked at again.
    pub(super) fn certify(&mut self, who: Who, last: u64) -> Option<std::ops::RangeInclusive<u64>> {
        let end = *self.ends.get(&who)?;
        let last = end.last.max(Some(last));
        self.end(who, End { last, ..end })
    }

    fn end(&mut self, who: Who, now: End) -> Option<std::ops::RangeInclusive<u64>> {
        match self.ends.insert(who, now) {
            Some(before) if before == now => None,
            // Only the certified number has grown.
            Some(End {
                at,
                last: Some(last),
            }) if at == now.at => Some(last + 1..=now.last.unwrap_or(last)),
            Some(_) | None => Some(0..=u64::MAX),
        }
    }

    /// Whether `who` may speak at that time, by a delegation in the room and no revocation.
    pub(super) fn delegated(&self, who: &Who, at: Millis) -> bool {
        self.delegations
            .get(who)
            .is_some_and(|all| all.iter().any(|delegation| delegation.covers(at)))
    }

    pub(super) fn revoked(&self, who: &Who, at: Millis, seq: u64) -> bool {
        self.ends
            .get(who)
            .is_some_and(|end| at >= end.at || end.last.is_some_and(|last| seq > last))
    }
}
