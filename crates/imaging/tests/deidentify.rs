//! De-identification of files in which a patient's name stands wherever a file has room for it. Feature `dicom`.

#[allow(dead_code)]
mod made;

use healthsync_imaging::deid::{Dates, Mask, Options, Refusal, Study, StudyKey};
use healthsync_imaging::dicom::{Instance, Tag, read, tags};
use made::*;

const NAME: &str = "Doe^Jane";

/// An image with the name in its preamble, meta group, header, sequences, private elements, overlay, icon and kept text.
fn planted() -> Vec<u8> {
    let name = NAME.as_bytes();
    let uid = |group, number, value: &str| element(group, number, b"UI", value.as_bytes());
    let mut elements = vec![
        element(8, 0, b"UL", &[99, 0, 0, 0]),
        element(8, 8, b"CS", b"ORIGINAL\\PRIMARY"),
        uid(8, 0x16, "1.2.840.10008.5.1.4.1.1.4"),
        uid(8, 0x18, "1.2.3.4.5.6"),
        element(8, 0x20, b"DA", b"20040119"),
        element(8, 0x21, b"DA", b"19 Jan 2004"),
        element(8, 0x30, b"TM", b"072730"),
        element(8, 0x50, b"SH", b"ACC-778899"),
        element(8, 0x60, b"CS", b"MR"),
        element(8, 0x70, b"LO", b"Made for DOE JANE"),
        element(8, 0x90, b"PN", b"House^Gregory"),
        element(8, 0x103E, b"LO", b"t1 jane doe follow-up"),
        sequence(
            8,
            0x1140,
            &[[
                uid(8, 0x1150, "1.2.840.10008.5.1.4.1.1.4"),
                uid(8, 0x1155, "1.2.3.4.5.7"),
            ]
            .concat()],
        ),
        element(9, 0x10, b"LO", b"MAKER"),
        element(9, 0x1001, b"LO", name),
        sequence(9, 0x1002, &[element(0x10, 0x10, b"PN", name)]),
        element(0x10, 0x10, b"PN", name),
        element(0x10, 0x20, b"LO", b"MRN0012345"),
        element(0x10, 0x30, b"DA", b"19610203"),
        element(0x10, 0x1010, b"AS", b"042Y"),
        element(0x10, 0x4000, b"UT", b"Jane Doe lives at 12 Elm Street"),
        element(0x18, 0x1030, b"LO", b"MRN0012345 head"),
        uid(0x20, 0xD, "1.2.3.4.1"),
        uid(0x20, 0xE, "1.2.3.4.2"),
        sequence(
            0x40,
            0x275,
            &[sequence(0x40, 0x100, &[element(0x40, 6, b"PN", name)])],
        ),
    ];
    elements.extend(image(4, 6, 16));
    elements.push(sequence(
        0x88,
        0x200,
        &[[
            image(2, 2, 8).concat(),
            element(0x7FE0, 0x10, b"OW", &[1, 2, 3, 4]),
        ]
        .concat()],
    ));
    elements.push(element(0x6000, 0x10, b"US", &[4, 0]));
    elements.push(element(0x6000, 0x22, b"LO", name));
    elements.push(element(0x6000, 0x3000, b"OW", &[0xAA; 4]));
    elements.push(element(
        0x7FE0,
        0x10,
        b"OW",
        &[pixels(48), name.to_vec()].concat(),
    ));
    let mut file = file(EXPLICIT, &elements);
    file[..name.len()].copy_from_slice(name);
    file
}

fn clean(bytes: Vec<u8>, options: Options) -> (Vec<u8>, healthsync_imaging::deid::Receipt) {
    let mut study = Study::new(options, StudyKey([7; 32]));
    let cleaned = study
        .clean(&["DOE_JANE_MR.dcm".to_owned()], bytes)
        .expect("cleans")
        .expect("an image");
    assert_eq!(cleaned.name, "image-0001.dcm");
    (cleaned.bytes, study.receipt())
}

fn says(bytes: &[u8], text: &str) -> bool {
    let lower = bytes.to_ascii_lowercase();
    lower
        .windows(text.len())
        .any(|window| window == text.to_ascii_lowercase().as_bytes())
}

#[test]
fn nothing_of_the_patient_is_left() {
    let (bytes, receipt) = clean(planted(), Options::default());
    for text in [
        "doe",
        "jane",
        "house",
        "gregory",
        "MRN0012345",
        "ACC-778899",
        "elm street",
        "20040119",
        "19610203",
        "19 Jan",
        "1.2.3.4.",
        "MAKER",
        "042Y",
    ] {
        assert!(!says(&bytes, text), "{text}");
    }
    let file = read(bytes.clone().into()).expect("reads back");
    assert!(
        file.dataset
            .elements()
            .iter()
            .all(|element| element.tag.0 % 2 == 0 && element.tag.1 != 0)
    );
    assert_eq!(
        file.dataset.text(tags::PATIENT_IDENTITY_REMOVED).as_deref(),
        Some("YES")
    );
    assert_eq!(
        file.dataset
            .text(tags::LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED)
            .as_deref(),
        Some("REMOVED")
    );
    assert_eq!(
        file.dataset
            .items(tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE)
            .len(),
        1
    );
    assert_eq!(
        file.meta.text(tags::MEDIA_STORAGE_SOP_INSTANCE_UID),
        file.dataset.text(tags::SOP_INSTANCE_UID)
    );
    // Kept text that named the patient is gone; what says nothing stays.
    assert!(file.dataset.get(tags::MANUFACTURER).is_none());
    assert_eq!(file.dataset.text(tags::MODALITY).as_deref(), Some("MR"));
    assert!(file.dataset.get(Tag(0x6000, 0x10)).is_none());
    let instance = Instance::parse(bytes).expect("an image");
    assert_eq!(instance.stored_frame(0).expect("decodes"), pixels(48));
    // The receipt names tags and no values.
    let text = serde_json::to_string(&receipt).expect("JSON");
    for value in ["doe", "MRN0012345", "1.2.3.4", "2004"] {
        assert!(!says(text.as_bytes(), value), "{value}");
    }
    assert!(receipt.files[0].pixels_unchanged && receipt.files[0].searched > 10);
}

#[test]
fn one_study_keeps_its_references_and_two_keys_none() {
    let mut study = Study::new(Options::default(), StudyKey([7; 32]));
    let uid = |study: &mut Study, tag| {
        let cleaned = study
            .clean(&[], planted())
            .expect("cleans")
            .expect("an image");
        read(cleaned.bytes.into()).expect("reads").dataset.text(tag)
    };
    let (one, two) = (
        uid(&mut study, tags::SERIES_INSTANCE_UID),
        uid(&mut study, tags::SERIES_INSTANCE_UID),
    );
    assert_eq!(one, two);
    assert_ne!(
        one,
        uid(
            &mut Study::new(Options::default(), StudyKey([8; 32])),
            tags::SERIES_INSTANCE_UID
        )
    );
    let (bytes, _) = clean(planted(), Options::default());
    let file = read(bytes.into()).expect("reads");
    let reference = &file.dataset.items(tags::REFERENCED_IMAGE_SEQUENCE)[0];
    assert_eq!(
        reference.text(tags::REFERENCED_SOP_CLASS_UID).as_deref(),
        Some("1.2.840.10008.5.1.4.1.1.4")
    );
    assert!(
        reference
            .text(tags::REFERENCED_SOP_INSTANCE_UID)
            .is_some_and(|uid| uid.starts_with("2.25."))
    );
}

#[test]
fn dates_move_together_and_what_is_none_goes() {
    let options = Options {
        dates: Dates::Shift(-19),
        ..Options::default()
    };
    let (bytes, receipt) = clean(planted(), options);
    let file = read(bytes.into()).expect("reads");
    assert_eq!(
        file.dataset.text(tags::STUDY_DATE).as_deref(),
        Some("20031231")
    );
    assert_eq!(
        file.dataset.text(tags::STUDY_TIME).as_deref(),
        Some("072730")
    );
    assert!(file.dataset.get(tags::SERIES_DATE).is_none());
    assert!(receipt.codes.iter().any(|code| code.value == "113107"));
    assert_eq!(
        file.dataset
            .text(tags::LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED)
            .as_deref(),
        Some("MODIFIED")
    );
}

#[test]
fn ultrasound_waits_for_eyes_and_boxes_are_painted_in_every_frame() {
    let us = || {
        let mut elements = vec![
            element(8, 8, b"CS", b"ORIGINAL\\PRIMARY"),
            element(8, 0x60, b"CS", b"US"),
            element(0x10, 0x10, b"PN", NAME.as_bytes()),
        ];
        elements.extend(image(4, 6, 8));
        elements.insert(4, element(0x28, 8, b"IS", b"2"));
        elements.push(element(0x7FE0, 0x10, b"OW", &pixels(48)));
        file(EXPLICIT, &elements)
    };
    let mut study = Study::new(Options::default(), StudyKey([7; 32]));
    let refusal = study.clean(&[], us()).expect_err("refused");
    assert!(
        matches!(&refusal, Refusal::Look { reasons, .. } if reasons.len() == 1),
        "{refusal}"
    );
    let options = Options {
        reviewed: true,
        masks: vec![Mask([1, 0, 100, 2])],
        ..Options::default()
    };
    let (bytes, receipt) = clean(us(), options);
    let instance = Instance::parse(bytes).expect("an image");
    for frame in 0..2 {
        let shown = instance.stored_frame(frame).expect("decodes");
        let before = &pixels(48)[frame as usize * 24..][..24];
        let black = *before.iter().min().expect("pixels");
        for (at, sample) in shown.iter().enumerate() {
            let expected = if at % 6 >= 1 && at / 6 < 2 {
                black
            } else {
                before[at]
            };
            assert_eq!(*sample, expected, "frame {frame}, pixel {at}");
        }
    }
    assert_eq!(receipt.files[0].painted, [Mask([1, 0, 6, 2])]);
    assert!(!receipt.files[0].pixels_unchanged);
    assert!(receipt.codes.iter().any(|code| code.value == "113101"));
}

#[test]
fn what_cannot_be_judged_is_refused() {
    let refusal = |elements: &[Vec<u8>]| {
        let mut study = Study::new(Options::default(), StudyKey([7; 32]));
        study
            .clean(&[], file(EXPLICIT, elements))
            .expect_err("refused")
            .to_string()
    };
    let report = [
        element(8, 0x16, b"UI", b"1.2.840.10008.5.1.4.1.1.88.11"),
        element(8, 0x60, b"CS", b"SR"),
    ];
    assert!(refusal(&report).starts_with("This is a structured report"));
    let pdf = [
        element(8, 0x16, b"UI", b"1.2.840.10008.5.1.4.1.1.104.1"),
        element(0x42, 0x11, b"OB", b"%PDF"),
    ];
    assert!(refusal(&pdf).starts_with("This is an encapsulated document"));
    let kind = vec![element(8, 8, b"CS", b"ORIGINAL\\PRIMARY")];
    let broken = [kind, image(4, 6, 8), vec![fragments(&[], &[b"not a JPEG"])]].concat();
    let mut study = Study::new(Options::default(), StudyKey([7; 32]));
    let error = study
        .clean(&[], file("1.2.840.10008.1.2.4.50", &broken))
        .expect_err("refused");
    assert!(matches!(error, Refusal::Unreadable(_)));
    // A directory of a medium names patients and has no place in the output.
    let directory = [
        element(8, 0x16, b"UI", b"1.2.840.10008.1.3.10"),
        sequence(4, 0x1220, &[element(0x10, 0x10, b"PN", NAME.as_bytes())]),
    ];
    assert_eq!(study.clean(&[], file(EXPLICIT, &directory)), Ok(None));
    assert_eq!(study.receipt().left_out.get("DICOMDIR"), Some(&1));
}

#[test]
fn a_receipt_is_checked_by_anyone_with_the_files() {
    let (bytes, receipt) = clean(planted(), Options::default());
    let text = serde_json::to_string(&receipt).expect("JSON");
    let receipt: healthsync_imaging::deid::Receipt =
        serde_json::from_str(&text).expect("a receipt");
    let checked = receipt.check(&bytes.clone().into());
    assert!(checked.holds, "{:?}", checked.faults);
    let mut other = bytes.clone();
    *other.last_mut().expect("bytes") ^= 1;
    assert!(!receipt.check(&other.into()).holds);
    // A receipt whose digest was changed to fit an uncleaned file does not hold either.
    let mut forged = receipt;
    use sha2::Digest as _;
    forged.files[0].sha256 = hex::encode(sha2::Sha256::digest(planted()));
    let checked = forged.check(&planted().into());
    assert!(!checked.holds && checked.faults.len() > 10);
}

#[test]
fn names_in_other_writings_are_found_too() {
    let mut elements = vec![
        element(8, 5, b"CS", b"ISO_IR 100"),
        element(8, 8, b"CS", b"ORIGINAL\\PRIMARY"),
        element(8, 0x60, b"CS", b"MR"),
        element(8, 0x70, b"LO", b"f\xfcr M\xfcller"),
        element(0x10, 0x10, b"PN", b"M\xfcller^J\xfcrgen"),
    ];
    elements.extend(image(4, 6, 8));
    elements.push(element(0x7FE0, 0x10, b"OW", &pixels(24)));
    let (bytes, _) = clean(file(EXPLICIT, &elements), Options::default());
    assert!(!bytes.windows(5).any(|window| window == b"\xfcller"));
    assert!(!bytes.windows(6).any(|window| window == b"M\xfcller"));
}

#[test]
fn elements_of_the_meta_group_inside_the_data_set_go() {
    let mut elements = vec![
        element(8, 8, b"CS", b"ORIGINAL\\PRIMARY"),
        element(8, 0x60, b"CS", b"MR"),
    ];
    elements.extend(image(4, 6, 8));
    elements.push(element(2, 0x16, b"AE", b"MACHINE7"));
    elements.push(element(0x7FE0, 0x10, b"OW", &pixels(24)));
    let (bytes, _) = clean(file(EXPLICIT, &elements), Options::default());
    assert!(!says(&bytes, "MACHINE7"));
    let instance = Instance::parse(bytes).expect("an image");
    assert_eq!(instance.stored_frame(0).expect("decodes"), pixels(24));
}

fn coded(name: &str) -> Vec<u8> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/coded");
    std::fs::read(folder.join(name)).expect("the file is checked in")
}

#[test]
fn a_jpeg_xl_of_a_jpeg_loses_what_would_make_the_jpeg_again() {
    for name in [
        "jpegxl-of-baseline-grey.dcm",
        "jpegxl-of-baseline-colour.dcm",
        "jpegxl-of-progressive-grey.dcm",
        "jpegxl-of-progressive-colour.dcm",
    ] {
        let before = coded(name);
        assert!(says(&before, "jbrd"), "{name}");
        let options = Options {
            reviewed: true,
            ..Options::default()
        };
        let (after, receipt) = clean(before.clone(), options);
        assert!(!says(&after, "jbrd"), "{name}");
        assert_eq!(receipt.files[0].stripped_frames, 1);
        let (before, after) = [before, after]
            .map(|bytes| Instance::parse(bytes).expect("an image"))
            .into();
        assert_eq!(before.stored_frame(0), after.stored_frame(0), "{name}");
        assert_eq!(after.syntax().uid, "1.2.840.10008.1.2.4.112");
    }
}

/// A made or coded file with other numbers in its description of pixels.
fn with_bits(mut bytes: Vec<u8>, stored: u16, high: u16) -> Vec<u8> {
    for (number, value) in [(0x01, stored), (0x02, high)] {
        let tag = [0x28, 0, number, 1, b'U', b'S', 2, 0];
        let at = bytes.windows(8).position(|eight| eight == tag);
        let at = at.expect("is described") + 8;
        bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }
    bytes
}

fn words(bytes: Vec<u8>) -> Vec<u16> {
    let instance = Instance::parse(bytes).expect("an image");
    let frame = instance.stored_frame(0).expect("decodes");
    let words = frame.as_chunks::<2>().0.iter();
    words.map(|word| u16::from_le_bytes(*word)).collect()
}

#[test]
fn bits_beside_the_stored_ones_hide_nothing_in_any_lossless_coding() {
    for (name, signed) in [
        ("explicit.dcm", false),
        ("rle-16.dcm", false),
        ("rle-signed.dcm", true),
        ("deflated-frame-16.dcm", false),
        ("deflated-frame-signed.dcm", true),
        ("jpeg-lossless-16-1.dcm", false),
        ("jpegls-16.dcm", false),
        ("jpeg2000-16.dcm", false),
        ("htj2k-16.dcm", false),
        ("jpegxl-16.dcm", false),
    ] {
        // Numbers of 16 bits under a header that says 12: the four above are what an overlay once was.
        let before = with_bits(coded(name), 12, 11);
        let options = Options {
            reviewed: true,
            ..Options::default()
        };
        let (after, receipt) = clean(before.clone(), options);
        assert!(receipt.files[0].pixels_unchanged, "{name}");
        let numbers = words(after.clone());
        assert_eq!(numbers, words(before), "{name}");
        let all = words(with_bits(after, 16, 15));
        for (all, number) in all.iter().zip(&numbers) {
            let carried = signed && all == number;
            assert!(carried || *all == number & 0xFFF, "{name}: {all:04x}");
        }
    }
}

#[test]
fn a_coded_frame_that_hides_nothing_stays_byte_for_byte() {
    let before = coded("jpeg-lossless-12-1.dcm");
    let options = Options {
        reviewed: true,
        ..Options::default()
    };
    let (after, _) = clean(before.clone(), options);
    let frame = |bytes: Vec<u8>| {
        let instance = Instance::parse(bytes).expect("an image");
        instance.coded_frame(0).expect("is coded")
    };
    assert_eq!(frame(after), frame(before));
}

#[test]
fn samples_that_lie_high_in_their_words_keep_their_numbers() {
    for (name, compress) in [
        ("explicit.dcm", false),
        ("explicit.dcm", true),
        ("rle-16.dcm", false),
        ("deflated-frame-16.dcm", false),
    ] {
        let before = with_bits(coded(name), 12, 15);
        let options = Options {
            reviewed: true,
            compress,
            ..Options::default()
        };
        let (after, receipt) = clean(before.clone(), options);
        assert_eq!(words(after.clone()), words(before.clone()), "{name}");
        let whole = words(with_bits(before, 16, 15));
        let high: Vec<u16> = whole.iter().map(|word| word >> 4).collect();
        assert_eq!(words(after.clone()), high, "{name}");
        let file = read(after.clone().into()).expect("reads");
        assert_eq!(file.dataset.int(tags::HIGH_BIT), Some(11));
        assert!(receipt.check(&after.into()).holds);
    }
}

#[test]
fn colours_in_planes_hide_nothing_either() {
    let mut elements = vec![
        element(8, 8, b"CS", b"ORIGINAL\\PRIMARY"),
        element(8, 0x60, b"CS", b"MR"),
    ];
    elements.extend(image(4, 6, 16));
    elements[2] = element(0x28, 2, b"US", &[3, 0]);
    elements[3] = element(0x28, 4, b"CS", b"RGB");
    elements.insert(4, element(0x28, 6, b"US", &[1, 0]));
    elements.push(element(0x7FE0, 0x10, b"OW", &pixels(144)));
    let before = with_bits(file(EXPLICIT, &elements), 12, 11);
    let (after, _) = clean(before.clone(), Options::default());
    assert_eq!(words(after.clone()), words(before));
    assert!(
        words(with_bits(after, 16, 15))
            .iter()
            .all(|all| *all < 1 << 12)
    );
}

#[test]
fn when_a_patient_was_born_is_no_date_of_a_study() {
    for (dates, studied) in [(Dates::Keep, "20040119"), (Dates::Shift(-19), "20031231")] {
        let options = Options {
            dates,
            ..Options::default()
        };
        let (bytes, _) = clean(planted(), options);
        let file = read(bytes.into()).expect("reads");
        let text = |tag| file.dataset.text(tag).unwrap_or_default();
        assert_eq!(text(tags::STUDY_DATE), studied);
        assert_eq!(text(tags::PATIENT_BIRTH_DATE), "");
    }
}

#[test]
fn a_receipt_of_a_file_shorter_than_a_preamble_is_checked_too() {
    let (_, mut receipt) = clean(planted(), Options::default());
    // Files without preamble begin with their first element.
    let bare = element(8, 0x60, b"CS", b"MR");
    use sha2::Digest as _;
    receipt.files[0].sha256 = hex::encode(sha2::Sha256::digest(&bare));
    assert!(!receipt.check(&bare.into()).holds);
}

#[test]
fn what_was_taken_out_is_known_for_the_words_beside_the_files() {
    use healthsync_imaging::intake::repeated;
    let mut study = Study::new(Options::default(), StudyKey([7; 32]));
    study.clean(&[], planted()).expect("cleans");
    let said = study.identifying();
    for (caption, field) in [
        ("Follow-up of Jane", Some("Patient Name")),
        ("Asked by House, on call", Some("Referring Physician Name")),
        ("MRN0012345, head", Some("Patient ID")),
        ("born 03.02.1961", Some("Patient Birth Date")),
        ("Nodule in the right lung, 12 mm, 2004", None),
    ] {
        let found = repeated(caption, &said);
        let as_expected = match field {
            None => found.is_none(),
            Some(field) => found.is_some_and(|found| found == field || field == "Patient Name"),
        };
        assert!(as_expected, "{caption}: {found:?}");
    }
}

#[test]
fn folders_with_everyday_names_keep_nothing_back() {
    let names = [
        "data",
        "DICM",
        "Imaging Profile",
        "Table-Option",
        "IM0001.dcm",
    ];
    let mut study = Study::new(Options::default(), StudyKey([7; 32]));
    let cleaned = study.clean(&names.map(str::to_owned), planted());
    assert!(cleaned.is_ok_and(|file| file.is_some()));
}
