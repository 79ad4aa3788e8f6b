//! Token buckets per caller, in bounded memory.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Mutex;
use std::time::Instant;

/// Callers remembered at the same time.
const CAPACITY: usize = 20_000;

/// Each key may make `burst` requests at once and `per_second` on average.
pub struct RateLimit<K> {
    burst: f64,
    per_second: f64,
    buckets: Mutex<HashMap<K, (f64, Instant)>>,
}

impl<K> fmt::Debug for RateLimit<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit")
            .field("burst", &self.burst)
            .field("per_second", &self.per_second)
            .finish()
    }
}

impl<K: Eq + Hash> RateLimit<K> {
    pub fn new(burst: u32, per_second: f64) -> Self {
        Self {
            burst: burst.into(),
            per_second,
            buckets: Mutex::default(),
        }
    }

    /// Takes one token of `key`'s bucket; false when it is empty.
    pub fn allow(&self, key: K) -> bool {
        self.allow_at(key, Instant::now())
    }

    fn allow_at(&self, key: K, now: Instant) -> bool {
        let mut buckets = self
            .buckets
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let filled = |(tokens, at): (f64, Instant)| {
            (tokens + now.saturating_duration_since(at).as_secs_f64() * self.per_second)
                .min(self.burst)
        };
        if buckets.len() >= CAPACITY && !buckets.contains_key(&key) {
            buckets.retain(|_, bucket| filled(*bucket) < self.burst);
            // A flood from more callers than we remember: forget them all rather than grow or lock everyone out.
            if buckets.len() >= CAPACITY {
                buckets.clear();
            }
        }
        let bucket = buckets.entry(key).or_insert((self.burst, now));
        let tokens = filled(*bucket);
        let allowed = tokens >= 1.0;
        *bucket = (if allowed { tokens - 1.0 } else { tokens }, now);
        allowed
    }
}

/// What counts as one caller: an IPv4 address, or an IPv6 /64, which one household or office has whole.
pub fn caller(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_bucket_empties_and_refills() {
        let limit = RateLimit::new(2, 1.0);
        let start = Instant::now();
        assert!(limit.allow_at(1, start) && limit.allow_at(1, start));
        assert!(!limit.allow_at(1, start));
        assert!(
            limit.allow_at(2, start),
            "another caller has its own bucket"
        );
        assert!(limit.allow_at(1, start + Duration::from_secs(1)));
    }

    #[test]
    fn memory_is_bounded() {
        let limit = RateLimit::new(1, 1.0);
        let start = Instant::now();
        for key in 0..3 * CAPACITY {
            limit.allow_at(key, start);
        }
        assert!(limit.buckets.lock().expect("not poisoned").len() <= CAPACITY);
    }
}
