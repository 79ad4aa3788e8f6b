//! A series as one object of a case: its cleaned files as one stream, cut into encrypted pieces, and a
//! list that says which pieces there are and with which keys they open. The list is the object that the
//! case names and whose key is split among the key nodes, so hundreds of slices take one unlock; each
//! piece, and the list, is a file as Lighthouse's own client reads it.

use serde::{Deserialize, Serialize};

/// The list's media type.
pub const MIME: &str = "application/vnd.healthsync.series+json";
/// Version of the list's form.
pub const VERSION: u32 = 1;
/// Files in one series at most, and pieces.
pub const FILES: usize = 5_000;
/// Bytes of one piece. The first piece ends with the first file, if that is not longer.
pub const PIECE: u64 = 4 * 1024 * 1024;
/// Bytes of all files of a series at most: what a browser keeps for one.
pub const SERIES_BYTES: u64 = 2 * 1024 * 1024 * 1024;
/// Bytes of a list at most.
pub const LIST_BYTES: u64 = 8 * 1024 * 1024;

/// The plain content of the object that a case names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeriesList {
    /// Version of this form: [`VERSION`].
    pub v: u32,
    /// Length of each file, in the series' order.
    pub files: Vec<u64>,
    /// The stream of all files, piece by piece.
    pub pieces: Vec<Piece>,
    /// What de-identification did; the receipt's own JSON.
    pub receipt: serde_json::Value,
}

/// One piece.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// CID of the encrypted piece.
    pub cid: String,
    /// Its own key, 64 hexadecimal digits.
    pub key: String,
    /// Bytes of the plain piece.
    pub bytes: u64,
}

impl SeriesList {
    /// Reads a list and checks that it is consistent and within limits.
    pub fn read(json: &[u8]) -> Option<Self> {
        let list: Self = serde_json::from_slice(json).ok()?;
        let mut lengths = list.files.iter();
        let files = lengths.try_fold(0_u64, |sum, length| sum.checked_add(*length))?;
        let mut lengths = list.pieces.iter();
        let pieces = lengths.try_fold(0_u64, |sum, piece| sum.checked_add(piece.bytes))?;
        let sound = list.v == VERSION
            && files == pieces
            && !list.files.is_empty()
            && list.files.len() <= FILES
            && list.pieces.len() <= FILES
            && files <= SERIES_BYTES
            && list.pieces.iter().all(|piece| piece.bytes <= PIECE);
        sound.then_some(list)
    }
}

/// Where the stream of these files is cut: the length of each piece, none longer than `most`.
pub fn cuts(files: &[u64], most: u64) -> Vec<u64> {
    let most = most.clamp(1, PIECE);
    let mut left: u64 = files.iter().sum();
    let mut cuts = Vec::new();
    let mut next = files.first().copied().unwrap_or_default().clamp(1, most);
    while left > 0 {
        let cut = next.min(left);
        cuts.push(cut);
        left -= cut;
        next = most;
    }
    cuts
}

/// Files out of a stream that arrives piece by piece.
#[derive(Debug)]
pub struct Files {
    lengths: std::vec::IntoIter<u64>,
    next: Option<u64>,
    held: Vec<u8>,
}

impl Files {
    /// Files of these lengths, none of which has come.
    pub fn new(lengths: Vec<u64>) -> Self {
        let mut lengths = lengths.into_iter();
        Self {
            next: lengths.next(),
            lengths,
            held: Vec::new(),
        }
    }

    /// Takes the next piece; gives the files that are whole now.
    pub fn take(&mut self, piece: &[u8]) -> Vec<Vec<u8>> {
        self.held.extend_from_slice(piece);
        let mut whole = Vec::new();
        let mut from = 0_usize;
        while let Some(next) = self.next {
            let Some(file) = usize::try_from(next)
                .ok()
                .and_then(|length| self.held.get(from..from.checked_add(length)?))
            else {
                break;
            };
            whole.push(file.to_vec());
            from += file.len();
            self.next = self.lengths.next();
        }
        self.held.drain(..from);
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_piece_is_the_first_file() {
        assert_eq!(cuts(&[5, 7, 9], 8), [5, 8, 8]);
        assert_eq!(cuts(&[20, 1], 8), [8, 8, 5]);
        assert_eq!(cuts(&[3], 8), [3]);
        assert!(cuts(&[], 8).is_empty());
    }

    #[test]
    fn files_come_out_as_they_went_in() {
        let files: Vec<Vec<u8>> = vec![vec![1; 5], vec![], vec![2; 17], vec![3; 2]];
        let lengths: Vec<u64> = files.iter().map(|file| file.len() as u64).collect();
        let stream = files.concat();
        let mut out = Files::new(lengths.clone());
        let mut found = Vec::new();
        let mut from = 0;
        for cut in cuts(&lengths, 4) {
            found.extend(out.take(&stream[from..from + cut as usize]));
            from += cut as usize;
        }
        assert_eq!(found, files);
    }

    #[test]
    fn a_list_on_the_wire() {
        let list = SeriesList {
            v: VERSION,
            files: vec![4, 6],
            pieces: vec![Piece {
                cid: "bafk".into(),
                key: "07".into(),
                bytes: 10,
            }],
            receipt: serde_json::json!({"version": 1}),
        };
        let json = serde_json::to_string(&list).unwrap();
        assert_eq!(
            json,
            r#"{"v":1,"files":[4,6],"pieces":[{"cid":"bafk","key":"07","bytes":10}],"receipt":{"version":1}}"#
        );
        assert_eq!(SeriesList::read(json.as_bytes()), Some(list));
    }

    #[test]
    fn a_list_that_contradicts_itself_is_not_read() {
        let list = |bytes: u64, v: u32| {
            let list = SeriesList {
                v,
                files: vec![4, 6],
                pieces: vec![Piece {
                    cid: "b".into(),
                    key: "0".into(),
                    bytes,
                }],
                receipt: serde_json::Value::Null,
            };
            SeriesList::read(&serde_json::to_vec(&list).unwrap_or_default())
        };
        assert!(list(10, 1).is_some());
        assert!(list(11, 1).is_none());
        assert!(list(10, 2).is_none());
        assert!(SeriesList::read(br#"{"v":1,"files":[],"pieces":[],"receipt":null}"#).is_none());
        let overflow = format!(
            r#"{{"v":1,"files":[{0},{0}],"pieces":[],"receipt":null}}"#,
            u64::MAX
        );
        assert!(SeriesList::read(overflow.as_bytes()).is_none());
    }
}
