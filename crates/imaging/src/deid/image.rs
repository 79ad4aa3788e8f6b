//! Pictures that are no DICOM files, TIFF and NIfTI, in a study: every field that says something goes, the pixels stay
//! byte for byte unless a box is painted, and the rest of the output is searched for what the fields said.

use std::collections::BTreeSet;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::cover::Cover;
use super::pixels::paint;
use super::receipt::{FileReceipt, pixels_sha256};
use super::residual::{Found, Rank, Search};
use super::{CleanedFile, Refusal, STILL_WRITTEN, Study, uid, written};
use crate::codec::Colour;
use crate::dicom::{Instance, Tag, Vr};
use crate::open::{CleanedImage, Kind, Said, clean_image, open, with_pixels};

impl Study {
    pub(super) fn clean_image(
        &mut self,
        names: &[String],
        input: &Bytes,
    ) -> Result<CleanedFile, Refusal> {
        let before = open(input.clone())?;
        if !self.options.reviewed {
            let reasons = written(&before)?;
            if !reasons.is_empty() {
                return Err(Refusal::Look {
                    reasons,
                    boxes: Vec::new(),
                });
            }
        }
        let cleaned = clean_image(input)?;
        let (searched, not_searched) = search(&cleaned, names)?;
        let painted = Cover::new(
            &self.options.masks,
            &self.options.outlines,
            &before.head.pixels,
        );
        let CleanedImage {
            kind,
            bytes,
            removed,
            warnings,
            ..
        } = cleaned;
        let stated = pixels_sha256(&before)?;
        let bytes = if painted.is_empty() {
            bytes
        } else {
            with_pixels(&bytes, &before, cover(&before, &painted)?)?
        };
        drop(before);
        let after = open(bytes.clone())?;
        let pixels = pixels_sha256(&after)?;
        if painted.is_empty() && pixels != stated {
            return Err(Refusal::Broken(
                "it does not show the same picture".to_owned(),
            ));
        }
        if !painted.is_empty() && !written(&after)?.is_empty() {
            self.warnings.insert(STILL_WRITTEN.to_owned());
        }
        self.warnings.extend(warnings);
        let packed = kind == Kind::Nifti && bytes.starts_with(&[0x1F, 0x8B]);
        let name = format!(
            "image-{:04}.{}{}",
            self.files.len() + 1,
            kind.extension(),
            if packed { ".gz" } else { "" }
        );
        self.files.push(FileReceipt {
            file: name.clone(),
            bytes: bytes.len(),
            sha256: hex::encode(Sha256::digest(&bytes)),
            input_hmac_sha256: hex::encode(uid::keyed(&self.key, b"file", input)),
            pixels_unchanged: pixels == stated,
            pixels_sha256: Some(pixels),
            painted: painted.boxes,
            outlined: painted.outlines,
            device_rules: Vec::new(),
            stripped_frames: 0,
            searched,
            image: Some(kind),
            removed,
            not_searched,
        });
        Ok(CleanedFile { name, bytes })
    }
}

/// All frames as stored, painted over.
fn cover(instance: &Instance, cover: &Cover) -> Result<Vec<Vec<u8>>, Refusal> {
    (0..instance.head.frames)
        .map(|frame| {
            let mut bytes = instance.stored_frame(frame)?;
            paint(&mut bytes, &instance.head.pixels, Colour::AsStated, cover);
            Ok(bytes)
        })
        .collect()
}

/// Searches the output for what its fields said; how many values that were, and the fields of those that were passed over.
fn search(cleaned: &CleanedImage, names: &[String]) -> Result<(usize, Vec<String>), Refusal> {
    // The search knows values by tags: 0 is the file's name, the others count the values.
    let found = cleaned.said.iter().zip(1..).map(|(said, number)| {
        let (vr, text) = words(&said.value);
        Found {
            tag: Tag(0, number),
            vr,
            rank: Rank::Identity,
            text,
            raw: Bytes::new(),
        }
    });
    let found: Vec<Found> = found.collect();
    let residue = Search::new(&found, &BTreeSet::new(), names)
        .search(&cleaned.rest)
        .map_err(Refusal::Broken)?;
    let fields = |tags: BTreeSet<Tag>| -> Vec<String> {
        let field = |tag: Tag| match usize::from(tag.1).checked_sub(1) {
            None => Some("its name"),
            Some(at) => cleaned.said.get(at).map(|said: &Said| said.field.as_str()),
        };
        let fields: BTreeSet<&str> = tags.into_iter().filter_map(field).collect();
        fields.into_iter().map(str::to_owned).collect()
    };
    if residue.hits.is_empty() {
        Ok((residue.searched, fields(residue.skipped)))
    } else {
        Err(Refusal::Left(fields(residue.hits)))
    }
}

/// Text as a person wrote it, or bytes in which words may stand.
fn words(value: &[u8]) -> (Vr, String) {
    let end = value
        .iter()
        .rposition(|byte| !matches!(byte, 0 | b' '))
        .map_or(0, |at| at + 1);
    match std::str::from_utf8(&value[..end]) {
        Ok(text)
            if !text.contains(|letter: char| {
                letter == '\0' || letter.is_control() && !letter.is_whitespace()
            }) =>
        {
            (Vr::PN, text.to_owned())
        }
        _ => (Vr::UN, value.iter().map(|byte| char::from(*byte)).collect()),
    }
}
