//! Drawing pictures as bitmaps, which the page puts on its canvases, and scales and turns there. By table lookup on the
//! CPU, or with the same table on the GPU.
//!
//! A bitmap goes with the answer, so the page shows it with its next frame. A canvas that the page hands to the worker
//! would be painted by the worker's own frames, which come one later.

use healthsync_imaging::{
    desk::Look,
    dicom::Samples,
    render::{Table, Voi, Window, paint_grey, paint_overlay, paint_rgb, paint_values},
};
use wasm_bindgen::{Clamped, JsCast};
use web_sys::{ImageBitmap, ImageData, OffscreenCanvas, OffscreenCanvasRenderingContext2d};

use crate::{
    frames::{Grey, Picture, Pixels, window_of},
    gpu::Gpu,
};

/// What pictures are drawn on, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Canvas {
    cpu: Option<(OffscreenCanvas, OffscreenCanvasRenderingContext2d)>,
    /// `Some(None)`: there is no WebGL2 here.
    gpu: Option<Option<(OffscreenCanvas, Box<Gpu>)>>,
    /// The last table: slices of a series mostly share it.
    table: Option<(Grey, Voi, bool, Table)>,
    /// Painted pixels, kept for the next picture.
    rgba: Vec<u8>,
}

impl Canvas {
    /// Draws, and says with which window; the second is that of all values, where a table was used.
    pub(crate) fn draw(
        &mut self,
        picture: &Picture,
        look: Look,
        gpu: bool,
    ) -> Result<(ImageBitmap, [Option<Window>; 2]), String> {
        let [width, height] = picture.size;
        let voi = picture.grey().map(|grey| picture.voi(grey, look.window));
        let inverted = look.inverted != picture.grey().is_some_and(|grey| grey.inverted);
        if let (Some(grey), Some(voi)) = (picture.grey(), &voi) {
            let same = self
                .table
                .as_ref()
                .is_some_and(|(g, v, i, _)| g == grey && v == voi && *i == inverted);
            if !same {
                let table = Table::new(grey.stored, &grey.modality, voi, inverted);
                self.table = Some((grey.clone(), voi.clone(), inverted, table));
            }
        }
        // What is in colour has none: the last one is of another picture.
        let table = self.table.as_ref().filter(|_| voi.is_some());
        let table = table.map(|(.., table)| table);
        if gpu && self.gpu.is_none() {
            self.gpu = Some(canvas(width, height).and_then(|canvas| {
                let gpu = Gpu::start(&canvas)?;
                Some((canvas, Box::new(gpu)))
            }));
        }
        let gpu = self.gpu.as_ref().filter(|_| gpu).and_then(Option::as_ref);
        if let Some((canvas, _)) = gpu {
            resize(canvas, picture.size);
        }
        let painted = match (gpu, table) {
            (Some((_, gpu)), Some(table)) => gpu.paint(picture, table),
            _ => false,
        };
        if !painted {
            self.rgba.resize(width as usize * height as usize * 4, 0);
            paint(picture, voi.as_ref(), table, inverted, &mut self.rgba);
            if let Some(over) = &picture.over {
                paint_overlay(over, &mut self.rgba);
            }
        }
        let canvas = match gpu {
            Some((canvas, gpu)) => {
                if !painted {
                    gpu.copy(picture.size, &self.rgba);
                }
                canvas
            }
            None => {
                if self.cpu.is_none() {
                    self.cpu = canvas(width, height).and_then(|canvas| {
                        let context = canvas.get_context("2d").ok()??.dyn_into().ok()?;
                        Some((canvas, context))
                    });
                }
                let (canvas, context) = self
                    .cpu
                    .as_ref()
                    .ok_or("The browser gives no drawing surface.")?;
                resize(canvas, picture.size);
                let image =
                    ImageData::new_with_u8_clamped_array_and_sh(Clamped(&self.rgba), width, height)
                        .map_err(|_| "The browser has no memory for the picture.".to_owned())?;
                context
                    .put_image_data(&image, 0.0, 0.0)
                    .map_err(|_| "The browser could not draw the picture.".to_owned())?;
                canvas
            }
        };
        let bitmap = canvas
            .transfer_to_image_bitmap()
            .map_err(|_| "The browser has no memory for the picture.".to_owned())?;
        let range = voi.as_ref().and_then(|voi| picture.range(voi));
        Ok((bitmap, [voi.as_ref().and_then(window_of), range]))
    }
}

fn canvas(width: u32, height: u32) -> Option<OffscreenCanvas> {
    OffscreenCanvas::new(width, height).ok()
}

/// Setting a size clears a canvas, also where it stays the same.
fn resize(canvas: &OffscreenCanvas, [width, height]: [u32; 2]) {
    if (canvas.width(), canvas.height()) != (width, height) {
        canvas.set_width(width);
        canvas.set_height(height);
    }
}

fn paint(
    picture: &Picture,
    voi: Option<&Voi>,
    table: Option<&Table>,
    inverted: bool,
    rgba: &mut [u8],
) {
    let frame = match (&picture.pixels, table) {
        (Pixels::Cut(values, offset, _), Some(table)) => {
            let patterns = values
                .iter()
                .map(|value| (i32::from(*value) + offset) as u16);
            return paint_grey(patterns, table, rgba);
        }
        (Pixels::Cut(..), None) => return rgba.fill(0),
        (Pixels::Frame(frame, _), _) => frame,
    };
    macro_rules! wide {
        ($values:expr) => {
            if let (Some(voi), Some(grey)) = (voi, picture.grey()) {
                paint_values($values, &grey.modality, voi, inverted, rgba);
            } else {
                rgba.fill(0);
            }
        };
    }
    match (&frame.samples, table) {
        (Samples::U8(all), Some(table)) => {
            paint_grey(all.iter().map(|v| u16::from(*v)), table, rgba)
        }
        (Samples::I8(all), Some(table)) => paint_grey(all.iter().map(|v| *v as u16), table, rgba),
        (Samples::U16(all), Some(table)) => paint_grey(all.iter().copied(), table, rgba),
        (Samples::I16(all), Some(table)) => paint_grey(all.iter().map(|v| *v as u16), table, rgba),
        (Samples::U32(all), _) => wide!(all.iter().map(|v| f64::from(*v))),
        (Samples::I32(all), _) => wide!(all.iter().map(|v| f64::from(*v))),
        (Samples::F32(all), _) => wide!(all.iter().map(|v| f64::from(*v))),
        (Samples::F64(all), _) => wide!(all.iter().copied()),
        (Samples::Rgb8(all), _) => paint_rgb(all, inverted, rgba),
        // Nothing is shown rather than the pixels of the picture before.
        (_, None) => rgba.fill(0),
    }
}
