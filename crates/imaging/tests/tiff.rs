//! TIFF: every kind that the field's programs write (`tools/coded.py` makes them, with a patient's name where there is room
//! for words), opened, cleaned without touching a pixel, and broken in every way. Feature `dicom`.

#[path = "coded/files.rs"]
mod files;

use files::{files, flipped};
use healthsync_imaging::{Kind, OpenError, clean_image, kind_of, open};
use sha2::{Digest, Sha256};

const NAME: &[u8] = b"DOE^JANE^1961";
/// LZW whose end code its encoder wrote one bit too short, where the code's length changes: refused, not guessed at.
const WITHOUT_END: &str = "grey8-lzw-tiles.tif";
/// Chroma is widened by each decoder in its own way.
const STEPS: i64 = 8;

fn samples(bytes: &[u8]) -> Result<Vec<u8>, OpenError> {
    let instance = open(bytes.to_vec())?;
    let mut all = Vec::new();
    for frame in 0..instance.head.frames {
        all.extend(instance.stored_frame(frame)?);
        instance.decode_frame(frame)?;
    }
    Ok(all)
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn every_kind_decodes_as_its_encoder_meant() {
    for (name, bytes, expected, by) in files(".tif") {
        assert_eq!(kind_of(&bytes), Some(Kind::Tiff), "{name}");
        if name == WITHOUT_END {
            let refused = samples(&bytes).expect_err("is not guessed at");
            assert!(refused.to_string().contains("no lzw end code found"));
            continue;
        }
        let found = samples(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        if expected == "equal" {
            assert_eq!(hex::encode(Sha256::digest(&found)), by, "{name}");
            continue;
        }
        let points: Vec<i64> = by.split(' ').flat_map(str::parse).collect();
        assert_eq!(found.len(), points.len(), "{name}");
        let off = found
            .iter()
            .zip(points)
            .map(|(a, b)| (i64::from(*a) - b).abs())
            .max();
        assert!(off <= Some(STEPS), "{name} is off by {off:?}");
    }
}

#[test]
fn cleaning_leaves_the_pixels_and_no_word() {
    let mut named = 0;
    for (name, bytes, _, _) in files(".tif") {
        named += usize::from(contains(&bytes, NAME));
        let cleaned = clean_image(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(cleaned.kind, Kind::Tiff);
        assert!(!contains(&cleaned.bytes, NAME), "{name}");
        assert_eq!(samples(&cleaned.bytes), samples(&bytes), "{name}");
        let again = clean_image(&cleaned.bytes).expect("what was cleaned is clean");
        assert_eq!(again.bytes, cleaned.bytes, "{name}");
        assert!(again.removed.is_empty(), "{name}: {:?}", again.removed);
    }
    assert!(named > 20);
}

#[test]
fn cut_off_anywhere_it_says_so_or_shows_the_whole_picture() {
    for (name, bytes, _, _) in files(".tif") {
        let whole = samples(&bytes);
        for length in 0..bytes.len() {
            match samples(&bytes[..length]) {
                Err(error) => assert!(error.to_string().ends_with('.'), "{name}: {error}"),
                Ok(found) => assert!(
                    Ok(found) == whole,
                    "{name} shows other pixels after {length} bytes"
                ),
            }
        }
    }
}

#[test]
fn flipped_bits_are_no_panic() {
    flipped(".tif", |name, broken| {
        let _ = samples(broken);
        if let Ok(cleaned) = clean_image(broken) {
            let again = clean_image(&cleaned.bytes).map(|again| again.bytes);
            assert_eq!(again, Ok(cleaned.bytes), "{name}");
        }
    });
}

/// A directory of these entries (tag, kind, count, value) in front of `pixels`, little endian.
fn made(entries: &[(u16, u16, u32, u32)], pixels: &[u8]) -> Vec<u8> {
    let mut out = b"II*\0\x08\0\0\0".to_vec();
    out.extend((entries.len() as u16).to_le_bytes());
    for (tag, kind, count, value) in entries {
        out.extend(tag.to_le_bytes());
        out.extend(kind.to_le_bytes());
        out.extend(count.to_le_bytes());
        out.extend(value.to_le_bytes());
    }
    out.extend([0; 4]);
    out.extend(pixels);
    out
}

fn entries(side: u32) -> Vec<(u16, u16, u32, u32)> {
    vec![
        (256, 4, 1, side),
        (257, 4, 1, side),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, 8 + 2 + 8 * 12 + 4),
        (277, 3, 1, 1),
        (279, 4, 1, 4),
    ]
}

#[test]
fn files_that_lie_are_refused_in_a_sentence() {
    let said = |bytes: &[u8]| samples(bytes).expect_err("refused").to_string();
    assert_eq!(
        samples(&made(&entries(2), &[1, 2, 3, 4])),
        Ok(vec![1, 2, 3, 4])
    );
    assert_eq!(
        said(&made(&entries(60_000), &[1, 2, 3, 4])),
        "This TIFF file is refused: a picture in it has 3600000000 pixels and the limit is 200 million."
    );
    let mut outside = entries(2);
    outside[5].3 = 4_000_000_000;
    assert_eq!(
        said(&made(&outside, &[1, 2, 3, 4])),
        "This TIFF file is damaged: pixels of a picture in it lie outside of the file."
    );
    let mut short = entries(2);
    short[7].3 = 3;
    assert!(said(&made(&short, &[1, 2, 3, 4])).contains("fewer bytes than its rows need"));
    let mut circle = made(&entries(2), &[1, 2, 3, 4]);
    let next = 8 + 2 + 8 * 12;
    circle[next] = 8;
    assert!(said(&circle).contains("in a circle"));
    let mut none = entries(2);
    none[1].0 = 255;
    assert!(said(&made(&none, &[1, 2, 3, 4])).contains("no height"));
    // Four thousand fields that each say the whole file again.
    let mut echo = entries(2);
    echo[5].3 = 8 + 2 + 4008 * 12 + 4;
    echo.extend((0..4000).map(|tag| (40_000 + tag, 1, 48_000, 0)));
    assert!(said(&made(&echo, &[1, 2, 3, 4])).contains("directory"));
    // What lies behind the last row of a strip is no pixel and stays behind.
    let mut long = entries(2);
    long[7].3 = 4 + NAME.len() as u32;
    let cleaned = clean_image(&made(&long, &[b"abcd", NAME].concat())).expect("cleans");
    assert!(!contains(&cleaned.bytes, NAME));
    assert_eq!(samples(&cleaned.bytes), Ok(b"abcd".to_vec()));
}
