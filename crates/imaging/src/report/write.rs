//! Writes a report.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::content::{
    Relation, code, coded, container, coordinates, image, put, reference, sequence, text, uid, with,
};
use super::{
    ANGLE, AREA, COMMENT, COMPREHENSIVE_SR, Code, DEVIATION, DEVICE, DEVICE_UID, ENGLISH, GROUP,
    IMAGING, LANGUAGE, LENGTH, LIBRARY, LIBRARY_GROUP, MAXIMUM, MEAN, MEANS, MEASUREMENTS, MINIMUM,
    OBSERVER_TYPE, PROCEDURE, REGION, REPORT, TRACKING, TRACKING_UID,
};
use crate::dicom::{DataSet, EXPLICIT_LE, InstanceHead, Vr, tags, write as write_file};
use crate::measure::{Calibration, Measured, Shape};

/// A measurement on one frame of a DICOM image.
#[derive(Clone, Debug)]
pub struct Finding<'a> {
    /// The image.
    pub head: &'a InstanceHead,
    /// Which frame of it, from 0.
    pub frame: u32,
    /// What was drawn.
    pub shape: Shape,
    /// Pixel coordinates.
    pub points: &'a [[f64; 2]],
    /// What its author calls it; may be empty.
    pub text: &'a str,
    /// The result; `None` where there is none.
    pub measured: Option<Measured>,
}

/// A report of these findings, as a file. `seed` is drawn at random: the report's own UIDs follow from it.
///
/// `None` without a finding on an image that has UIDs.
pub fn write(findings: &[Finding<'_>], seed: [u8; 32]) -> Option<Vec<u8>> {
    let findings: Vec<&Finding<'_>> = findings
        .iter()
        .filter(|finding| !finding.head.sop_class.is_empty() && !finding.head.study.is_empty())
        .collect();
    let first = findings.first()?;
    let mut uids = Uids { seed, next: 0 };
    let mut set = DataSet::default();
    for (tag, vr, value) in [
        (tags::SPECIFIC_CHARACTER_SET, Vr::CS, "ISO_IR 192"),
        (tags::SOP_CLASS_UID, Vr::UI, COMPREHENSIVE_SR),
        (tags::SOP_INSTANCE_UID, Vr::UI, &uids.fresh()),
        (tags::STUDY_INSTANCE_UID, Vr::UI, &first.head.study),
        (tags::SERIES_INSTANCE_UID, Vr::UI, &uids.fresh()),
        (tags::MODALITY, Vr::CS, "SR"),
        (tags::MANUFACTURER, Vr::LO, "HealthSync"),
        (tags::SERIES_NUMBER, Vr::IS, "1"),
        (tags::INSTANCE_NUMBER, Vr::IS, "1"),
        // Required to have a value, and of the day nobody needs to know.
        (tags::CONTENT_DATE, Vr::DA, "19000101"),
        (tags::CONTENT_TIME, Vr::TM, "000000"),
        (tags::COMPLETION_FLAG, Vr::CS, "PARTIAL"),
        (tags::VERIFICATION_FLAG, Vr::CS, "UNVERIFIED"),
        (tags::PATIENT_IDENTITY_REMOVED, Vr::CS, "YES"),
        (
            tags::DEIDENTIFICATION_METHOD,
            Vr::LO,
            "Written of de-identified images",
        ),
    ] {
        put(&mut set, tag, vr, value);
    }
    // Required to be there, and empty.
    for (tag, vr) in [
        (tags::STUDY_DATE, Vr::DA),
        (tags::STUDY_TIME, Vr::TM),
        (tags::ACCESSION_NUMBER, Vr::SH),
        (tags::REFERRING_PHYSICIAN_NAME, Vr::PN),
        (tags::STUDY_ID, Vr::SH),
        (tags::PATIENT_NAME, Vr::PN),
        (tags::PATIENT_ID, Vr::LO),
        (tags::PATIENT_BIRTH_DATE, Vr::DA),
        (tags::PATIENT_SEX, Vr::CS),
    ] {
        put(&mut set, tag, vr, "");
    }
    for tag in [
        tags::REFERENCED_PERFORMED_PROCEDURE_STEP_SEQUENCE,
        tags::PERFORMED_PROCEDURE_CODE_SEQUENCE,
    ] {
        sequence(&mut set, tag, Vec::new());
    }
    let heads = images(&findings);
    sequence(
        &mut set,
        tags::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE,
        evidence(&heads),
    );
    root(&mut set);
    let library = heads
        .values()
        .map(|head| {
            image(
                Relation::Contains,
                &head.sop_class,
                &head.sop_instance,
                None,
            )
        })
        .collect();
    let groups = findings
        .iter()
        .enumerate()
        .map(|(at, finding)| group(finding, at + 1, &mut uids))
        .collect();
    let set = with(
        set,
        vec![
            coded(Relation::HasModifier, LANGUAGE, ENGLISH),
            coded(Relation::HasContext, OBSERVER_TYPE, DEVICE),
            uid(Relation::HasContext, DEVICE_UID, &uids.fresh()),
            coded(Relation::HasModifier, PROCEDURE, IMAGING),
            container(LIBRARY, vec![container(LIBRARY_GROUP, library)]),
            container(MEASUREMENTS, groups),
        ],
    );
    Some(write_file(&set, EXPLICIT_LE.uid))
}

struct Uids {
    seed: [u8; 32],
    next: u32,
}

impl Uids {
    fn fresh(&mut self) -> String {
        let digest = Sha256::new()
            .chain_update(self.seed)
            .chain_update(self.next.to_le_bytes())
            .finalize();
        self.next += 1;
        let mut half = [0; 16];
        half.copy_from_slice(&digest[..16]);
        format!("2.25.{}", u128::from_be_bytes(half))
    }
}

/// Every image once, by study, series and UID.
fn images<'a>(
    findings: &[&Finding<'a>],
) -> BTreeMap<(&'a str, &'a str, &'a str), &'a InstanceHead> {
    findings
        .iter()
        .map(|finding| finding.head)
        .map(|head| {
            let key = (
                head.study.as_str(),
                head.series.as_str(),
                head.sop_instance.as_str(),
            );
            (key, head)
        })
        .collect()
}

/// All images that the content speaks of, by study and series (PS3.3 C.17.2.3).
fn evidence(images: &BTreeMap<(&str, &str, &str), &InstanceHead>) -> Vec<DataSet> {
    let mut studies: BTreeMap<&str, BTreeMap<&str, Vec<DataSet>>> = BTreeMap::new();
    for ((study, series, instance), head) in images {
        studies
            .entry(study)
            .or_default()
            .entry(series)
            .or_default()
            .push(reference(&head.sop_class, instance));
    }
    let of_study = |(study, series): (&str, BTreeMap<&str, Vec<DataSet>>)| {
        let of_series = |(series, images): (&str, Vec<DataSet>)| {
            let mut set = DataSet::default();
            put(&mut set, tags::SERIES_INSTANCE_UID, Vr::UI, series);
            sequence(&mut set, tags::REFERENCED_SOP_SEQUENCE, images);
            set
        };
        let mut set = DataSet::default();
        put(&mut set, tags::STUDY_INSTANCE_UID, Vr::UI, study);
        sequence(
            &mut set,
            tags::REFERENCED_SERIES_SEQUENCE,
            series.into_iter().map(of_series).collect(),
        );
        set
    };
    studies.into_iter().map(of_study).collect()
}

/// The root content item is the data set itself.
fn root(set: &mut DataSet) {
    put(set, tags::VALUE_TYPE, Vr::CS, "CONTAINER");
    put(set, tags::CONTINUITY_OF_CONTENT, Vr::CS, "SEPARATE");
    sequence(set, tags::CONCEPT_NAME_CODE_SEQUENCE, vec![REPORT.item()]);
    let mut template = DataSet::default();
    put(&mut template, tags::MAPPING_RESOURCE, Vr::CS, "DCMR");
    put(&mut template, tags::TEMPLATE_IDENTIFIER, Vr::CS, "1500");
    sequence(set, tags::CONTENT_TEMPLATE_SEQUENCE, vec![template]);
}

/// TID 1501 for lengths, angles and values; TID 1410 for regions, and for arrows, which measure nothing.
fn group(finding: &Finding<'_>, number: usize, uids: &mut Uids) -> DataSet {
    let name = if finding.text.is_empty() {
        format!("{:?} {number}", finding.shape)
    } else {
        finding.text.to_owned()
    };
    let mut items = vec![
        text(Relation::HasContext, TRACKING, &name),
        uid(Relation::HasContext, TRACKING_UID, &uids.fresh()),
    ];
    if !finding.text.is_empty() {
        items.push(text(Relation::Contains, COMMENT, finding.text));
    }
    let numbers = numbers(finding);
    let alone = !finding.shape.is_region() && !numbers.is_empty();
    if !alone {
        items.push(drawn(finding, Relation::Contains, Some(REGION)));
    }
    for (name, value, unit) in numbers {
        let mut below = Vec::new();
        if let Some(meaning) = meaning(finding, name) {
            below.push(text(Relation::HasModifier, MEANS, meaning));
        }
        if alone {
            below.push(drawn(finding, Relation::InferredFrom, None));
        }
        items.push(super::content::number(name, value, unit, below));
    }
    container(GROUP, items)
}

/// What a length or an area does not mean.
fn meaning(finding: &Finding<'_>, name: Code) -> Option<&'static str> {
    match finding.measured.as_ref()?.calibration? {
        Calibration::Detector if name == LENGTH => Some("Length at the detector"),
        Calibration::Detector if name == AREA => Some("Area at the detector"),
        Calibration::Film if name == LENGTH => Some("Length on the film"),
        Calibration::Film if name == AREA => Some("Area on the film"),
        _ => None,
    }
}

fn numbers(finding: &Finding<'_>) -> Vec<(Code, f64, DataSet)> {
    let Some(measured) = &finding.measured else {
        return Vec::new();
    };
    let mut numbers = Vec::new();
    let mut add = |name, value: Option<f64>, unit: DataSet| {
        if let Some(value) = value.filter(|value| value.is_finite()) {
            numbers.push((name, value, unit));
        }
    };
    let (length, area) = match measured.calibration {
        Some(_) => (
            code("mm", "UCUM", "millimeter"),
            code("mm2", "UCUM", "square millimeter"),
        ),
        None => (
            code("{pixels}", "UCUM", "pixels"),
            code("{pixels}2", "UCUM", "square pixels"),
        ),
    };
    let value = unit(finding.head.units.as_deref());
    if finding.shape == Shape::Length {
        add(LENGTH, measured.length, length);
    }
    add(ANGLE, measured.angle, code("deg", "UCUM", "degree"));
    if finding.shape.is_region() {
        add(AREA, measured.area, area);
    }
    if let Some(found) = &measured.statistics {
        add(MEAN, Some(found.mean), value.clone());
        add(DEVIATION, Some(found.sd), value.clone());
        add(MINIMUM, Some(found.min), value.clone());
        add(MAXIMUM, Some(found.max), value.clone());
    }
    // The mean of one pixel.
    add(MEAN, measured.value, value);
    numbers
}

/// Of the values of pixels.
fn unit(stated: Option<&str>) -> DataSet {
    match stated {
        Some("HU") => code("[hnsf'U]", "UCUM", "Hounsfield unit"),
        Some("BQML") => code("Bq/ml", "UCUM", "Becquerels per milliliter"),
        // UCUM takes any word in braces; a code has 16 characters.
        Some(other)
            if other.len() <= 14
                && other.bytes().all(|byte| {
                    byte.is_ascii_graphic() && !matches!(byte, b'{' | b'}' | b'\\')
                }) =>
        {
            code(&format!("{{{other}}}"), "UCUM", other)
        }
        _ => code("1", "UCUM", "no units"),
    }
}

fn drawn(finding: &Finding<'_>, relation: Relation, name: Option<Code>) -> DataSet {
    let head = finding.head;
    let image = image(
        Relation::SelectedFrom,
        &head.sop_class,
        &head.sop_instance,
        (head.frames > 1).then_some(finding.frame),
    );
    let points = finding.points;
    let (kind, points) = match (finding.shape, points) {
        (Shape::Point, _) => ("POINT", points.to_vec()),
        (Shape::Rectangle, [[left, top], [right, bottom]]) => (
            "POLYLINE",
            vec![
                [*left, *top],
                [*right, *top],
                [*right, *bottom],
                [*left, *bottom],
                [*left, *top],
            ],
        ),
        (Shape::Ellipse, [[a, b], [c, d]]) => {
            let (across, down) = ((a - c).abs(), (b - d).abs());
            let [x, y] = [(a + c) / 2.0, (b + d) / 2.0];
            let wide = [[a.min(*c), y], [a.max(*c), y]];
            let high = [[x, b.min(*d)], [x, b.max(*d)]];
            // The ends of the longer axis come first (PS3.3 C.18.6.1.2).
            let ends = if across >= down {
                [wide, high]
            } else {
                [high, wide]
            };
            ("ELLIPSE", ends.concat())
        }
        (Shape::Freehand, [first, ..]) => {
            ("POLYLINE", points.iter().chain([first]).copied().collect())
        }
        _ => ("POLYLINE", points.to_vec()),
    };
    coordinates(relation, name, kind, &points, image)
}
