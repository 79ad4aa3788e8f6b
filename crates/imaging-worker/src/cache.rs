//! A map that forgets what was not used for longest, so that its values stay below a number of bytes. A few may be more
//! than that, where single ones are large.

use std::{collections::HashMap, hash::Hash, rc::Rc};

#[derive(Debug)]
pub(crate) struct Cache<K, V> {
    enough: usize,
    few: usize,
    most: usize,
    bytes: usize,
    turn: u64,
    kept: HashMap<K, Kept<V>>,
}

#[derive(Debug)]
struct Kept<V> {
    value: Rc<V>,
    bytes: usize,
    used: u64,
}

impl<K: Hash + Eq + Copy, V> Cache<K, V> {
    /// `enough` bytes, or the last `few` values where these are more, up to `most` bytes.
    pub(crate) fn new(enough: usize, few: usize, most: usize) -> Self {
        Self {
            enough,
            few,
            most,
            bytes: 0,
            turn: 0,
            kept: HashMap::new(),
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn get(&mut self, key: K) -> Option<Rc<V>> {
        self.turn += 1;
        let kept = self.kept.get_mut(&key)?;
        kept.used = self.turn;
        Some(kept.value.clone())
    }

    /// Whether there is room for one more.
    fn fits(&self, bytes: usize) -> bool {
        let all = self.bytes + bytes;
        all <= self.enough || self.kept.len() < self.few && all <= self.most
    }

    /// Keeps a value if nothing has to go for it.
    pub(crate) fn offer(&mut self, key: K, value: Rc<V>, bytes: usize) {
        if self.fits(bytes) {
            self.put(key, value, bytes);
        }
    }

    /// Keeps a value, unless it alone is more than everything may be.
    pub(crate) fn put(&mut self, key: K, value: Rc<V>, bytes: usize) {
        self.forget(|other| *other == key);
        if bytes > self.most {
            return;
        }
        while !self.fits(bytes) {
            let oldest = self.kept.iter().min_by_key(|(_, kept)| kept.used);
            let Some(oldest) = oldest.map(|(key, _)| *key) else {
                break;
            };
            self.forget(|other| *other == oldest);
        }
        self.turn += 1;
        self.bytes += bytes;
        self.kept.insert(
            key,
            Kept {
                value,
                bytes,
                used: self.turn,
            },
        );
    }

    pub(crate) fn forget(&mut self, which: impl Fn(&K) -> bool) {
        let bytes = &mut self.bytes;
        self.kept.retain(|key, kept| {
            let keep = !which(key);
            if !keep {
                *bytes -= kept.bytes;
            }
            keep
        });
    }
}
