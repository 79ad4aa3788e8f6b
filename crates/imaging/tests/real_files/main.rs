//! Every DICOM file of the packages that the field tests itself with: opened with equal pixels or refused for the
//! right reason, and cleaned so that nothing of the patient is left. `cargo xtask test rust` gets the packages and runs
//! these; without them they are ignored. Features `dicom`.

mod reference;
mod survey;

use std::collections::BTreeSet;

use healthsync_imaging::deid::{Options, Refusal, Study, StudyKey, find_text};
use healthsync_imaging::dicom::{ImagingError, Instance, Samples, looks_like_dicom, read};
use reference::{Expected, Reference, each, identities, place};
use sha2::{Digest, Sha256};
use survey::Outcome;

/// How far a sample of the cosine transform may lie from the other decoder's.
const STEPS: i64 = 3;

/// What became of a file, or how that differs from what should have.
fn open(file: &Reference, bytes: Vec<u8>) -> Result<Outcome, String> {
    match (decode(bytes), &file.expected) {
        (Ok((size, _)), _) if file.size != size && file.size != [0; 3] => {
            Err(format!("{size:?} instead of {:?}", file.size))
        }
        (Ok((_, samples)), Expected::Equal(digest)) => {
            let found = hex::encode(Sha256::digest(samples.concat()));
            if found == *digest {
                Ok(Outcome::Equal)
            } else {
                Err("other pixels".to_owned())
            }
        }
        (Ok((_, samples)), Expected::Near(points)) => near(&samples.concat(), points, file),
        (Ok(_), Expected::Opens) => Ok(Outcome::Opened),
        (Ok(_), Expected::Refused(reason)) => Err(format!("opened, where it is {reason}")),
        (Err(error), Expected::Refused(reason)) if why(&error) == *reason => Ok(Outcome::Refused),
        (Err(error), _) => Err(format!("refused: {error}")),
    }
}

type Decoded = ([u32; 3], Vec<Vec<u8>>);

fn decode(bytes: Vec<u8>) -> Result<Decoded, ImagingError> {
    let instance = Instance::parse(bytes)?;
    let (head, pixels) = (&instance.head, &instance.head.pixels);
    let frames: Result<Vec<_>, _> = (0..head.frames)
        .map(|frame| instance.stored_frame(frame))
        .collect();
    Ok(([pixels.rows, pixels.columns, head.frames], frames?))
}

fn near(bytes: &[u8], points: &[i64], file: &Reference) -> Result<Outcome, String> {
    let [rows, columns, frames] = file.size.map(|number| number as usize);
    // Colour has one byte a sample; grey has one or two.
    let of_pixel = bytes.len() / (rows * columns * frames);
    let width = if of_pixel == 2 { 2 } else { 1 };
    let samples = bytes.len() / width;
    let at = |place: usize| match width {
        2 => i64::from(u16::from_le_bytes([bytes[2 * place], bytes[2 * place + 1]])),
        _ => i64::from(bytes[place]),
    };
    let far: Vec<i64> = points
        .iter()
        .enumerate()
        .map(|(number, point)| at(place(number, samples)) - point)
        .filter(|difference| difference.abs() > STEPS)
        .collect();
    if points.len() == 64 && far.is_empty() {
        Ok(Outcome::Near)
    } else {
        Err(format!("differs by {far:?}"))
    }
}

/// The reason in the table's words.
fn why(error: &ImagingError) -> &'static str {
    match error {
        ImagingError::Empty => "empty",
        ImagingError::NotDicom(_) => "no DICOM",
        ImagingError::Truncated { .. } => "truncated",
        ImagingError::Damaged(_) => "damaged",
        ImagingError::Limit(_) => "limit",
        ImagingError::NoPixels(_) => "no picture",
        ImagingError::Unsupported(_) => "unsupported",
        ImagingError::NoSuchFrame { .. } => "no such frame",
        ImagingError::Frame { .. } => "frame",
    }
}

#[test]
#[ignore = "needs real files: cargo xtask test rust"]
fn every_file_opens_with_equal_pixels_or_is_refused_for_the_right_reason() {
    let done = each(open);
    let wrong: Vec<String> = done
        .iter()
        .filter_map(|(file, said)| {
            let fault = said.as_ref().err()?;
            Some(format!("{}/{}: {fault}", file.package, file.path))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let known: Vec<_> = done
        .into_iter()
        .filter_map(|(file, said)| Some((file, said.ok()?)))
        .collect();
    survey::check(&known);
}

#[test]
#[ignore = "needs real files: cargo xtask test rust"]
fn every_file_is_recognised_by_its_bytes() {
    let missed: Vec<&str> = each(|_, bytes| looks_like_dicom(&bytes))
        .into_iter()
        .filter_map(|(file, recognised)| (!recognised).then_some(file.path))
        .collect();
    assert!(missed.is_empty(), "{missed:?}");
}

/// Values that say nothing of a person and stand in coded elements that stay, or are what is put in their place: a
/// person called "Patient", series called like a body part or a kind of image, and our own date.
const EVERYDAY: [&str; 5] = ["patient", "scout", "perfusion", "pancreas", "19000101"];

/// Cleans a file as a person does who has looked at it, and says which values are still there.
fn survivors(values: &[&str], name: &str, bytes: Vec<u8>) -> Result<Vec<String>, Refusal> {
    let options = Options {
        reviewed: true,
        ..Options::default()
    };
    let mut study = Study::new(options, StudyKey([5; 32]));
    let Some(cleaned) = study.clean(&[name.to_owned()], bytes)? else {
        return Ok(Vec::new());
    };
    let mut left = Vec::new();
    let receipt = serde_json::to_string(&study.receipt()).expect("a receipt");
    let checked = study.receipt().check(&cleaned.bytes.clone().into());
    left.extend(checked.faults);
    let file = read(cleaned.bytes.clone().into()).expect("it was read back before");
    left.extend(
        file.dataset
            .elements()
            .iter()
            .filter(|element| element.tag.is_private())
            .map(|element| format!("the private element {}", element.tag)),
    );
    let header = before_pixels(&cleaned.bytes);
    for value in values {
        if EVERYDAY.contains(&value.to_ascii_lowercase().as_str()) {
            continue;
        }
        for coded in codings(value) {
            if says(header, &coded) || says(receipt.as_bytes(), &coded) {
                left.push((*value).to_owned());
                break;
            }
        }
    }
    Ok(left)
}

/// What a file says before its pixels: preamble, meta group, header. The pixels come last in everything we write.
fn before_pixels(bytes: &[u8]) -> &[u8] {
    let start = [
        b"\xE0\x7F\x10\0OB",
        b"\xE0\x7F\x10\0OW",
        b"\xE0\x7F\x08\0OF",
        b"\xE0\x7F\x09\0OD",
    ]
    .iter()
    .filter_map(|start| bytes.windows(6).position(|window| window == *start))
    .min();
    &bytes[..start.unwrap_or(bytes.len())]
}

/// A value in the character sets that files of the packages use.
fn codings(value: &str) -> BTreeSet<Vec<u8>> {
    let sets = [
        encoding_rs::UTF_8,
        encoding_rs::WINDOWS_1252,
        encoding_rs::SHIFT_JIS,
        encoding_rs::EUC_KR,
        encoding_rs::GB18030,
    ];
    sets.iter()
        .map(|set| set.encode(value))
        .filter(|(_, _, lost)| !lost)
        .map(|(bytes, _, _)| bytes.to_ascii_lowercase())
        .collect()
}

/// Whether a value stands in the bytes as a word of its own.
fn says(bytes: &[u8], value: &[u8]) -> bool {
    let part = |at: Option<usize>| {
        at.and_then(|at| bytes.get(at))
            .is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'.')
    };
    (0..bytes.len().saturating_sub(value.len() - 1)).any(|at| {
        bytes[at..at + value.len()].eq_ignore_ascii_case(value)
            && !part(at.checked_sub(1))
            && !part(Some(at + value.len()))
    })
}

#[test]
#[ignore = "needs real files: cargo xtask test rust"]
fn no_identifying_value_survives_in_any_file() {
    let identities = identities();
    let said = each(|file, bytes| {
        let values = identities.get(file.key()).map_or(&[][..], Vec::as_slice);
        let opens = !matches!(file.expected, Expected::Refused(_));
        let name = file.path.rsplit('/').next().unwrap_or_default();
        match survivors(values, name, bytes) {
            Ok(left) if left.is_empty() => Ok(usize::from(opens) * values.len()),
            Ok(left) => Err(format!("{}/{}: {left:?}", file.package, file.path)),
            Err(_) if !opens => Ok(0),
            Err(refusal) => Err(format!("{}/{}: {refusal}", file.package, file.path)),
        }
    });
    let wrong: Vec<&String> = said
        .iter()
        .filter_map(|(_, said)| said.as_ref().err())
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let searched: usize = said.iter().flat_map(|(_, said)| said).sum();
    eprintln!("{searched} values of {} files searched for", said.len());
    assert!(said.is_empty() || searched > 0);
}

/// Words for a real picture: their width and height, and how much of each pixel they cover.
fn words(size: u32) -> (usize, usize, Vec<u8>) {
    let path = format!(
        "{}/tests/coded/words-{size}.png",
        env!("CARGO_MANIFEST_DIR")
    );
    let picture = image::open(path).expect("is checked in").into_luma8();
    (
        picture.width() as usize,
        picture.height() as usize,
        picture.into_raw(),
    )
}

/// The lines found in a grey first frame as it is, and once words were burned into its upper left corner.
fn before_and_after(bytes: Vec<u8>) -> Option<(usize, bool)> {
    let instance = Instance::parse(bytes).ok()?;
    let mut frame = instance.decode_frame(0).ok()?;
    let (width, height, coverage) = words(16);
    let columns = frame.columns as usize;
    if columns < width + 8 || (frame.rows as usize) < height + 8 {
        return None;
    }
    let before = find_text(&frame).len();
    macro_rules! burn {
        ($all:ident) => {{
            let places = (0..width * height).map(|at| (4 + at / width) * columns + 4 + at % width);
            let (low, high) = ($all.iter().copied().min()?, $all.iter().copied().max()?);
            let middle = i64::from(low) + (i64::from(high) - i64::from(low)) / 2;
            let bright = places
                .clone()
                .filter(|at| i64::from($all[*at]) > middle)
                .count();
            // White words on a dark ground, black ones on a bright ground: what can be read.
            let ink = if 2 * bright > width * height {
                low
            } else {
                high
            };
            for (at, covered) in places.zip(&coverage) {
                if *covered > 127 {
                    $all[at] = ink;
                }
            }
        }};
    }
    match &mut frame.samples {
        Samples::U8(all) => burn!(all),
        Samples::U16(all) => burn!(all),
        Samples::I16(all) => burn!(all),
        _ => return None,
    }
    let after = find_text(&frame)
        .iter()
        .any(|line| line.bounds[1] < 4 + height as u32);
    Some((before, after))
}

/// Of real grey pictures, the words that were burned in are found in all but these few, and words are seen in few.
#[test]
#[ignore = "needs real files: cargo xtask test rust"]
fn words_burned_into_real_pictures_are_found() {
    let said: Vec<_> = each(|_, bytes| before_and_after(bytes))
        .into_iter()
        .filter_map(|(file, said)| Some((file, said?)))
        .collect();
    let missed: Vec<&str> = said
        .iter()
        .filter(|(_, (_, found))| !found)
        .map(|(file, _)| file.path)
        .collect();
    let seen: Vec<&str> = said
        .iter()
        .filter(|(_, (before, _))| *before > 0)
        .map(|(file, _)| file.path)
        .collect();
    eprintln!(
        "{} grey pictures; words missed in {missed:?}; words seen before in {seen:?}",
        said.len()
    );
    assert!(100 * missed.len() <= 5 * said.len(), "{missed:?}");
    assert!(100 * seen.len() <= 10 * said.len(), "{seen:?}");
}
