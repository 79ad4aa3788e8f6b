//! Measurements of the open series as a structured report, and a report's measurements on the open series.

use healthsync_imaging::{
    desk::{Answer, At, Placed},
    dicom::{InstanceHead, Slice},
    measure::Measured,
    report::{self, Finding},
};
use js_sys::{Array, Uint8Array};
use web_sys::Blob;

use crate::{
    clean,
    sets::{Sets, bytes_of},
};

impl Sets {
    /// A report of these measurements, beside the answer as a buffer. What is on no DICOM image is not in it.
    pub(crate) fn report(&mut self, marks: &[Placed]) -> Result<(Answer, Array), String> {
        let mut found: Vec<(&Placed, InstanceHead, u32, Option<Measured>)> = Vec::new();
        for mark in marks {
            let (head, slice) = self.head(mark.at)?;
            if head.sop_class.is_empty() {
                continue;
            }
            let head = head.clone();
            let measured = self.measure(mark.at, mark.shape, &mark.points)?;
            found.push((mark, head, slice.frame, measured));
        }
        let findings: Vec<Finding<'_>> = found
            .iter()
            .map(|(mark, head, frame, measured)| Finding {
                head,
                frame: *frame,
                shape: mark.shape,
                points: &mark.points,
                text: &mark.text,
                measured: measured.clone(),
            })
            .collect();
        let seed = clean::fresh_key()
            .ok_or("The browser gives no random numbers, which a report needs for its names.")?;
        let buffers = Array::new();
        if let Some(bytes) = report::write(&findings, seed.0) {
            buffers.push(&Uint8Array::from(bytes.as_slice()).buffer());
        }
        let written = findings.len() as u32;
        Ok((Answer::Reported { written }, buffers))
    }

    /// What a report measures on images of the sets that are open.
    pub(crate) fn read_report(&self, blob: &Blob) -> Result<Answer, String> {
        let bytes = bytes_of(blob, "the report")?;
        let reading = report::read(bytes).map_err(|error| error.to_string())?;
        let mut marks = Vec::new();
        let mut elsewhere = 0;
        for found in reading.found {
            let is_it = |head: &InstanceHead, slice: &Slice| {
                head.sop_instance == found.instance && slice.frame == found.frame.unwrap_or(0)
            };
            match self.place_of(is_it) {
                Some(at) => marks.push(Placed {
                    at,
                    shape: found.shape,
                    points: found.points,
                    text: found.text,
                }),
                None => elsewhere += 1,
            }
        }
        Ok(Answer::Read {
            marks,
            elsewhere,
            others: reading.others as u32,
        })
    }

    /// The first slice of which this holds.
    fn place_of(&self, is_it: impl Fn(&InstanceHead, &Slice) -> bool) -> Option<At> {
        self.slices()
            .find(|(_, head, slice)| is_it(head, slice))
            .map(|(at, ..)| at)
    }
}
