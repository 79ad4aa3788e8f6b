//! The imaging worker's WebAssembly: takes one [`Ask`] after the other and answers it. Everything it knows is in
//! [`sets`] (files) and [`canvas`] (what it draws on); files stay blobs of the browser and are read when needed.
//!
//! A file that makes it trap ends the worker. The page then starts another one, which needs nothing but the blobs.

mod cache;
mod canvas;
mod clean;
mod facts;
mod frames;
mod gpu;
mod report;
mod sets;
mod tags;

use healthsync_imaging::desk::{Answer, Ask, At, Look, Shown};
use js_sys::Array;
use wasm_bindgen::prelude::*;

use canvas::Canvas;
use sets::Sets;

/// What the worker keeps.
#[wasm_bindgen]
#[derive(Debug, Default)]
pub struct Desk {
    sets: Sets,
    canvas: Canvas,
}

#[wasm_bindgen]
impl Desk {
    /// An empty one.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        console_error_panic_hook::set_once();
        Self::default()
    }

    /// Answers in JSON. `parts` are the blobs that belong to the ask; buffers and bitmaps that belong to the answer are
    /// put into `moved`.
    pub fn take(&mut self, ask: &str, parts: Array, moved: &Array) -> String {
        let (answer, buffers) = match serde_json::from_str(ask) {
            Ok(ask) => self.answer(ask, &parts),
            Err(error) => (
                failed(format!("The worker does not understand the page: {error}.")),
                Array::new(),
            ),
        };
        for buffer in buffers {
            moved.push(&buffer);
        }
        serde_json::to_string(&answer).expect("an answer has only text keys")
    }
}

impl Desk {
    fn answer(&mut self, ask: Ask, parts: &Array) -> (Answer, Array) {
        let answer = match ask {
            Ask::Clean {
                set,
                series,
                masks,
                outlines,
                reviewed,
                keep,
            } => {
                return self
                    .sets
                    .clean(set, series, masks, outlines, reviewed, keep);
            }
            Ask::Report { marks } => {
                let report = self.sets.report(&marks);
                return report.unwrap_or_else(|what| (failed(what), Array::new()));
            }
            Ask::Show { at, look, gpu } => {
                let shown = self.show(at, look, gpu);
                return shown.unwrap_or_else(|what| (failed(what), Array::new()));
            }
            Ask::Add {
                set,
                names,
                in_order,
            } => self.sets.add(set, names, parts, in_order),
            Ask::Close { set } => {
                self.sets.close(set);
                Ok(Answer::Done)
            }
            Ask::Value {
                at,
                pixel,
                axis,
                slab,
            } => self
                .sets
                .value(at, axis, slab, pixel)
                .map(|value| Answer::Value { value }),
            Ask::Measure { at, shape, points } => self
                .sets
                .measure(at, shape, &points)
                .map(|measured| Answer::Measured { measured }),
            Ask::ReadReport => match parts.get(0).dyn_into() {
                Ok(blob) => self.sets.read_report(&blob),
                Err(_) => Err("The page sent no file.".to_owned()),
            },
            Ask::Tags { at } => self.sets.tags(at).map(|rows| Answer::Tags { rows }),
        };
        (answer.unwrap_or_else(failed), Array::new())
    }

    fn show(&mut self, at: At, look: Look, gpu: bool) -> Result<(Answer, Array), String> {
        let began = now();
        let picture = self.sets.picture(at, look)?;
        let (bitmap, [window, range]) = self.canvas.draw(&picture, look, gpu)?;
        let shown = Answer::Shown(Shown {
            slice: at.slice,
            axis: look.axis,
            slab: look.slab,
            size: picture.size,
            window,
            range,
            plane: picture.plane,
            sides: picture.sides,
            count: picture.count,
            scale: picture.scale,
            took: now() - began,
            memory: self.sets.bytes() as u64,
        });
        Ok((shown, Array::of1(&bitmap)))
    }
}

fn failed(what: String) -> Answer {
    Answer::Failed { what }
}

/// Milliseconds since the worker began.
fn now() -> f64 {
    js_sys::global()
        .unchecked_into::<web_sys::WorkerGlobalScope>()
        .performance()
        .map_or(0.0, |clock| clock.now())
}
