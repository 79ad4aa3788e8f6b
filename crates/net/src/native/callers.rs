//! How many WebSockets come from one address, so that one machine does not take everybody's places. Many people sit
//! behind one address, so there is room for a hospital. WebRTC counts for itself (`webrtc/socket.rs`).

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Sockets of one address. Half of those that may be in their handshake at the relay at once
/// ([`crate::behaviour::MAX_PENDING`]), so that one address cannot keep all others out by being slow.
const PER_CALLER: u32 = 512;

/// All addresses from which somebody is here.
#[derive(Debug, Clone, Default)]
pub(super) struct Callers(Arc<Mutex<HashMap<IpAddr, u32>>>);

impl Callers {
    /// A place for one more socket, if this address has not too many.
    pub(super) fn enter(&self, from: IpAddr) -> Option<Seat> {
        let mut seats = self.seats();
        let taken = seats.entry(from).or_default();
        if *taken >= PER_CALLER {
            return None;
        }
        *taken += 1;
        Some(Seat {
            callers: self.clone(),
            from,
        })
    }

    fn seats(&self) -> MutexGuard<'_, HashMap<IpAddr, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One socket's place, while this lives.
#[derive(Debug)]
pub(super) struct Seat {
    callers: Callers,
    from: IpAddr,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.callers.seats();
        if let Some(taken) = seats.get_mut(&self.from) {
            *taken -= 1;
            if *taken == 0 {
                seats.remove(&self.from);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_takes_so_many_places_and_gives_them_back() {
        let callers = Callers::default();
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let mut seats: Vec<Seat> = (0..PER_CALLER).filter_map(|_| callers.enter(one)).collect();
        assert_eq!(seats.len(), PER_CALLER as usize);
        assert!(callers.enter(one).is_none());
        assert!(callers.enter(other).is_some());
        seats.pop();
        assert!(callers.enter(one).is_some());
        drop(seats);
        assert!(callers.seats().is_empty());
    }
}
