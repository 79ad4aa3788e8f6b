//! Pictures made for tests, with a patient's name planted wherever a format has room for words.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, RgbImage};

pub(crate) const NAME: &[u8] = b"DOE^JANE^1961";

/// Noise over a gradient: no two rows alike, so that any damage to the pixels shows.
pub(crate) fn picture(width: u32, height: u32) -> DynamicImage {
    let mut state = 1u32;
    DynamicImage::ImageRgb8(RgbImage::from_fn(width, height, |x, y| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        image::Rgb([(x * 3) as u8, (y * 5) as u8, (state >> 24) as u8])
    }))
}

pub(crate) fn encoded(format: ImageFormat) -> Vec<u8> {
    let mut out = Vec::new();
    picture(97, 61)
        .write_to(&mut Cursor::new(&mut out), format)
        .expect("encodes");
    out
}

/// Exif with an orientation and the name as artist, little endian as cameras write it.
pub(crate) fn exif(orientation: u8) -> Vec<u8> {
    let mut tiff = b"II*\0\x08\0\0\0\x02\0".to_vec();
    tiff.extend(b"\x12\x01\x03\0\x01\0\0\0");
    tiff.extend([orientation, 0, 0, 0]);
    tiff.extend(b"\x3b\x01\x02\0");
    tiff.extend((NAME.len() as u32).to_le_bytes());
    tiff.extend(38u32.to_le_bytes());
    tiff.extend([0; 4]);
    tiff.extend(NAME);
    tiff
}

pub(crate) fn xmp() -> Vec<u8> {
    [
        b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>".as_slice(),
        NAME,
        b"</x:xmpmeta>",
    ]
    .concat()
}

/// A profile with the name as its description and a white point.
pub(crate) fn profile() -> Vec<u8> {
    let mut profile = vec![0; 128];
    profile[36..40].copy_from_slice(b"acsp");
    profile.extend(2u32.to_be_bytes());
    let words = [b"text\0\0\0\0".as_slice(), NAME].concat();
    let start = 128 + 4 + 24;
    for (name, at, length) in [
        (b"desc", start, words.len()),
        (b"wtpt", start + words.len(), 20),
    ] {
        profile.extend(name);
        profile.extend((at as u32).to_be_bytes());
        profile.extend((length as u32).to_be_bytes());
    }
    profile.extend(words);
    profile.extend(b"XYZ \0\0\0\0\0\0\xf6\xd6\0\x01\0\0\0\0\xd3\x2d");
    let size = profile.len() as u32;
    profile[..4].copy_from_slice(&size.to_be_bytes());
    profile
}

pub(crate) fn segment(marker: u8, content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    let length = (content.len() as u16 + 2).to_be_bytes();
    [&[0xFF, marker], length.as_slice(), &content].concat()
}

/// Puts segments after SOI, and the name after the end.
pub(crate) fn jpeg(orientation: u8) -> Vec<u8> {
    let plain = encoded(ImageFormat::Jpeg);
    let profile = profile();
    let (half, other) = profile.split_at(90);
    let mut out = plain[..2].to_vec();
    // Backwards: the parts of a profile carry numbers, their order does not matter.
    out.extend(segment(0xE2, &[b"ICC_PROFILE\0\x02\x02", other]));
    out.extend(segment(0xE2, &[b"ICC_PROFILE\0\x01\x02", half]));
    out.extend(segment(0xE1, &[b"Exif\0\0", &exif(orientation)]));
    out.extend(segment(0xE1, &[b"http://ns.adobe.com/xap/1.0/\0", &xmp()]));
    out.extend(segment(0xE0, &[b"JFXX\0\x13", NAME]));
    out.extend(segment(0xE2, &[b"MPF\0", NAME]));
    out.extend(segment(0xEB, &[b"JP", NAME]));
    out.extend(segment(0xED, &[b"Photoshop 3.0\0", NAME]));
    out.extend(segment(0xFE, &[NAME]));
    out.extend([0xFF; 3]);
    out.extend(&plain[2..]);
    out.extend([&plain[..2], &segment(0xFE, &[NAME]), &plain[2..]].concat());
    out
}

pub(crate) fn chunk(name: &[u8; 4], content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    let named = [name.as_slice(), &content].concat();
    let mut crc = !0u32;
    for byte in &named {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                0xEDB8_8320 ^ (crc >> 1)
            } else {
                crc >> 1
            };
        }
    }
    [
        (content.len() as u32).to_be_bytes().as_slice(),
        &named,
        &(!crc).to_be_bytes(),
    ]
    .concat()
}

pub(crate) fn png(orientation: u8) -> Vec<u8> {
    let plain = encoded(ImageFormat::Png);
    let header = 8 + 25;
    let packed = miniz_oxide::deflate::compress_to_vec_zlib(&profile(), 0);
    let mut out = plain[..header].to_vec();
    out.extend(chunk(b"iCCP", &[NAME, b"\0\0", &packed]));
    out.extend(chunk(b"pHYs", &[&[0, 0, 0x0b, 0x13, 0, 0, 0x0b, 0x13, 1]]));
    out.extend(chunk(b"tEXt", &[b"Author\0", NAME]));
    out.extend(chunk(
        b"zTXt",
        &[
            b"Comment\0\0",
            &miniz_oxide::deflate::compress_to_vec_zlib(NAME, 0),
        ],
    ));
    out.extend(chunk(b"iTXt", &[b"XML:com.adobe.xmp\0\0\0\0\0", &xmp()]));
    out.extend(chunk(b"eXIf", &[&exif(orientation)]));
    out.extend(chunk(b"tIME", &[&[0x07, 0xE4, 1, 2, 3, 4, 5]]));
    out.extend(chunk(b"prVt", &[NAME]));
    // Too long to be what it says it is.
    out.extend(chunk(b"gAMA", &[NAME]));
    let end = plain.len() - 12;
    out.extend(&plain[header..end]);
    out.extend(chunk(b"tEXt", &[b"Comment\0", NAME]));
    out.extend(&plain[end..]);
    out.extend(NAME);
    out
}

pub(crate) fn riff(name: &[u8; 4], content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    let mut out = [
        name.as_slice(),
        &(content.len() as u32).to_le_bytes(),
        &content,
    ]
    .concat();
    if content.len() % 2 == 1 {
        // Padding should be zero; nobody looks.
        out.push(b'J');
    }
    out
}

fn webp_file(chunks: &[u8]) -> Vec<u8> {
    [
        b"RIFF".as_slice(),
        &(chunks.len() as u32 + 4).to_le_bytes(),
        b"WEBP",
        chunks,
    ]
    .concat()
}

/// The picture's own chunk of a simple file.
fn webp_stream() -> Vec<u8> {
    encoded(ImageFormat::WebP)[12..].to_vec()
}

pub(crate) fn webp(orientation: u8) -> Vec<u8> {
    let mut chunks = riff(b"VP8X", &[&[0xFF, 1, 2, 3, 96, 0, 0, 60, 0, 0]]);
    // The flag for animations is not ours to set here.
    chunks[8] = 0x20 | 0x08 | 0x04;
    chunks.extend(riff(b"ICCP", &[&profile()]));
    chunks.extend(webp_stream());
    chunks.extend(riff(b"EXIF", &[&exif(orientation)]));
    chunks.extend(riff(b"XMP ", &[&xmp()]));
    chunks.extend(riff(b"PRVT", &[NAME]));
    let mut out = webp_file(&chunks);
    out.extend(NAME);
    out
}

/// Two frames, the first with a chunk of somebody's own beside its picture.
pub(crate) fn animated_webp() -> Vec<u8> {
    let frame = |extra: &[u8]| {
        riff(
            b"ANMF",
            &[
                &[0, 0, 0, 0, 0, 0, 96, 0, 0, 60, 0, 0, 100, 0, 0, 0],
                &webp_stream(),
                extra,
            ],
        )
    };
    let mut chunks = riff(b"VP8X", &[&[0x02, 0, 0, 0, 96, 0, 0, 60, 0, 0]]);
    chunks.extend(riff(b"ANIM", &[&[0; 6]]));
    chunks.extend(frame(&riff(b"PRVT", &[NAME])));
    chunks.extend(frame(b""));
    webp_file(&chunks)
}

/// A lossy WebP of one pixel, as encoders write it.
pub(crate) fn lossy_webp() -> Vec<u8> {
    let stream =
        b"\x30\x01\x00\x9d\x01\x2a\x01\x00\x01\x00\x0e\xc0\xfe\x25\xa4\x00\x03\x70\x00\x00\x00\x00";
    webp_file(&riff(b"VP8 ", &[stream]))
}

pub(crate) fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
