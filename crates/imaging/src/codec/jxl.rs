//! JPEG XL (ISO/IEC 18181).

use jxl_oxide::{AllocTracker, JxlImage};

use super::{Colour, Decoded, check_size, pack};
use crate::dicom::PixelFormat;

pub(crate) fn decode(coded: &[u8], format: &PixelFormat) -> Result<Decoded, String> {
    // Three buffers of 32 bits a sample, and what a small image needs besides.
    let limit = format.frame_samples() * 24 + (64 << 20);
    let image = JxlImage::builder()
        .alloc_tracker(AllocTracker::with_limit(limit))
        .read(coded)
        .map_err(|error| error.to_string())?;
    let bits = image.image_header().metadata.bit_depth.bits_per_sample();
    let channels = if image.pixel_format().is_grayscale() {
        1
    } else {
        3
    };
    check_size(format, (image.width(), image.height()), channels, bits)?;
    let render = image.render_frame(0).map_err(|error| error.to_string())?;
    let mut samples = vec![0u16; format.frame_samples()];
    let mut stream = render.stream_no_alpha();
    if stream.channels() as usize != channels
        || stream.write_to_buffer(&mut samples) != samples.len()
    {
        return Err("it has fewer samples than its header says".to_owned());
    }
    // The decoder scales to 16 bits; back is exact up to 16.
    let whole = (1u64 << bits.min(16)) - 1;
    let back = |sample: u16| ((u64::from(sample) * whole + 32_767) / 65_535) as i32;
    Ok(Decoded {
        bytes: pack(samples.into_iter().map(back), format),
        colour: if channels == 3 {
            Colour::Rgb
        } else {
            Colour::AsStated
        },
    })
}
