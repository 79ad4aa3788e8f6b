//! Cleaning takes every planted name out and leaves every pixel as it was; what is cut off, damaged or
//! hostile is refused and never panics.

mod planted;

use healthsync_imaging::{Format, ImageError, clean, inspect};
use image::ImageFormat;
use planted::*;
use proptest::prelude::*;

fn all() -> Vec<(Format, Vec<u8>)> {
    let mut all = Vec::new();
    for orientation in 1..=8 {
        all.push((Format::Jpeg, jpeg(orientation)));
        all.push((Format::Png, png(orientation)));
        all.push((Format::WebP, webp(orientation)));
    }
    all.push((Format::WebP, animated_webp()));
    all.push((Format::WebP, lossy_webp()));
    all.push((Format::Jpeg, encoded(ImageFormat::Jpeg)));
    all.push((Format::Png, encoded(ImageFormat::Png)));
    all.push((Format::WebP, encoded(ImageFormat::WebP)));
    all
}

fn pixels(bytes: &[u8]) -> image::DynamicImage {
    image::load_from_memory(bytes).expect("decodes")
}

#[test]
fn the_name_is_gone_and_the_picture_is_the_same() {
    for (format, before) in all() {
        let cleaned = clean(&before).expect("clean");
        assert_eq!(cleaned.photo.format, format);
        for part in [NAME, b"JANE", b"Photoshop", b"xmpmeta", b"MPF"] {
            assert!(
                !contains(&cleaned.bytes, part),
                "{format:?} still holds {}",
                part.escape_ascii()
            );
        }
        assert_eq!(pixels(&before), pixels(&cleaned.bytes), "{format:?}");
    }
}

#[test]
fn the_name_was_there_before() {
    for planted in [jpeg(1), png(1), webp(1), animated_webp()] {
        assert!(contains(&planted, NAME));
    }
}

#[test]
fn cleaning_twice_removes_nothing_more() {
    for (_, before) in all() {
        let once = clean(&before).expect("clean");
        let twice = clean(&once.bytes).expect("clean");
        assert_eq!(twice.removed, []);
        assert_eq!(
            twice,
            healthsync_imaging::Cleaned {
                removed: Vec::new(),
                ..once.clone()
            }
        );
        assert_eq!(inspect(&once.bytes), Ok(once.photo));
    }
}

#[test]
fn a_picture_without_metadata_stays_as_it_is() {
    for format in [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Jpeg] {
        let before = encoded(format);
        let cleaned = clean(&before).expect("clean");
        assert_eq!(cleaned.bytes, before);
        assert_eq!(cleaned.removed, []);
    }
}

#[test]
fn the_orientation_survives_and_decides_the_size() {
    for orientation in 1..=8 {
        for before in [jpeg(orientation), png(orientation)] {
            let photo = clean(&before).expect("clean").photo;
            assert_eq!(photo.orientation, orientation);
            let size = if orientation >= 5 { (61, 97) } else { (97, 61) };
            assert_eq!((photo.width, photo.height), size);
        }
    }
}

#[test]
fn a_webp_is_shown_as_it_is_stored() {
    let photo = clean(&webp(6)).expect("clean").photo;
    assert_eq!((photo.width, photo.height, photo.orientation), (97, 61, 1));
}

#[test]
fn the_colour_profile_survives_without_its_words() {
    for before in [jpeg(1), webp(1)] {
        assert!(contains(
            &clean(&before).expect("clean").bytes,
            b"\0\0\xf6\xd6\0\x01\0\0\0\0\xd3\x2d"
        ));
    }
    let png = clean(&png(1)).expect("clean").bytes;
    let mut reader = image::ImageReader::new(std::io::Cursor::new(png));
    reader.set_format(ImageFormat::Png);
    let profile = image::ImageDecoder::icc_profile(&mut reader.into_decoder().expect("decodes"));
    let profile = profile.expect("readable").expect("there");
    assert!(contains(&profile, b"\0\0\xf6\xd6\0\x01\0\0\0\0\xd3\x2d"));
    assert!(!contains(&profile, b"JANE"));
}

#[test]
fn the_receipt_names_kinds_and_adds_up() {
    let before = jpeg(1);
    let cleaned = clean(&before).expect("clean");
    let kinds: Vec<_> = cleaned
        .removed
        .iter()
        .map(|removed| removed.what.as_str())
        .collect();
    assert_eq!(
        kinds,
        [
            "Exif (camera, place, time, thumbnail)",
            "XMP (description, history)",
            "Thumbnail",
            "Data that is not needed to show the picture",
            "Photoshop and IPTC data (caption, names)",
            "Text and comments",
            "Data after the end of the picture",
            "Names in the colour profile",
        ]
    );
    let removed: usize = cleaned.removed.iter().map(|removed| removed.bytes).sum();
    assert!(
        removed >= before.len() - cleaned.bytes.len() - 32,
        "only padding is not counted"
    );
}

#[test]
fn a_jfif_thumbnail_goes() {
    let plain = encoded(ImageFormat::Jpeg);
    let thumbnail = [NAME, &NAME[..11]].concat();
    let jfif = segment(
        0xE0,
        &[b"JFIF\0\x01\x02\x01\0\x48\0\x48\x02\x04", &thumbnail],
    );
    let old = 2 + 2 + usize::from(u16::from_be_bytes([plain[4], plain[5]]));
    let before = [&plain[..2], &jfif, &plain[old..]].concat();
    let cleaned = clean(&before).expect("clean");
    assert!(!contains(&cleaned.bytes, NAME));
    assert!(contains(
        &cleaned.bytes,
        b"JFIF\0\x01\x02\x01\0\x48\0\x48\0\0\xFF"
    ));
    assert_eq!(pixels(&before), pixels(&cleaned.bytes));
}

#[test]
fn what_is_cut_off_is_refused() {
    for (format, mut whole) in all() {
        // Up to the end of the picture itself: what follows does not belong to it.
        whole = clean(&whole).expect("clean").bytes;
        for sixteenth in 0..16 {
            let cut = &whole[..whole.len() * sixteenth / 16];
            let error = clean(cut).expect_err("refused");
            assert_eq!(inspect(cut), Err(error.clone()));
            if cut.len() >= 12 {
                assert!(
                    matches!(error, ImageError::Truncated { .. }),
                    "{format:?} at {sixteenth}/16: {error}"
                );
            }
        }
        for missing in 1..=12.min(whole.len()) {
            clean(&whole[..whole.len() - missing]).expect_err("refused");
        }
    }
}

#[test]
fn the_sentence_says_where_a_file_ends() {
    let whole = encoded(ImageFormat::Jpeg);
    let error = inspect(&whole[..whole.len() - 2])
        .expect_err("refused")
        .to_string();
    assert_eq!(
        error,
        format!(
            "This JPEG is cut off after {} bytes: it stops inside the picture.",
            whole.len() - 2
        )
    );
}

#[test]
fn a_flipped_bit_in_a_png_is_found() {
    let mut png = encoded(ImageFormat::Png);
    let middle = png.len() / 2;
    png[middle] ^= 1;
    let error = inspect(&png).expect_err("refused").to_string();
    assert!(
        error.starts_with("This PNG is damaged: the checksum of its chunk IDAT at byte "),
        "{error}"
    );
}

#[test]
fn four_hundred_megapixels_are_refused_before_anything_is_made() {
    let side = 20_000u32.to_be_bytes();
    let png = [
        b"\x89PNG\r\n\x1a\n".as_slice(),
        &chunk(b"IHDR", &[&side, &side, &[8, 2, 0, 0, 0]]),
        &chunk(b"IDAT", &[b"\0"]),
        &chunk(b"IEND", &[]),
    ]
    .concat();
    let mut jpeg = encoded(ImageFormat::Jpeg);
    let frame = jpeg
        .windows(2)
        .position(|marker| marker == [0xFF, 0xC0])
        .expect("a baseline header");
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0x4E, 0x20, 0x4E, 0x20]);
    for bytes in [png, jpeg] {
        assert_eq!(
            inspect(&bytes).expect_err("refused").to_string(),
            "The picture has 20000 × 20000 pixels, 400 megapixels: the limit is 100."
        );
    }
}

#[test]
fn a_profile_that_inflates_without_end_goes() {
    let plain = encoded(ImageFormat::Png);
    let bomb = miniz_oxide::deflate::compress_to_vec_zlib(&vec![0; 32 << 20], 9);
    let png = [
        &plain[..33],
        &chunk(b"iCCP", &[b"p\0\0", &bomb]),
        &plain[33..],
    ]
    .concat();
    let cleaned = clean(&png).expect("clean");
    assert_eq!(cleaned.bytes, plain);
    assert_eq!(cleaned.removed[0].what, "Unreadable colour profile");
}

#[test]
fn kinds_that_browsers_do_not_show_are_refused() {
    let mut lossless = encoded(ImageFormat::Jpeg);
    let frame = lossless
        .windows(2)
        .position(|marker| marker == [0xFF, 0xC0])
        .expect("a baseline header");
    let mut deep = lossless.clone();
    lossless[frame + 1] = 0xC3;
    deep[frame + 4] = 12;
    for bytes in [lossless, deep] {
        assert!(matches!(clean(&bytes), Err(ImageError::Unsupported { .. })));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn flipped_bits_never_panic(which in 0..29usize, flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8u8), 1..12)) {
        let all = all();
        let mut bytes = all[which % all.len()].1.clone();
        for (at, bit) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        if let Ok(cleaned) = clean(&bytes) {
            prop_assert_eq!(inspect(&cleaned.bytes), Ok(cleaned.photo.clone()));
            let twice = clean(&cleaned.bytes).expect("what was cleaned is clean");
            prop_assert_eq!(twice.bytes, cleaned.bytes);
        }
    }

    #[test]
    fn any_bytes_never_panic(format in 0..3usize, rest in prop::collection::vec(any::<u8>(), 0..200)) {
        let start: [&[u8]; 3] = [b"\x89PNG\r\n\x1a\n", b"\xFF\xD8\xFF", b"RIFF\x40\0\0\0WEBP"];
        let _ = clean(&[start[format], &rest].concat());
    }

    #[test]
    fn any_chunks_never_panic(chunks in prop::collection::vec((0..8usize, prop::collection::vec(any::<u8>(), 0..40)), 0..6)) {
        let names: [&[u8; 4]; 8] = [b"IDAT", b"iCCP", b"eXIf", b"tRNS", b"fcTL", b"PLTE", b"IEND", b"tEXt"];
        let plain = encoded(ImageFormat::Png);
        let mut png = plain[..33].to_vec();
        let names_webp: [&[u8; 4]; 8] = [b"VP8X", b"VP8 ", b"VP8L", b"ANMF", b"ICCP", b"EXIF", b"ALPH", b"ANIM"];
        let mut webp = riff(b"VP8X", &[&[2, 0, 0, 0, 96, 0, 0, 60, 0, 0]]);
        let mut jpeg = vec![0xFF, 0xD8];
        let markers = [0xC0, 0xC4, 0xDA, 0xE0, 0xE1, 0xE2, 0xEE, 0xDB];
        for (name, content) in chunks {
            png.extend(chunk(names[name], &[&content]));
            webp.extend(riff(names_webp[name], &[&content]));
            jpeg.extend(segment(markers[name], &[&content]));
        }
        png.extend(chunk(b"IEND", &[]));
        jpeg.extend([0xFF, 0xD9]);
        let webp = [b"RIFF".as_slice(), &(webp.len() as u32 + 4).to_le_bytes(), b"WEBP", &webp].concat();
        for bytes in [png, webp, jpeg] {
            if let Ok(cleaned) = clean(&bytes) {
                prop_assert!(clean(&cleaned.bytes).is_ok());
            }
        }
    }
}
