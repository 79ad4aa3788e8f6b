//! One small picture in every coding, made by encoders that share no code with ours (`tools/coded.py`): decoded as it was
//! meant, and never a panic, another size or much memory when it is cut off anywhere or bits of it are flipped. Feature
//! `dicom`.

mod files;

use files::{files, flipped};
use healthsync_imaging::dicom::Instance;
use sha2::{Digest, Sha256};

/// What other decoders of lossy codings may differ by.
const STEPS: i64 = 3;
/// The most memory that this program may ever have held, all tests together: two hundred times the largest picture, and
/// the program itself.
const CEILING: u64 = 300 << 20;

fn stored(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let instance = Instance::parse(bytes.to_vec()).map_err(|error| error.to_string())?;
    let samples = instance
        .stored_frame(0)
        .map_err(|error| error.to_string())?;
    let pixels = &instance.head.pixels;
    let expected = u64::from(pixels.rows)
        * u64::from(pixels.columns)
        * u64::from(pixels.samples_per_pixel)
        * u64::from(pixels.bits_allocated.div_ceil(8));
    assert_eq!(samples.len() as u64, expected, "a frame of another size");
    instance
        .decode_frame(0)
        .map_err(|error| error.to_string())?;
    Ok(samples)
}

#[test]
fn every_coding_decodes_as_its_encoder_meant() {
    let mut wrong = Vec::new();
    for (name, bytes, expected, by) in files(".dcm") {
        let fault = match stored(&bytes) {
            Err(error) => Some(error),
            Ok(samples) if expected == "equal" => {
                (hex::encode(Sha256::digest(&samples)) != by).then(|| "other pixels".to_owned())
            }
            Ok(samples) => far(&samples, by),
        };
        wrong.extend(fault.map(|fault| format!("{name}: {fault}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn far(samples: &[u8], by: &str) -> Option<String> {
    let points: Vec<i64> = by.split(' ').flat_map(str::parse).collect();
    let found: Vec<i64> = if samples.len() == 2 * points.len() {
        let pairs = samples.as_chunks::<2>().0.iter();
        pairs.map(|pair| u16::from_le_bytes(*pair).into()).collect()
    } else {
        samples.iter().map(|byte| i64::from(*byte)).collect()
    };
    let largest = found.iter().zip(&points).map(|(a, b)| (a - b).abs()).max();
    (found.len() != points.len() || largest > Some(STEPS))
        .then(|| format!("{} samples, off by up to {largest:?}", found.len()))
}

#[test]
fn cut_off_anywhere_it_says_so_or_shows_the_whole_picture() {
    for (name, bytes, _, _) in files(".dcm") {
        let whole = stored(&bytes);
        for length in 0..bytes.len() {
            let cut = stored(&bytes[..length]);
            match &cut {
                Err(error) => assert!(error.ends_with('.') && error.len() > 20, "{name}: {error}"),
                // Only what follows the pixels was missing: padding, the item that ends the fragments.
                Ok(_) => assert!(
                    cut == whole,
                    "{name} shows other pixels after {length} bytes"
                ),
            }
        }
    }
    stays_small();
}

#[test]
fn flipped_bits_are_no_panic_and_take_no_memory() {
    flipped(".dcm", |_, broken| {
        let _ = stored(broken);
    });
    stays_small();
}

/// Where the system says how much memory was held at most.
fn stays_small() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    if let Some(kilobytes) = peak {
        assert!(kilobytes << 10 < CEILING, "{kilobytes} kB");
    }
}
