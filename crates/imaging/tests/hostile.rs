//! Files that lie: every one is an error in one sentence, soon, and in little memory. Feature `dicom`.

#[allow(dead_code)]
mod made;

use std::sync::LazyLock;

use healthsync_imaging::dicom::{ImagingError, Instance, MAX_DEPTH, Samples, read};
use made::*;
use proptest::prelude::*;

fn refused(bytes: Vec<u8>) -> String {
    let instance = match Instance::parse(bytes) {
        Ok(instance) => instance,
        Err(error) => return error.to_string(),
    };
    instance.decode_frame(0).expect_err("refused").to_string()
}

fn with_pixels(mut elements: Vec<Vec<u8>>, pixels: &[u8]) -> Vec<u8> {
    elements.push(element(0x7FE0, 0x10, b"OW", pixels));
    file(EXPLICIT, &elements)
}

#[test]
fn a_whole_file_opens() {
    let instance = Instance::parse(with_pixels(image(4, 6, 16), &pixels(48))).expect("opens");
    assert_eq!((instance.head.pixels.rows, instance.head.frames), (4, 1));
    assert_eq!(instance.stored_frame(0).expect("decodes"), pixels(48));
}

#[test]
fn a_grey_image_with_palette_tables_stays_grey() {
    let mut elements = image(4, 6, 16);
    for part in 1..=3 {
        let described: Vec<u8> = [2_u16, 0, 16]
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect();
        elements.push(element(0x28, 0x1100 + part, b"US", &described));
    }
    for part in 1..=3 {
        elements.push(element(0x28, 0x1200 + part, b"OW", &[0, 0, 255, 255]));
    }
    let grey = Instance::parse(with_pixels(elements.clone(), &pixels(48))).expect("opens");
    assert!(grey.palette().is_none() && grey.is_plain());
    let samples = grey.decode_frame(0).expect("decodes").samples;
    assert!(matches!(samples, Samples::U16(_)), "{samples:?}");
    elements[1] = element(0x28, 4, b"CS", b"PALETTE COLOR");
    let coloured = Instance::parse(with_pixels(elements, &pixels(48))).expect("opens");
    assert!(coloured.palette().is_some());
    let samples = coloured.decode_frame(0).expect("decodes").samples;
    assert!(matches!(samples, Samples::Rgb8(_)), "{samples:?}");
}

#[test]
fn empty_and_foreign_files_are_named() {
    assert_eq!(refused(Vec::new()), "The file is empty: it has 0 bytes.");
    assert!(
        refused(b"hello, this is no image at all".to_vec()).starts_with("This file is not DICOM:")
    );
    assert_eq!(
        refused([&[0; 128], b"DICM".as_slice()].concat()),
        "This DICOM file is damaged: it has no data elements."
    );
}

#[test]
fn a_file_that_stops_says_where() {
    let whole = with_pixels(image(4, 6, 16), &pixels(48));
    assert_eq!(
        refused(whole[..whole.len() - 10].to_vec()),
        "This DICOM file is cut off: frame 1 needs 48 bytes and 38 are left."
    );
    for length in 133..whole.len() {
        refused(whole[..length].to_vec());
    }
}

#[test]
fn frames_before_the_cut_still_open() {
    let mut elements = image(4, 6, 16);
    elements.insert(2, element(0x28, 8, b"IS", b"3"));
    let mut bytes = with_pixels(elements, &pixels(144));
    bytes.truncate(bytes.len() - 20);
    let instance = Instance::parse(bytes).expect("opens");
    assert_eq!(instance.stored_frame(1).expect("is there").len(), 48);
    assert!(matches!(
        instance.stored_frame(2),
        Err(ImagingError::Truncated { .. })
    ));
    assert!(matches!(
        instance.stored_frame(3),
        Err(ImagingError::NoSuchFrame {
            asked: 3,
            frames: 3
        })
    ));
}

#[test]
fn huge_dimensions_take_no_memory() {
    let huge = with_pixels(image(65_535, 65_535, 16), &pixels(48));
    assert_eq!(
        refused(huge),
        "This DICOM file is refused: a frame has 65535 × 65535 pixels and the limit is 200 million."
    );
    let large = with_pixels(image(14_000, 14_000, 16), &pixels(48));
    assert_eq!(
        refused(large),
        "This DICOM file is cut off: frame 1 needs 392000000 bytes and 48 are left."
    );
    let mut elements = image(100, 100, 16);
    elements.insert(2, element(0x28, 8, b"IS", b"2000000000"));
    assert_eq!(
        refused(with_pixels(elements, &pixels(48))),
        "This DICOM file is damaged: NumberOfFrames is 2000000000."
    );
}

#[test]
fn ten_thousand_nested_sequences_are_refused() {
    // Undefined lengths: 10,000 levels in 200 kB.
    let mut nested = Vec::new();
    for _ in 0..10_000 {
        nested.extend(b"\x40\0\x30\xA7SQ\0\0\xFF\xFF\xFF\xFF\xFE\xFF\0\xE0\xFF\xFF\xFF\xFF");
    }
    let error = refused(file(EXPLICIT, &[nested]));
    assert!(
        error.contains(&format!("nested more than {MAX_DEPTH} deep")),
        "{error}"
    );
    let mut inner = element(8, 0x104, b"LO", b"x");
    for _ in 0..200 {
        inner = sequence(0x40, 0xA730, &[inner]);
    }
    assert!(refused(file(EXPLICIT, &[inner])).contains("deep"));
}

#[test]
fn frames_must_lie_inside_the_file() {
    let coded = |offsets: &[u32], frames: &[u8]| {
        let mut elements = image(4, 6, 8);
        elements.insert(2, element(0x28, 8, b"IS", frames));
        elements.push(fragments(offsets, &[&[1; 10], &[2; 10], &[3; 10]]));
        file("1.2.840.10008.1.2.5", &elements)
    };
    assert!(refused(coded(&[0, 4_000_000_000], b"2")).contains("points outside its 3 fragments"));
    assert!(refused(coded(&[], b"2")).contains("no table that says which belong together"));
    assert!(refused(coded(&[], b"3")).contains("Frame 1 does not decode (RLE)"));
}

#[test]
fn no_frames_are_no_picture() {
    for (frames, said) in [
        (b"0".as_slice(), "NumberOfFrames is 0"),
        (b"-1", "NumberOfFrames is -1"),
        (b"many", "no whole number"),
    ] {
        let mut elements = image(4, 6, 8);
        elements.insert(2, element(0x28, 8, b"IS", frames));
        assert!(refused(with_pixels(elements, &pixels(24))).contains(said));
    }
}

#[test]
fn headers_that_make_no_sense_are_named() {
    for (at, bad, said) in [
        (2, element(0x28, 0x10, b"US", &[0, 0]), "Rows is 0"),
        (
            4,
            element(0x28, 0x100, b"US", &[12, 0]),
            "BitsAllocated is 12",
        ),
        (5, element(0x28, 0x101, b"US", &[40, 0]), "BitsStored is 40"),
        (0, element(0x28, 2, b"US", &[9, 0]), "SamplesPerPixel is 9"),
    ] {
        let mut elements = image(4, 6, 16);
        elements[at] = bad;
        let error = refused(with_pixels(elements, &pixels(48)));
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn a_missing_representation_and_an_unknown_charset_are_read_around() {
    // PatientName without VR: tag and a length of 32 bits, as in implicit files.
    let bare = [b"\x10\0\x10\0\x04\0\0\0".as_slice(), b"A^B "].concat();
    let charset = element(8, 5, b"CS", b"KLINGON 1");
    let elements = [vec![charset, bare], image(4, 6, 16)].concat();
    let instance = Instance::parse(with_pixels(elements, &pixels(48))).expect("opens");
    assert_eq!(
        instance
            .dataset()
            .text(healthsync_imaging::dicom::tags::PATIENT_NAME)
            .as_deref(),
        Some("A^B")
    );
    assert!(!instance.dataset().charset().is_known());
}

#[test]
fn a_bomb_in_a_deflated_file_is_bounded() {
    let zeros = miniz_oxide::deflate::compress_to_vec(&vec![0; 64 << 20], 9);
    // The data set is only padding, 64 MB from 64 kB; what it inflates to is bounded, and it holds nothing.
    assert!(refused(file("1.2.840.10008.1.2.1.99", &[zeros])).contains("no data elements"));
    let elements = [
        image(4, 6, 16),
        vec![fragments(
            &[],
            &[&miniz_oxide::deflate::compress_to_vec(
                &vec![0; 64 << 20],
                9,
            )],
        )],
    ]
    .concat();
    assert!(refused(file("1.2.840.10008.1.2.8.1", &elements)).contains("does not inflate"));
}

#[test]
fn streams_that_promise_other_sizes_are_refused_before_they_are_decoded() {
    let jpeg_of = |marker: u8| {
        let mut jpeg = vec![
            0xFF, 0xD8, 0xFF, marker, 0, 11, 8, 0xFF, 0xFF, 0xFF, 0xFF, 1, 1, 0x11, 0,
        ];
        jpeg.extend([0xFF, 0xDA, 0, 8, 1, 1, 0, 1, 0, 0, 1, 2, 3, 0xFF, 0xD9]);
        jpeg
    };
    for (syntax, marker) in [("4.50", 0xC0), ("4.70", 0xC3), ("4.80", 0xF7)] {
        let elements = [image(4, 6, 8), vec![fragments(&[], &[&jpeg_of(marker)])]].concat();
        let error = refused(file(&format!("1.2.840.10008.1.2.{syntax}"), &elements));
        assert!(
            error.contains("its stream says 65535 × 65535 pixels and the header 6 × 4"),
            "{error}"
        );
    }
}

/// One valid file of each way that pixels are written, small enough to be broken a thousand times.
static FILES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let sequence = sequence(
        0x40,
        0x275,
        &[
            element(0x40, 7, b"LO", b"words"),
            element(0x40, 9, b"SH", b"more"),
        ],
    );
    let mut files = vec![with_pixels(
        [image(4, 6, 16), vec![sequence]].concat(),
        &pixels(48),
    )];
    let rle = [
        &[1, 0, 0, 0, 64, 0, 0, 0],
        [0; 56].as_slice(),
        &[23],
        &pixels(24),
    ]
    .concat();
    files.push(file(
        "1.2.840.10008.1.2.5",
        &[image(4, 6, 8), vec![fragments(&[0], &[&rle])]].concat(),
    ));
    files
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn flipped_bits_are_never_a_panic(which in 0..2usize, flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8u8), 1..10)) {
        let mut bytes = FILES[which].clone();
        for (at, bit) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        if let Ok(instance) = Instance::parse(bytes) {
            for frame in 0..instance.head.frames.min(3) {
                let _ = instance.decode_frame(frame);
            }
        }
    }

    #[test]
    fn any_bytes_are_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = read([&[0; 128], b"DICM".as_slice(), &bytes].concat().into());
        let _ = read([b"\x08\0\x05\0".as_slice(), &bytes].concat().into());
        let _ = read([b"\0\x08\0\x05CS".as_slice(), &bytes].concat().into());
    }
}

#[test]
fn samples_that_lie_high_in_their_words_are_the_same_numbers() {
    let numbers = [0x000_u16, 0x001, 0x7FF, 0x800, 0xABC, 0xFFF];
    for (signed, high) in [(0, 11_u16), (0, 13), (0, 15), (1, 11), (1, 15)] {
        let below = high - 11;
        // What lies beside the number is no part of it.
        let beside = |number: u16| {
            let others: u16 = !(0xFFF << below);
            (number << below) | (others & 0x5555)
        };
        let mut elements = image(1, 6, 16);
        elements[5] = element(0x28, 0x101, b"US", &[12, 0]);
        elements[6] = element(0x28, 0x102, b"US", &high.to_le_bytes());
        elements[7] = element(0x28, 0x103, b"US", &[signed, 0]);
        let stored: Vec<u8> = numbers
            .iter()
            .flat_map(|number| beside(*number).to_le_bytes())
            .collect();
        let instance = Instance::parse(with_pixels(elements, &stored)).expect("opens");
        let found: Vec<u16> = instance
            .stored_frame(0)
            .expect("decodes")
            .as_chunks::<2>()
            .0
            .iter()
            .map(|word| u16::from_le_bytes(*word))
            .collect();
        let expected = numbers.map(|number| {
            if signed == 1 && number >= 0x800 {
                number | 0xF000
            } else {
                number
            }
        });
        assert_eq!(found, expected, "{signed} {high}");
    }
}

#[test]
fn there_are_no_more_frames_than_bytes_for_them_and_the_first_missing_one_says_so() {
    let promised = |pixels: Vec<u8>, syntax: &str| {
        let mut elements = image(4, 6, 8);
        elements.insert(2, element(0x28, 8, b"IS", b"1000000"));
        elements.push(pixels);
        let instance = Instance::parse(file(syntax, &elements)).expect("opens");
        let frames = instance.head.frames;
        let error = instance.decode_frame(frames - 1).expect_err("is missing");
        (frames, error.to_string())
    };
    assert_eq!(
        promised(element(0x7FE0, 0x10, b"OW", &pixels(50)), EXPLICIT),
        (
            3,
            "This DICOM file is cut off: frame 3 of 1000000 needs 24 bytes and 2 are left."
                .to_owned()
        )
    );
    assert_eq!(
        promised(fragments(&[], &[&[1; 10], &[2; 10]]), "1.2.840.10008.1.2.5"),
        (
            3,
            "This DICOM file is cut off: frame 3 of 1000000 needs 1 bytes and 0 are left."
                .to_owned()
        )
    );
}
