//! NIfTI volumes made for tests: both versions, both byte orders, packed and not; and broken ones. Feature `dicom`.

use healthsync_imaging::dicom::Samples;
use healthsync_imaging::{Kind, OpenError, clean_image, kind_of, open};

const NAME: &[u8] = b"DOE^JANE^1961";

/// A header with 3 × 2 × 2 voxels of 16 bits, an oblique sform, a scale, and the name in every text field and in an
/// extension; then the voxels and the name again.
fn volume(second: bool, big: bool) -> Vec<u8> {
    let length = if second { 540 } else { 348 };
    let mut out = vec![0; length];
    let mut put = |at: usize, little: &[u8]| {
        let mut bytes = little.to_vec();
        if big {
            bytes.reverse();
        }
        out[at..at + bytes.len()].copy_from_slice(&bytes);
    };
    put(0, &(length as u32).to_le_bytes());
    let offset = length + 4 + 32;
    let dims = [3i64, 3, 2, 2, 1, 1, 1, 1];
    let rows = [
        [0.0, -2.0, 0.0, 10.0],
        [3.0, 0.0, 0.0, 20.0],
        [0.0, 0.0, 4.0, 30.0],
    ];
    if second {
        put(12, &512u16.to_le_bytes());
        put(14, &16u16.to_le_bytes());
        dims.iter()
            .enumerate()
            .for_each(|(at, dim)| put(16 + 8 * at, &dim.to_le_bytes()));
        [1.0f64, 3.0, 2.0, 4.0]
            .iter()
            .enumerate()
            .for_each(|(at, step)| put(104 + 8 * at, &step.to_le_bytes()));
        put(168, &(offset as i64).to_le_bytes());
        put(176, &2.0f64.to_le_bytes());
        put(184, &(-5.0f64).to_le_bytes());
        put(348, &1u32.to_le_bytes());
        for (row, line) in rows.iter().enumerate() {
            line.iter()
                .enumerate()
                .for_each(|(at, cell): (usize, &f64)| {
                    put(400 + 32 * row + 8 * at, &cell.to_le_bytes())
                });
        }
        put(500, &2u32.to_le_bytes());
        out[4..12].copy_from_slice(b"n+2\0\r\n\x1a\n");
        out[240..253].copy_from_slice(NAME);
        out[320..333].copy_from_slice(NAME);
        out[508..521].copy_from_slice(NAME);
    } else {
        dims.iter()
            .enumerate()
            .for_each(|(at, dim)| put(40 + 2 * at, &(*dim as i16).to_le_bytes()));
        put(70, &512u16.to_le_bytes());
        put(72, &16u16.to_le_bytes());
        [1.0f32, 3.0, 2.0, 4.0]
            .iter()
            .enumerate()
            .for_each(|(at, step)| put(76 + 4 * at, &step.to_le_bytes()));
        put(108, &(offset as f32).to_le_bytes());
        put(112, &2.0f32.to_le_bytes());
        put(116, &(-5.0f32).to_le_bytes());
        put(254, &1u16.to_le_bytes());
        for (row, line) in rows.iter().enumerate() {
            line.iter()
                .enumerate()
                .for_each(|(at, cell): (usize, &f64)| {
                    put(280 + 16 * row + 4 * at, &(*cell as f32).to_le_bytes())
                });
        }
        out[123] = 2;
        out[344..348].copy_from_slice(b"n+1\0");
        out[14..27].copy_from_slice(NAME);
        out[148..161].copy_from_slice(NAME);
        out[228..241].copy_from_slice(NAME);
        out[328..341].copy_from_slice(NAME);
    }
    out.extend([1, 0, 0, 0]);
    let mut extension = vec![0; 32];
    extension[8..21].copy_from_slice(NAME);
    out.extend(extension);
    for voxel in 0..12u16 {
        let voxel = voxel * 1000;
        out.extend(if big {
            voxel.to_be_bytes()
        } else {
            voxel.to_le_bytes()
        });
    }
    out.extend(NAME);
    out
}

/// A gzip member with the name as its file name.
fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1F, 0x8B, 8, 8, 1, 2, 3, 4, 0, 3];
    out.extend(NAME);
    out.push(0);
    out.extend(miniz_oxide::deflate::compress_to_vec(bytes, 6));
    out.extend(crc(bytes).to_le_bytes());
    out.extend((bytes.len() as u32).to_le_bytes());
    out
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 {
                0xEDB8_8320 ^ (crc >> 1)
            } else {
                crc >> 1
            }
        })
    })
}

fn all() -> Vec<Vec<u8>> {
    let plain = [(false, false), (false, true), (true, false), (true, true)]
        .map(|(second, big)| volume(second, big));
    plain
        .iter()
        .cloned()
        .chain(plain.iter().map(|bytes| packed(bytes)))
        .collect()
}

fn samples(bytes: &[u8]) -> Result<Vec<u8>, OpenError> {
    let instance = open(bytes.to_vec())?;
    let mut all = Vec::new();
    for frame in 0..instance.head.frames {
        all.extend(instance.stored_frame(frame)?);
    }
    Ok(all)
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn a_volume_has_its_slices_its_place_and_its_scale() {
    for bytes in all() {
        assert_eq!(kind_of(&bytes), Some(Kind::Nifti));
        let instance = open(bytes).expect("opens");
        let head = &instance.head;
        assert_eq!(
            (head.pixels.rows, head.pixels.columns, head.frames),
            (2, 3, 2)
        );
        let second = instance.decode_frame(1).expect("decodes");
        let expected: Vec<u16> = (6..12).map(|voxel| voxel * 1000).collect();
        assert_eq!(second.samples, Samples::U16(expected));
        assert_eq!(
            (head.rescale(0).slope, head.rescale(0).intercept),
            (2.0, -5.0)
        );
        let spacing = head.spacing.expect("is stated");
        assert_eq!((spacing.columns, spacing.rows), (3.0, 2.0));
        // Right and front grow in NIfTI, left and back in DICOM.
        let plane = head.plane(1).expect("is stated");
        assert_eq!(plane.position, [-10.0, -20.0, 34.0]);
        assert_eq!(
            (plane.row, plane.column),
            ([0.0, -1.0, 0.0], [1.0, 0.0, 0.0])
        );
    }
}

#[test]
fn a_volume_that_does_not_say_how_large_its_voxels_are_has_no_scale() {
    for wrong in [0.0, f32::NAN] {
        let mut bytes = volume(false, false);
        bytes[80..84].copy_from_slice(&wrong.to_le_bytes());
        let head = open(bytes.clone()).expect("opens").head;
        assert_eq!(head.spacing, None);
        assert_eq!(head.planes.len(), 2, "the sform says where they are");
        // A qform needs the steps.
        bytes[254] = 0;
        bytes[252] = 1;
        let head = open(bytes).expect("opens").head;
        assert_eq!((head.spacing, head.planes.len()), (None, 0));
    }
}

#[test]
fn cleaning_leaves_the_voxels_and_no_word() {
    for bytes in all() {
        let cleaned = clean_image(&bytes).expect("cleans");
        let plain = if cleaned.bytes[0] == 0x1F {
            assert_eq!(cleaned.bytes[3..8], [0; 5], "no name and no time");
            miniz_oxide::inflate::decompress_to_vec(&cleaned.bytes[10..]).expect("unpacks")
        } else {
            cleaned.bytes.clone()
        };
        assert!(!contains(&plain, NAME) && !contains(&cleaned.bytes, NAME));
        assert_eq!(samples(&cleaned.bytes), samples(&bytes));
        assert_eq!(
            open(cleaned.bytes.clone()).map(|new| new.head.planes),
            open(bytes).map(|old| old.head.planes)
        );
        assert_eq!(
            clean_image(&cleaned.bytes).expect("is clean").bytes,
            cleaned.bytes
        );
        let fields: Vec<&str> = cleaned
            .removed
            .iter()
            .map(|one| one.what.as_str())
            .collect();
        for field in ["descrip", "intent_name", "Between header and voxels"] {
            assert!(fields.contains(&field), "{fields:?}");
        }
    }
}

#[test]
fn cut_off_anywhere_it_says_so_or_shows_the_whole_volume() {
    for bytes in all() {
        let whole = samples(&bytes);
        for length in 0..bytes.len() {
            match samples(&bytes[..length]) {
                Err(error) => assert!(error.to_string().ends_with('.'), "{error}"),
                Ok(found) => assert!(Ok(found) == whole && length + NAME.len() >= bytes.len()),
            }
        }
    }
}

#[test]
fn headers_that_lie_are_refused_in_a_sentence() {
    let said = |at: usize, bytes: &[u8]| {
        let mut broken = volume(false, false);
        broken[at..at + bytes.len()].copy_from_slice(bytes);
        open(broken).expect_err("refused").to_string()
    };
    assert_eq!(
        said(70, &[0, 8]),
        "This NIfTI file uses voxels of type 2048, which is not read here."
    );
    assert!(said(42, &[0xFF, 0x7F, 0xFF, 0x7F]).contains("32767 × 32767 voxels"));
    assert!(said(42, &[0, 0]).contains("0 voxels"));
    assert!(said(40, &[9, 0]).contains("9 dimensions"));
    assert!(said(46, &[0xFF, 0x7F]).contains("is cut off: its voxels need"));
    assert!(
        said(40, &[7, 0, 3, 0, 2, 0, 0xFF, 0x7F, 0xFF, 0x7F]).contains("more than 1000000 slices")
    );
    assert!(said(344, b"ni1\0").contains("a second file"));
    // What packs a gigabyte of nothing is refused before it is there.
    let bomb = packed(&[volume(false, false), vec![0; 2 << 20]].concat());
    assert!(samples(&bomb).is_ok());
    let mut torn = packed(&volume(false, false));
    let at = torn.len() - 9;
    torn[at] ^= 1;
    assert!(
        samples(&torn)
            .expect_err("refused")
            .to_string()
            .contains("damaged")
    );
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2000))]

    #[test]
    fn flipped_bits_are_no_panic(which in 0..8usize, flips in proptest::collection::vec((proptest::prelude::any::<proptest::sample::Index>(), 0..8u8), 1..10)) {
        let mut bytes = all()[which].clone();
        for (at, bit) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        let _ = samples(&bytes);
        if let Ok(cleaned) = clean_image(&bytes) {
            proptest::prop_assert_eq!(clean_image(&cleaned.bytes).map(|again| again.bytes), Ok(cleaned.bytes));
        }
    }
}
