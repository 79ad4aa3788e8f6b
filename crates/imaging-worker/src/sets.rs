//! Files in sets, series of slices, and pictures out of them. A file's bytes are read when something is asked of it
//! and kept as long as they fit.

use std::{collections::HashMap, rc::Rc};

use healthsync_imaging::{
    archive,
    deid::StudyKey,
    desk::{
        Answer, At, FRAME_BYTES, Keep, Look, PARSED_BYTES, PARSED_ENOUGH, PARSED_FEW, Refused,
        TagRow,
    },
    dicom::{Frame, Instance, InstanceHead, Samples, Slice, sort_into_series},
    kind_of,
    measure::{Measured, Shape, measure},
    open,
    render::{Axis, Modality, Volume},
};
use js_sys::{Array, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Blob, FileReaderSync, MessageChannel, MessagePort};

use crate::{
    cache::Cache,
    clean,
    facts::{Row, is_grey, plane, row, scale, sides},
    frames::{Grey, Picture, Pixels, number},
    tags,
};

/// Set, file and frame.
type FrameKey = (u32, usize, u32);

#[derive(Debug)]
pub(crate) struct Sets {
    sets: HashMap<u32, Set>,
    /// By set and file.
    parsed: Cache<(u32, usize), Instance>,
    /// By set, file and frame; of files that hold them coded or in colour.
    frames: Cache<FrameKey, Frame>,
    /// The last one of the others, which would be kept twice.
    plain: Option<(FrameKey, Rc<Frame>)>,
    /// One at a time: of a set and series.
    volume: Option<((u32, u32), Stack)>,
}

impl Default for Sets {
    fn default() -> Self {
        Self {
            sets: HashMap::new(),
            parsed: Cache::new(PARSED_ENOUGH, PARSED_FEW, PARSED_BYTES),
            frames: Cache::new(FRAME_BYTES, 0, FRAME_BYTES),
            plain: None,
            volume: None,
        }
    }
}

#[derive(Debug, Default)]
struct Set {
    files: Vec<File>,
    /// As the files; `None` for those that were refused.
    heads: Vec<Option<InstanceHead>>,
    rows: Vec<Row>,
    /// Drawn when the first series is cleaned: files of one study keep belonging together.
    key: Option<StudyKey>,
}

#[derive(Debug)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) blob: Blob,
}

/// A volume, and what its values mean: stored ones less `offset`.
#[derive(Debug)]
struct Stack {
    volume: Volume,
    offset: i32,
    grey: Grey,
}

impl Sets {
    pub(crate) fn add(
        &mut self,
        id: u32,
        names: Vec<String>,
        blobs: &Array,
        in_order: bool,
    ) -> Result<Answer, String> {
        let mut refused = Vec::new();
        for (blob, name) in blobs.iter().zip(names) {
            let blob: Blob = blob
                .dyn_into()
                .map_err(|_| "The page sent no file.".to_owned())?;
            let mut take = |name: String, read: Result<(Blob, Vec<u8>), String>| {
                let taken = read.and_then(|(blob, bytes)| {
                    let name = name.clone();
                    self.take(id, File { name, blob }, bytes, in_order)
                });
                if let Err(why) = taken {
                    refused.push(Refused { name, why });
                }
            };
            // Read once: it is a question to the browser that takes as long as parsing.
            match bytes_of(&blob, &name) {
                Ok(bytes) if archive::looks_like_zip(&bytes) => unpack(name, &bytes, &mut take),
                read => take(name, read.map(|bytes| (blob, bytes))),
            }
        }
        let set = self.sets.entry(id).or_default();
        set.sort(in_order);
        Ok(Answer::Added {
            series: set.rows.iter().map(|row| row.facts.clone()).collect(),
            refused,
        })
    }

    /// Adds one file to a set; one that cannot be opened keeps its place there.
    fn take(&mut self, id: u32, file: File, bytes: Vec<u8>, in_order: bool) -> Result<(), String> {
        // The directory of a medium names patients, and the files need none.
        let last = file.name.rsplit('/').next().unwrap_or_default();
        if last.eq_ignore_ascii_case("DICOMDIR") {
            return Ok(());
        }
        let at = self.sets.entry(id).or_default().files.len();
        // Files on their way into a room are tried at once, so that a bad one is left out before its series is cleaned.
        let read = open(bytes).map_err(|error| error.to_string());
        let read = read.and_then(|instance| {
            if !in_order {
                let first = instance
                    .decode_frame(0)
                    .map_err(|error| error.to_string())?;
                self.keep((id, at, 0), &instance, Rc::new(first));
            }
            Ok(instance)
        });
        let bytes = read
            .as_ref()
            .map_or(0, |instance| held(instance, &file.blob));
        let set = self.sets.entry(id).or_default();
        set.files.push(file);
        let (head, outcome) = match read {
            Ok(instance) => {
                let head = instance.head.clone();
                // What comes in takes nothing from what is looked at.
                self.parsed.offer((id, at), Rc::new(instance), bytes);
                (Some(head), Ok(()))
            }
            Err(why) => (None, Err(why)),
        };
        set.heads.push(head);
        outcome
    }

    pub(crate) fn close(&mut self, id: u32) {
        self.sets.remove(&id);
        self.parsed.forget(|(set, _)| *set == id);
        self.frames.forget(|(set, ..)| *set == id);
        self.plain.take_if(|((set, ..), _)| *set == id);
        if self.volume.as_ref().is_some_and(|((set, _), _)| *set == id) {
            self.volume = None;
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        let volume = self
            .volume
            .as_ref()
            .map_or(0, |(_, stack)| stack.volume.bytes());
        self.parsed.bytes() + self.frames.bytes() + volume
    }

    fn row(&self, at: At) -> Result<&Row, String> {
        self.sets
            .get(&at.set)
            .and_then(|set| set.rows.get(at.series as usize))
            .ok_or_else(|| "This series is not open any more.".to_owned())
    }

    fn slice(&self, at: At) -> Result<Slice, String> {
        let row = self.row(at)?;
        row.slices
            .get(at.slice as usize)
            .copied()
            .ok_or_else(|| format!("There is no slice {} in this series.", at.slice + 1))
    }

    fn instance(&mut self, set: u32, file: usize) -> Result<Rc<Instance>, String> {
        if let Some(instance) = self.parsed.get((set, file)) {
            return Ok(instance);
        }
        let found = self.sets.get(&set).and_then(|set| set.files.get(file));
        let File { name, blob } = found.ok_or("This file is not open any more.")?;
        let instance = Rc::new(parse(blob, name).map_err(|why| format!("{name}: {why}"))?);
        let bytes = held(&instance, blob);
        self.parsed.put((set, file), instance.clone(), bytes);
        Ok(instance)
    }

    fn frame(&mut self, set: u32, slice: Slice) -> Result<(Rc<Instance>, Rc<Frame>), String> {
        let instance = self.instance(set, slice.instance)?;
        let key = (set, slice.instance, slice.frame);
        let plain = self.plain.as_ref().filter(|(held, _)| *held == key);
        let plain = plain.map(|(_, frame)| frame.clone());
        if let Some(frame) = plain.or_else(|| self.frames.get(key)) {
            return Ok((instance, frame));
        }
        let frame = instance.decode_frame(slice.frame).map_err(|error| {
            let file = self
                .sets
                .get(&set)
                .and_then(|set| set.files.get(slice.instance));
            format!("{}: {error}", file.map_or("", |file| &file.name))
        })?;
        let frame = Rc::new(frame);
        self.keep(key, &instance, frame.clone());
        Ok((instance, frame))
    }

    fn keep(&mut self, key: FrameKey, instance: &Instance, frame: Rc<Frame>) {
        if instance.is_plain() {
            self.plain = Some((key, frame));
        } else {
            let bytes = frame.samples.bytes();
            self.frames.put(key, frame, bytes);
        }
    }

    pub(crate) fn picture(&mut self, at: At, look: Look) -> Result<Picture, String> {
        if look.axis != Axis::Slices || look.slab > 1 {
            return self.cut(at, look);
        }
        let count = self.row(at)?.slices.len() as u32;
        let slice = self.slice(at)?;
        let (instance, frame) = self.frame(at.set, slice)?;
        let head = &instance.head;
        let over = if look.overlays && head.overlays {
            instance
                .drawn_over(slice.frame)
                .map_err(|error| error.to_string())?
        } else {
            None
        };
        let plane = plane(head, slice.frame);
        Ok(Picture {
            size: [frame.columns, frame.rows],
            plane,
            sides: sides(head).filter(|_| plane.is_none()),
            scale: scale(head),
            count,
            over,
            pixels: Pixels::Frame(frame, Grey::of(&instance, slice.frame)),
        })
    }

    fn cut(&mut self, at: At, look: Look) -> Result<Picture, String> {
        let row = self.row(at)?;
        row.facts.volume.clone()?;
        let thickness = row.facts.scale;
        let stack = self.stacked(at)?;
        let count = stack.volume.count(look.axis);
        let cut = stack
            .volume
            .cut(look.axis, at.slice as usize, look.slab.max(1) as usize)
            .ok_or_else(|| format!("There is no plane {} here.", at.slice + 1))?;
        Ok(Picture {
            size: cut.plane.size,
            scale: thickness.map(|scale| healthsync_imaging::measure::Scale {
                spacing: cut.plane.spacing,
                ..scale
            }),
            plane: Some(cut.plane),
            sides: None,
            count: count as u32,
            over: None,
            pixels: Pixels::Cut(Rc::new(cut.values), stack.offset, stack.grey.clone()),
        })
    }

    /// The volume of a series, kept until another one is asked for.
    fn stacked(&mut self, at: At) -> Result<&Stack, String> {
        let key = (at.set, at.series);
        if self.volume.as_ref().is_none_or(|(held, _)| *held != key) {
            // The one before makes room first.
            self.volume = None;
            let stack = self.stack(at)?;
            self.volume = Some((key, stack));
        }
        let held = self.volume.as_ref().map(|(_, stack)| stack);
        held.ok_or_else(|| "There is no memory for other planes.".to_owned())
    }

    /// All slices in one volume. Slices that are scaled differently (as in PET) are brought to the widest scale.
    fn stack(&mut self, at: At) -> Result<Stack, String> {
        let row = self.row(at)?;
        let (slices, planes) = (row.slices.clone(), row.facts.planes.clone());
        let mut volume = Volume::new(&planes).map_err(|error| error.to_string())?;
        let mut scales = Vec::with_capacity(slices.len());
        let mut grey: Option<Grey> = None;
        for slice in &slices {
            // By what is kept of every file: reading all of them takes long, and is done below.
            let set = self.sets.get(&at.set);
            let head = set
                .and_then(|set| set.heads.get(slice.instance)?.as_ref())
                .ok_or("This file is not open any more.")?;
            if !is_grey(&head.pixels) {
                return Err("Other planes are cut from grey values.".to_owned());
            }
            let rescale = head.rescale(slice.frame);
            let wider = match grey.as_ref().map(|grey| &grey.modality) {
                None => true,
                Some(Modality::Rescale { slope, .. }) => rescale.slope.abs() > slope.abs(),
                Some(Modality::Lookup(_)) => false,
            };
            if wider {
                let instance = self.instance(at.set, slice.instance)?;
                let own = Grey::of(&instance, slice.frame)
                    .ok_or("Other planes are cut from grey values.")?;
                if grey.is_none() || matches!(own.modality, Modality::Rescale { .. }) {
                    grey = Some(own);
                }
            }
            scales.push(rescale);
        }
        let grey = grey.ok_or("The series has no slices.")?;
        let offset = if grey.stored.signed || grey.stored.bits_stored < 16 {
            0
        } else {
            32_768
        };
        for (index, (slice, scale)) in slices.iter().zip(scales).enumerate() {
            let (_, frame) = self.frame(at.set, *slice)?;
            let Some(place) = volume.slice_mut(index) else {
                return Err("The volume has fewer slices than the series.".to_owned());
            };
            let same = match grey.modality {
                Modality::Rescale { slope, intercept } => {
                    (slope, intercept) == (scale.slope, scale.intercept)
                }
                Modality::Lookup(_) => true,
            };
            fill(place, &frame.samples, offset, |value| match grey.modality {
                Modality::Rescale { slope, intercept } if !same && !grey.is_padding(value) => {
                    (value * scale.slope + scale.intercept - intercept) / slope
                }
                _ => value,
            });
        }
        Ok(Stack {
            volume,
            offset,
            grey,
        })
    }

    pub(crate) fn value(
        &mut self,
        at: At,
        axis: Axis,
        slab: u32,
        [column, row]: [u32; 2],
    ) -> Result<Option<f64>, String> {
        if axis != Axis::Slices || slab > 1 {
            self.row(at)?.facts.volume.clone()?;
            let stack = self.stacked(at)?;
            let pixel = [column as usize, row as usize];
            let value = stack
                .volume
                .value(axis, at.slice as usize, slab as usize, pixel);
            return Ok(value.and_then(|value| {
                let stored = f64::from(i32::from(value) + stack.offset);
                stack.grey.value(stored)
            }));
        }
        let look = Look {
            window: None,
            inverted: false,
            axis,
            slab,
            overlays: false,
        };
        Ok(self.picture(at, look)?.value(column, row))
    }

    pub(crate) fn measure(
        &mut self,
        at: At,
        shape: Shape,
        points: &[[f64; 2]],
    ) -> Result<Option<Measured>, String> {
        let look = Look {
            window: None,
            inverted: false,
            axis: Axis::Slices,
            slab: 1,
            overlays: false,
        };
        let picture = self.picture(at, look)?;
        Ok(measure(
            shape,
            points,
            picture.scale,
            picture.size,
            |x, y| picture.value(x, y),
        ))
    }

    /// De-identifies a series.
    pub(crate) fn clean(
        &mut self,
        id: u32,
        series: u32,
        masks: Vec<[u32; 4]>,
        outlines: Vec<Vec<[u32; 2]>>,
        reviewed: bool,
        keep: Keep,
    ) -> (Answer, Array) {
        let failed = |what: &str| (Answer::Failed { what: what.into() }, Array::new());
        let Some(set) = self.sets.get_mut(&id) else {
            return failed("This series is not open any more.");
        };
        if set.key.is_none() {
            set.key = clean::fresh_key();
        }
        let (Some(key), Some(row)) = (set.key.clone(), set.rows.get(series as usize)) else {
            return failed("The browser gives no random numbers, so nothing can be cleaned.");
        };
        // With the number of its first image in the series, by which the person finds it.
        let first = |file: u32| {
            let mut slices = row.slices.iter();
            slices.position(|slice| slice.instance == file as usize)
        };
        let files: Vec<(usize, &File)> = row
            .facts
            .files
            .iter()
            .filter_map(|file| Some((first(*file)? + 1, set.files.get(*file as usize)?)))
            .collect();
        clean::clean(&files, key, masks, outlines, reviewed, keep)
    }

    /// The header of the file that a slice is in.
    pub(crate) fn head(&self, at: At) -> Result<(&InstanceHead, Slice), String> {
        let slice = self.slice(at)?;
        let head = self
            .sets
            .get(&at.set)
            .and_then(|set| set.heads.get(slice.instance)?.as_ref());
        Ok((head.ok_or("This file is not open any more.")?, slice))
    }

    /// All slices of all sets.
    pub(crate) fn slices(&self) -> impl Iterator<Item = (At, &InstanceHead, &Slice)> {
        self.sets.iter().flat_map(|(number, set)| {
            set.rows.iter().zip(0..).flat_map(move |(row, series)| {
                row.slices
                    .iter()
                    .zip(0..)
                    .filter_map(move |(slice, place)| {
                        let at = At {
                            set: *number,
                            series,
                            slice: place,
                        };
                        Some((at, set.heads.get(slice.instance)?.as_ref()?, slice))
                    })
            })
        })
    }

    pub(crate) fn tags(&mut self, at: At) -> Result<Vec<TagRow>, String> {
        let slice = self.slice(at)?;
        let instance = self.instance(at.set, slice.instance)?;
        Ok(tags::rows(&instance))
    }
}

impl Set {
    fn sort(&mut self, in_order: bool) {
        let sizes: Vec<u64> = self
            .files
            .iter()
            .map(|file| file.blob.size() as u64)
            .collect();
        let known: Vec<usize> = (0..self.heads.len())
            .filter(|at| self.heads[*at].is_some())
            .collect();
        let rows: Vec<Vec<Slice>> = if in_order {
            let frames = known.iter().flat_map(|&instance| {
                let frames = self.heads[instance].as_ref().map_or(0, |head| head.frames);
                (0..frames).map(move |frame| Slice { instance, frame })
            });
            vec![frames.collect()]
        } else {
            let heads: Vec<InstanceHead> = self.heads.iter().flatten().cloned().collect();
            let to_file = |mut slice: Slice| {
                slice.instance = known[slice.instance];
                slice
            };
            sort_into_series(&heads)
                .into_iter()
                .map(|series| series.slices.into_iter().map(to_file).collect())
                .collect()
        };
        self.rows = rows
            .into_iter()
            .filter_map(|slices| row(slices, &self.heads, &sizes))
            .collect();
    }
}

/// The whole file.
pub(crate) fn bytes_of(blob: &Blob, name: &str) -> Result<Vec<u8>, String> {
    let gone =
        || format!("The browser could not read {name}; it may have been moved. Choose it again.");
    let reader = FileReaderSync::new().map_err(|_| gone())?;
    let buffer = reader.read_as_array_buffer(blob).map_err(|_| gone())?;
    let bytes = Uint8Array::new(&buffer).to_vec();
    release(&buffer);
    Ok(bytes)
}

thread_local! {
    /// A port whose other end is closed.
    static NOWHERE: Option<MessagePort> = MessageChannel::new().ok().map(|channel| {
        channel.port2().close();
        channel.port1()
    });
}

/// Gives a buffer's memory back at once: the garbage collector lets a whole series pile up. What is sent to nobody is
/// gone; `ArrayBuffer.transfer` would leave it to the browser's own handle of the buffer, which waits for the collector.
fn release(buffer: &JsValue) {
    NOWHERE.with(|port| {
        if let Some(port) = port {
            let _ = port.post_message_with_transferable(&JsValue::NULL, &Array::of1(buffer));
        }
    });
}

fn parse(blob: &Blob, name: &str) -> Result<Instance, String> {
    open(bytes_of(blob, name)?).map_err(|error| error.to_string())
}

/// Bytes that a parsed file takes: those of DICOM as they are in the file, all others decoded.
fn held(instance: &Instance, blob: &Blob) -> usize {
    (blob.size() as usize).max(instance.coded_bytes())
}

/// Takes the files of an archive, one by one: what is wrong with one says nothing about the next. All that is unpacked
/// together is bounded by the archive's directory.
fn unpack(
    name: String,
    whole: &[u8],
    take: &mut impl FnMut(String, Result<(Blob, Vec<u8>), String>),
) {
    let entries = match archive::entries(whole) {
        Ok(entries) => entries,
        Err(error) => return take(name, Err(error.to_string())),
    };
    for entry in entries {
        let read = match entry.bytes(whole) {
            // Notes and viewers of a medium lie beside its images and are no loss.
            Ok(bytes) if kind_of(&bytes).is_none() => continue,
            Ok(bytes) => clean::blob(&bytes)
                .map(|blob| (blob, bytes))
                .ok_or_else(|| "There is no memory to unpack it.".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        take(entry.name, read);
    }
}

/// Puts samples where they belong in the volume, each by `scaled`.
fn fill(place: &mut [i16], samples: &Samples, offset: i32, scaled: impl Fn(f64) -> f64) {
    for (at, voxel) in place.iter_mut().enumerate() {
        let value = scaled(number(samples, at).unwrap_or_default()).round() - f64::from(offset);
        // A cast of a float holds at the type's ends.
        *voxel = value as i16;
    }
}
