//! `imaging`: a real photograph is recognised and cleaned, and what is broken gets its sentence.

use healthsync_imaging::{Format, ImageError, clean, inspect};
use wasm_bindgen::prelude::wasm_bindgen;

const PICTURE: &[u8] = include_bytes!("../../../public/img/ct-lung.png");

#[wasm_bindgen]
pub fn test_a_picture_is_recognised_by_its_bytes() {
    let photo = inspect(PICTURE).unwrap();
    assert_eq!(photo.format, Format::Png);
    assert!(photo.width > 0 && photo.height > 0);
    assert_eq!(photo.bytes, PICTURE.len());
}

#[wasm_bindgen]
pub fn test_a_name_in_the_file_comes_off() {
    let name = b"PatientName\0DOE^JANE";
    let mut planted = PICTURE[..33].to_vec();
    planted.extend((name.len() as u32).to_be_bytes());
    let mut chunk = b"tEXt".to_vec();
    chunk.extend(name);
    planted.extend(&chunk);
    planted.extend(crc32(&chunk).to_be_bytes());
    planted.extend(&PICTURE[33..]);

    let cleaned = clean(&planted).unwrap();
    assert!(!cleaned.bytes.windows(4).any(|at| at == b"JANE"));
    assert_eq!(cleaned.bytes, clean(PICTURE).unwrap().bytes);
    assert!(!cleaned.removed.is_empty());
}

#[wasm_bindgen]
pub fn test_every_beginning_of_a_picture_is_refused() {
    assert!(matches!(inspect(&[]), Err(ImageError::Empty)));
    for length in (1..PICTURE.len()).step_by(97) {
        let refused = inspect(&PICTURE[..length]).unwrap_err();
        assert!(!refused.to_string().is_empty());
        assert!(clean(&PICTURE[..length]).is_err(), "{length} bytes");
    }
}

/// As in the PNG specification, annex D.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 }
        })
    })
}
