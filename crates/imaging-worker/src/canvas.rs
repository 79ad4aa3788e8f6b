//! Drawing on the page's canvases, each as large as the picture; the page scales and turns them. By table lookup on
//! the CPU, or with the same table on the GPU.

use std::collections::HashMap;

use healthsync_imaging::{
    desk::Look,
    dicom::Samples,
    render::{Table, Voi, Window, paint_grey, paint_overlay, paint_rgb, paint_values},
};
use wasm_bindgen::{Clamped, JsCast, JsValue};
use web_sys::{ImageData, OffscreenCanvas, OffscreenCanvasRenderingContext2d};

use crate::{
    frames::{Grey, Picture, Pixels, window_of},
    gpu::Gpu,
};

#[derive(Debug, Default)]
pub(crate) struct Canvases {
    all: HashMap<u32, Canvas>,
    /// The last table: slices of a series mostly share it.
    table: Option<(Grey, Voi, bool, Table)>,
    /// Painted pixels, kept for the next picture.
    rgba: Vec<u8>,
}

#[derive(Debug)]
struct Canvas {
    canvas: OffscreenCanvas,
    brush: Brush,
}

#[derive(Debug)]
enum Brush {
    Cpu(OffscreenCanvasRenderingContext2d),
    Gpu(Box<Gpu>),
}

impl Canvases {
    pub(crate) fn put(&mut self, view: u32, canvas: JsValue, gpu: bool) -> Result<(), String> {
        let canvas: OffscreenCanvas = canvas
            .dyn_into()
            .map_err(|_| "The page sent no canvas to draw on.".to_owned())?;
        let gpu = gpu.then(|| Gpu::start(&canvas)).flatten();
        let brush = match gpu {
            Some(gpu) => Brush::Gpu(Box::new(gpu)),
            None => Brush::Cpu(context(&canvas).ok_or("The browser gives no drawing surface.")?),
        };
        self.all.insert(view, Canvas { canvas, brush });
        Ok(())
    }

    pub(crate) fn leave(&mut self, view: u32) {
        self.all.remove(&view);
    }

    /// Draws, and says with which window.
    pub(crate) fn draw(
        &mut self,
        view: u32,
        picture: &Picture,
        look: Look,
    ) -> Result<Option<Window>, String> {
        let [width, height] = picture.size;
        let canvas = self
            .all
            .get_mut(&view)
            .ok_or("The canvas to draw on is gone.")?;
        if (canvas.canvas.width(), canvas.canvas.height()) != (width, height) {
            canvas.canvas.set_width(width);
            canvas.canvas.set_height(height);
        }
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
        let table = self.table.as_ref().map(|(.., table)| table);
        let painted = match (&canvas.brush, table) {
            (Brush::Gpu(gpu), Some(table)) => gpu.paint(picture, table),
            _ => false,
        };
        if !painted {
            self.rgba.resize(width as usize * height as usize * 4, 0);
            paint(picture, voi.as_ref(), table, inverted, &mut self.rgba);
            if let Some(over) = &picture.over {
                paint_overlay(over, &mut self.rgba);
            }
            match &canvas.brush {
                Brush::Gpu(gpu) => gpu.copy(picture.size, &self.rgba),
                Brush::Cpu(context) => {
                    let image = ImageData::new_with_u8_clamped_array_and_sh(
                        Clamped(&self.rgba),
                        width,
                        height,
                    )
                    .map_err(|_| "The browser has no memory for the picture.".to_owned())?;
                    context
                        .put_image_data(&image, 0.0, 0.0)
                        .map_err(|_| "The browser could not draw the picture.".to_owned())?;
                }
            }
        }
        Ok(voi.as_ref().and_then(window_of))
    }
}

fn context(canvas: &OffscreenCanvas) -> Option<OffscreenCanvasRenderingContext2d> {
    canvas.get_context("2d").ok()??.dyn_into().ok()
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
        (Pixels::Cut(..), None) => return,
        (Pixels::Frame(frame, _), _) => frame,
    };
    macro_rules! wide {
        ($values:expr) => {
            if let (Some(voi), Some(grey)) = (voi, picture.grey()) {
                paint_values($values, &grey.modality, voi, inverted, rgba);
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
        (_, None) => {}
    }
}
