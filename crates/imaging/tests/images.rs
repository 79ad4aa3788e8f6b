//! TIFF and NIfTI in a study: cleaned field by field, covered, refused, and checked against the receipt. Feature `dicom`.

use healthsync_imaging::Kind;
use healthsync_imaging::deid::{
    CleanedFile, Mask, Options, Outline, Receipt, Refusal, Study, StudyKey,
};
use healthsync_imaging::dicom::{Instance, Samples};
use healthsync_imaging::open;

const NAME: &str = "DOE^JANE^1961";
const SIZE: u32 = 24;

/// A TIFF with one page for each of `pages`, 24 × 24 samples of `bits`, described by the name and with Exif below.
fn tiff(pages: &[Vec<u8>], bits: u32, photometric: u32) -> Vec<u8> {
    let mut out = b"II*\0\0\0\0\0".to_vec();
    let mut link = 4;
    for page in pages {
        let text = out.len() as u32;
        out.extend(NAME.as_bytes());
        out.push(0);
        let exif = out.len() as u32;
        out.extend([1, 0]);
        entry(&mut out, 0x9003, 2, NAME.len() as u32, text);
        out.extend([0; 4]);
        let pixels = out.len() as u32;
        out.extend(page);
        let at = out.len() as u32;
        out[link..link + 4].copy_from_slice(&at.to_le_bytes());
        let entries = [
            (256, 4, 1, SIZE),
            (257, 4, 1, SIZE),
            (258, 3, 1, bits),
            (259, 3, 1, 1),
            (262, 3, 1, photometric),
            (270, 2, NAME.len() as u32 + 1, text),
            (273, 4, 1, pixels),
            (274, 3, 1, 6),
            (277, 3, 1, 1),
            (278, 4, 1, SIZE),
            (279, 4, 1, page.len() as u32),
            (34_665, 4, 1, exif),
        ];
        out.extend((entries.len() as u16).to_le_bytes());
        for (tag, kind, count, value) in entries {
            entry(&mut out, tag, kind, count, value);
        }
        link = out.len();
        out.extend([0; 4]);
    }
    out
}

fn entry(out: &mut Vec<u8>, tag: u16, kind: u16, count: u32, value: u32) {
    out.extend(tag.to_le_bytes());
    out.extend(kind.to_le_bytes());
    out.extend(count.to_le_bytes());
    out.extend(value.to_le_bytes());
}

fn grey(from: u8) -> Vec<u8> {
    (0..SIZE * SIZE).map(|at| from + (at % 100) as u8).collect()
}

/// NIfTI-1 of floating point, 24 × 24 × 3, with the name in `descrip` and in a DICOM extension.
fn nifti(big: bool) -> Vec<u8> {
    let mut out = vec![0; 352];
    let mut put = |at: usize, little: &[u8]| {
        let mut bytes = little.to_vec();
        if big {
            bytes.reverse();
        }
        out[at..at + bytes.len()].copy_from_slice(&bytes);
    };
    put(0, &348_u32.to_le_bytes());
    for (at, side) in [3_i16, 24, 24, 3].into_iter().enumerate() {
        put(40 + 2 * at, &side.to_le_bytes());
    }
    put(70, &16_i16.to_le_bytes());
    put(72, &32_i16.to_le_bytes());
    for (at, step) in [1.0_f32, 0.5, 0.5, 2.0].into_iter().enumerate() {
        put(76 + 4 * at, &step.to_le_bytes());
    }
    put(108, &400_f32.to_le_bytes());
    let extension = [48_i32.to_le_bytes(), 2_i32.to_le_bytes()];
    out[344..348].copy_from_slice(b"n+1\0");
    out[148..148 + NAME.len()].copy_from_slice(NAME.as_bytes());
    out[123] = 2;
    out[348] = 1;
    for mut number in extension {
        if big {
            number.reverse();
        }
        out.extend(number);
    }
    out.extend(NAME.as_bytes());
    out.resize(400, 0);
    for voxel in 0..24 * 24 * 3 {
        let value = (voxel % 200) as f32 / 100.0 - 0.5;
        out.extend(if big {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        });
    }
    out
}

fn clean(options: Options, bytes: Vec<u8>) -> Result<(CleanedFile, Receipt), Refusal> {
    let mut study = Study::new(options, StudyKey([7; 32]));
    let cleaned = study.clean(&[format!("{NAME}.img")], bytes)?;
    Ok((cleaned.expect("is an image"), study.receipt()))
}

fn samples(bytes: &[u8], frame: u32) -> Samples {
    let instance: Instance = open(bytes.to_vec()).expect("opens");
    instance.decode_frame(frame).expect("decodes").samples
}

fn contains(bytes: &[u8], part: &str) -> bool {
    bytes
        .windows(part.len())
        .any(|window| window == part.as_bytes())
}

#[test]
fn a_tiff_loses_its_fields_and_keeps_its_pages() {
    let input = tiff(&[grey(0), grey(50)], 8, 1);
    let (file, receipt) = clean(Options::default(), input.clone()).expect("cleans");
    assert_eq!(file.name, "image-0001.tif");
    assert!(contains(&input, NAME) && !contains(&file.bytes, "JANE"));
    for frame in 0..2 {
        assert_eq!(samples(&file.bytes, frame), samples(&input, frame));
    }
    let entry = &receipt.files[0];
    assert_eq!(
        (entry.image, entry.pixels_unchanged),
        (Some(Kind::Tiff), true)
    );
    assert!(entry.searched >= 3, "the name and its parts");
    let removed: Vec<&str> = entry
        .removed
        .iter()
        .map(|removed| removed.what.as_str())
        .collect();
    assert!(
        removed.contains(&"ImageDescription (270)") && removed.contains(&"Exif (34665)"),
        "{removed:?}"
    );
    assert!(receipt.codes.is_empty() && receipt.values() >= 2);
    assert!(
        !serde_json::to_string(&receipt)
            .expect("writes")
            .contains("JANE")
    );
    assert!(receipt.check(&file.bytes.into()).holds);
    assert!(!receipt.check(&input.into()).holds);
}

#[test]
fn a_volume_loses_its_fields_and_keeps_its_size_in_millimetres() {
    for big in [false, true] {
        let input = nifti(big);
        let (file, receipt) = clean(Options::default(), input.clone()).expect("cleans");
        assert_eq!(file.name, "image-0001.nii");
        assert!(!contains(&file.bytes, "JANE"));
        assert_eq!(samples(&file.bytes, 2), samples(&input, 2));
        let spacing = open(file.bytes.clone())
            .expect("opens")
            .head
            .spacing
            .expect("is stated");
        assert_eq!((spacing.columns, spacing.rows), (0.5, 0.5));
        let removed = &receipt.files[0].removed;
        for field in ["descrip", "Extension 2 (a DICOM header)"] {
            assert!(
                removed.iter().any(|removed| removed.what == field),
                "{removed:?}"
            );
        }
        let checked = receipt.check(&file.bytes.into());
        assert!(checked.holds, "{:?}", checked.faults);
    }
}

#[test]
fn a_volume_is_shown_by_the_values_of_all_its_slices() {
    let window = |bytes: Vec<u8>| open(bytes).expect("opens").head.windows[0].clone();
    let data = window(nifti(false));
    let (black, white) = (
        data.center - data.width / 2.0,
        data.center + data.width / 2.0,
    );
    assert!(
        (-0.5..-0.45).contains(&black) && (1.45..=1.5).contains(&white),
        "{black} to {white}"
    );
    let mut stated = nifti(false);
    stated[124..128].copy_from_slice(&2.0_f32.to_le_bytes());
    stated[128..132].copy_from_slice(&1.0_f32.to_le_bytes());
    let stated = window(stated);
    assert_eq!((stated.center, stated.width), (1.5, 1.0));
    assert!(
        open(tiff(&[grey(0)], 8, 1))
            .expect("opens")
            .head
            .windows
            .is_empty()
    );
}

#[test]
fn boxes_are_painted_in_every_frame_and_nothing_else_is() {
    let covering = Options {
        reviewed: true,
        masks: vec![Mask([2, 3, 12, 9])],
        ..Options::default()
    };
    let sixteen: Vec<u8> = (0..SIZE * SIZE)
        .flat_map(|at| (at as u16 * 100).to_le_bytes())
        .collect();
    let bilevel = vec![0b0101_1010; 3 * SIZE as usize];
    for input in [
        tiff(&[grey(9), grey(60)], 8, 1),
        tiff(&[sixteen], 16, 1),
        tiff(&[bilevel], 1, 1),
        nifti(false),
        nifti(true),
    ] {
        let (file, receipt) = clean(covering.clone(), input.clone()).expect("cleans");
        let (before, after) = (
            open(input.clone()).expect("opens"),
            open(file.bytes.clone()).expect("opens"),
        );
        assert_eq!(before.head.frames, after.head.frames);
        assert!(!contains(&file.bytes, "JANE"));
        assert!(!receipt.files[0].pixels_unchanged);
        let checked = receipt.check(&file.bytes.clone().into());
        assert!(checked.holds, "{:?}", checked.faults);
        for frame in 0..before.head.frames {
            let [was, is] = [&before, &after]
                .map(|one| numbers(&one.decode_frame(frame).expect("decodes").samples));
            let scale = if before.head.pixels.bits_stored == 1 {
                255.0
            } else {
                1.0
            };
            let least = was.iter().copied().fold(f64::MAX, f64::min);
            for (at, (was, is)) in was.iter().zip(&is).enumerate() {
                let (x, y) = (at as u32 % SIZE, at as u32 / SIZE);
                let inside = (2..12).contains(&x) && (3..9).contains(&y);
                assert_eq!(*is, if inside { least } else { was * scale }, "at {x}, {y}");
            }
        }
    }
}

#[test]
fn an_outline_covers_what_is_inside_and_what_it_touches() {
    // A diamond around 10, 10, and one that lies outside of the picture.
    let diamond = Outline(vec![[10, 4], [16, 10], [10, 16], [4, 10]]);
    let outside = Outline(vec![[100, 4], [110, 4], [105, 20]]);
    let covering = Options {
        reviewed: true,
        outlines: vec![diamond.clone(), outside],
        ..Options::default()
    };
    let input = tiff(&[grey(9), grey(60)], 8, 1);
    let (file, receipt) = clean(covering, input.clone()).expect("cleans");
    assert_eq!(receipt.files[0].outlined, [diamond]);
    assert!(receipt.files[0].painted.is_empty() && !receipt.files[0].pixels_unchanged);
    assert!(receipt.check(&file.bytes.clone().into()).holds);
    for frame in 0..2 {
        let was = numbers(&samples(&input, frame));
        let is = numbers(&samples(&file.bytes, frame));
        let least = was.iter().copied().fold(f64::MAX, f64::min);
        for (at, (was, is)) in was.iter().zip(&is).enumerate() {
            let (x, y) = (at as u32 % SIZE, at as u32 / SIZE);
            let far = (f64::from(x) + 0.5 - 10.0).abs() + (f64::from(y) + 0.5 - 10.0).abs();
            if far <= 6.0 {
                assert_eq!(*is, least, "at {x}, {y}");
            } else if far > 7.5 {
                assert_eq!(is, was, "at {x}, {y}");
            }
        }
    }
}

fn numbers(samples: &Samples) -> Vec<f64> {
    match samples {
        Samples::U8(all) => all.iter().map(|value| f64::from(*value)).collect(),
        Samples::U16(all) => all.iter().map(|value| f64::from(*value)).collect(),
        Samples::F32(all) => all.iter().map(|value| f64::from(*value)).collect(),
        other => panic!("no such samples were made: {other:?}"),
    }
}

#[test]
fn words_in_the_pixels_are_to_be_looked_at() {
    let mut page = vec![10; (SIZE * SIZE) as usize];
    // Eight letters of seven pixels: upright strokes.
    for letter in 0..5 {
        for y in 4..12 {
            for x in 0..2 {
                page[y * SIZE as usize + 2 + letter * 4 + x] = 250;
            }
        }
    }
    let input = tiff(&[page], 8, 1);
    let refused = clean(Options::default(), input.clone()).expect_err("asks to look");
    assert!(matches!(refused, Refusal::Look { .. }), "{refused}");
    let reviewed = Options {
        reviewed: true,
        ..Options::default()
    };
    assert!(clean(reviewed, input).is_ok());
}

#[test]
fn what_is_broken_is_refused_in_a_sentence() {
    let whole = tiff(&[grey(0)], 8, 1);
    for bytes in [
        whole[..whole.len() / 2].to_vec(),
        nifti(false)[..2000].to_vec(),
    ] {
        let refused = clean(Options::default(), bytes)
            .expect_err("is refused")
            .to_string();
        assert!(
            refused.contains("is damaged") && refused.ends_with('.'),
            "{refused}"
        );
    }
}
