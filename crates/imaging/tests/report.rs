//! Measurements written as a structured report and read again. Feature `dicom`.

use healthsync_imaging::dicom::{DataSet, Instance, InstanceHead, Value, read as read_file, tags};
use healthsync_imaging::measure::{Calibration, Scale, Shape, measure};
use healthsync_imaging::report::{Finding, Found, ReportError, read, write};

/// Explicit VR, little endian.
fn element(group: u16, number: u16, vr: &[u8; 2], value: &[u8]) -> Vec<u8> {
    let mut value = value.to_vec();
    if value.len() % 2 == 1 {
        value.push(if vr == b"UI" { 0 } else { b' ' });
    }
    let mut out = [group.to_le_bytes(), number.to_le_bytes()].concat();
    out.extend(vr);
    if vr == b"OW" {
        out.extend([0, 0]);
        out.extend((value.len() as u32).to_le_bytes());
    } else {
        out.extend((value.len() as u16).to_le_bytes());
    }
    out.extend(value);
    out
}

/// A CT of 16 × 16 pixels of 0.5 × 2 mm; `sop` is its UID.
fn ct(sop: &str, frames: u8) -> InstanceHead {
    let us = |number, value: u16| element(0x28, number, b"US", &value.to_le_bytes());
    let elements = [
        element(8, 0x16, b"UI", b"1.2.840.10008.5.1.4.1.1.2"),
        element(8, 0x18, b"UI", sop.as_bytes()),
        element(8, 0x60, b"CS", b"CT"),
        element(0x10, 0x10, b"PN", b"DOE^JANE"),
        element(0x10, 0x20, b"LO", b"MRN-1961"),
        element(0x20, 0x0D, b"UI", b"2.25.100"),
        element(0x20, 0x0E, b"UI", b"2.25.200"),
        us(2, 1),
        element(0x28, 4, b"CS", b"MONOCHROME2"),
        element(0x28, 8, b"IS", frames.to_string().as_bytes()),
        us(0x10, 16),
        us(0x11, 16),
        element(0x28, 0x30, b"DS", b"2\\0.5"),
        us(0x100, 16),
        us(0x101, 16),
        us(0x102, 15),
        us(0x103, 0),
        element(0x28, 0x1052, b"DS", b"-1024"),
        element(0x28, 0x1053, b"DS", b"1"),
        element(0x7FE0, 0x10, b"OW", &vec![0; 512 * usize::from(frames)]),
    ];
    let mut file = vec![0; 128];
    file.extend(b"DICM");
    file.extend(element(2, 0x10, b"UI", b"1.2.840.10008.1.2.1"));
    file.extend(elements.concat());
    Instance::parse(file).expect("opens").head
}

const SCALE: Scale = Scale {
    spacing: [0.5, 2.0],
    calibration: Calibration::Patient,
};

type Drawn = (Shape, &'static [[f64; 2]], &'static str);

const DRAWN: [Drawn; 7] = [
    (Shape::Length, &[[1.5, 2.0], [9.5, 5.0]], "Nodule"),
    (Shape::Angle, &[[1.0, 1.0], [8.0, 8.0], [15.0, 1.0]], ""),
    (Shape::Rectangle, &[[2.0, 3.0], [7.0, 9.0]], ""),
    (Shape::Ellipse, &[[2.0, 3.0], [8.0, 6.0]], "Cyst, simple"),
    (
        Shape::Freehand,
        &[[2.0, 2.0], [9.0, 3.0], [7.0, 9.0], [3.0, 8.0]],
        "",
    ),
    (Shape::Arrow, &[[1.0, 1.0], [4.0, 4.0]], "here"),
    (Shape::Point, &[[3.5, 4.5]], ""),
];

fn findings<'a>(head: &'a InstanceHead, scale: Option<Scale>) -> Vec<Finding<'a>> {
    DRAWN
        .iter()
        .map(|(shape, points, text)| Finding {
            head,
            frame: 0,
            shape: *shape,
            points,
            text,
            measured: measure(*shape, points, scale, [16, 16], |x, y| {
                Some(f64::from(x * y) - 5.0)
            }),
        })
        .collect()
}

/// Concept, value and unit of every number, in order.
fn numbers(set: &DataSet, found: &mut Vec<(String, f64, String)>) {
    let code = |items: &[DataSet], tag| {
        items
            .first()
            .and_then(|item| item.text(tag))
            .unwrap_or_default()
    };
    if let Some(measured) = set.items(tags::MEASURED_VALUE_SEQUENCE).first() {
        found.push((
            code(
                set.items(tags::CONCEPT_NAME_CODE_SEQUENCE),
                tags::CODE_MEANING,
            ),
            measured.float(tags::NUMERIC_VALUE).expect("is a number"),
            code(
                measured.items(tags::MEASUREMENT_UNITS_CODE_SEQUENCE),
                tags::CODE_VALUE,
            ),
        ));
    }
    set.items(tags::CONTENT_SEQUENCE)
        .iter()
        .for_each(|item| numbers(item, found));
}

#[test]
fn what_was_measured_comes_back() {
    let head = ct("2.25.300", 1);
    let bytes = write(&findings(&head, Some(SCALE)), [7; 32]).expect("writes");
    let reading = read(bytes).expect("reads");
    assert_eq!(reading.others, 0);
    let expected: Vec<Found> = DRAWN
        .iter()
        .map(|(shape, points, text)| Found {
            instance: "2.25.300".to_owned(),
            frame: None,
            shape: *shape,
            points: points.to_vec(),
            text: (*text).to_owned(),
        })
        .collect();
    assert_eq!(reading.found, expected);
}

#[test]
fn numbers_have_their_units() {
    let head = ct("2.25.300", 1);
    let bytes = write(&findings(&head, Some(SCALE)), [7; 32]).expect("writes");
    let file = read_file(bytes.into()).expect("reads");
    let mut found = Vec::new();
    numbers(&file.dataset, &mut found);
    let has = |name: &str, value: f64, unit: &str| {
        assert!(
            found
                .iter()
                .any(|(n, v, u)| n == name && (v - value).abs() < 1e-6 && u == unit),
            "{name} {value} {unit}: {found:?}"
        );
    };
    has("Length", 52.0_f64.sqrt(), "mm");
    has("Area", 30.0, "mm2");
    has("Minimum", 1.0, "[hnsf'U]");
    has("Maximum", 43.0, "[hnsf'U]");
    has("Mean", 7.0, "[hnsf'U]");
    assert!(
        found
            .iter()
            .any(|(name, _, unit)| name == "Angle" && unit == "deg")
    );
    // Without the size of a pixel nothing is in millimetres.
    let bytes = write(&findings(&head, None), [7; 32]).expect("writes");
    let file = read_file(bytes.into()).expect("reads");
    let mut found = Vec::new();
    numbers(&file.dataset, &mut found);
    assert!(found.iter().all(|(_, _, unit)| !unit.starts_with("mm")));
    assert!(found.iter().any(|(_, _, unit)| unit == "{pixels}"));
}

#[test]
fn a_report_names_images_and_nobody() {
    let (one, other) = (ct("2.25.300", 1), ct("2.25.301", 3));
    let mut all = findings(&one, Some(SCALE));
    all.extend(
        findings(&other, Some(SCALE))
            .into_iter()
            .map(|mut finding| {
                finding.frame = 2;
                finding
            }),
    );
    let bytes = write(&all, [7; 32]).expect("writes");
    for value in ["DOE", "JANE", "MRN-1961"] {
        assert!(
            !bytes
                .windows(value.len())
                .any(|window| window == value.as_bytes()),
            "{value}"
        );
    }
    let file = read_file(bytes.clone().into()).expect("reads");
    let set = &file.dataset;
    assert_eq!(set.text(tags::PATIENT_NAME), None);
    let study = &set.items(tags::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE)[0];
    let series = &study.items(tags::REFERENCED_SERIES_SEQUENCE)[0];
    assert_eq!(
        series.text(tags::SERIES_INSTANCE_UID).as_deref(),
        Some("2.25.200")
    );
    let images: Vec<Option<String>> = series
        .items(tags::REFERENCED_SOP_SEQUENCE)
        .iter()
        .map(|image| image.text(tags::REFERENCED_SOP_INSTANCE_UID))
        .collect();
    assert_eq!(
        images,
        [Some("2.25.300".to_owned()), Some("2.25.301".to_owned())]
    );
    let reading = read(bytes.clone()).expect("reads");
    assert_eq!(reading.found.len(), 2 * DRAWN.len());
    assert!(
        reading.found[DRAWN.len()..]
            .iter()
            .all(|found| found.frame == Some(2))
    );
    // Equal findings, another report: its UIDs are its own.
    assert_ne!(write(&all, [8; 32]).expect("writes"), bytes);
    // A picture that is no DICOM has no UID to be named by.
    let mut none = one.clone();
    none.sop_class.clear();
    assert_eq!(write(&findings(&none, None), [7; 32]), None);
}

#[test]
fn every_item_of_the_content_is_whole() {
    fn walk(set: &DataSet, root: bool) -> usize {
        assert!(set.text(tags::VALUE_TYPE).is_some());
        assert_eq!(set.text(tags::RELATIONSHIP_TYPE).is_none(), root);
        let kind = set.text(tags::VALUE_TYPE).unwrap_or_default();
        let named = !set.items(tags::CONCEPT_NAME_CODE_SEQUENCE).is_empty();
        assert!(
            named || matches!(kind.as_str(), "IMAGE" | "SCOORD"),
            "{kind} has no name"
        );
        let below = set.items(tags::CONTENT_SEQUENCE);
        1 + below.iter().map(|item| walk(item, false)).sum::<usize>()
    }
    let head = ct("2.25.300", 1);
    let file = read_file(
        write(&findings(&head, Some(SCALE)), [7; 32])
            .expect("writes")
            .into(),
    )
    .expect("reads");
    assert!(walk(&file.dataset, true) > 50);
    let lasting = |element: &healthsync_imaging::dicom::Element| {
        matches!(element.value, Value::Fragments { .. })
    };
    assert!(!file.dataset.elements().iter().any(lasting));
}

/// `tools/report.py` makes it.
#[test]
fn a_report_of_another_program_is_read() {
    let reading = read(include_bytes!("report/highdicom.dcm").to_vec()).expect("reads");
    assert_eq!(reading.others, 0);
    let image = "1.3.6.1.4.1.5962.1.1.1.1.1.20040119072730.12322";
    assert!(
        reading
            .found
            .iter()
            .all(|found| found.instance == image && found.frame.is_none())
    );
    let [length, circle, turned, outline] = reading.found.as_slice() else {
        panic!("{} are found", reading.found.len());
    };
    assert_eq!(
        (length.shape, length.points.as_slice()),
        (Shape::Length, &[[10.5, 20.0], [14.5, 29.0]][..])
    );
    assert_eq!(
        (circle.shape, circle.points.as_slice()),
        (Shape::Ellipse, &[[50.0, 50.0], [70.0, 70.0]][..])
    );
    // An ellipse that lies aslant is an outline here, with the same area: axes of 14.1 and 5.7 pixels.
    assert_eq!((turned.shape, turned.points.len()), (Shape::Freehand, 64));
    let area = measure(Shape::Freehand, &turned.points, None, [128, 128], |_, _| {
        None
    })
    .and_then(|measured| measured.area)
    .expect("has an area");
    let expected = std::f64::consts::PI * 50.0_f64.sqrt() * 8.0_f64.sqrt();
    assert!(
        (area - expected).abs() < 0.01 * expected,
        "{area} of {expected}"
    );
    assert_eq!((outline.shape, outline.points.len()), (Shape::Freehand, 3));
}

#[test]
fn what_is_no_report_is_refused_and_what_is_broken_is_no_panic() {
    assert!(matches!(
        read(b"hello".to_vec()),
        Err(ReportError::Dicom(_))
    ));
    let mut image = vec![0; 128];
    image.extend(b"DICM");
    image.extend(element(2, 0x10, b"UI", b"1.2.840.10008.1.2.1"));
    image.extend(element(8, 0x16, b"UI", b"1.2.840.10008.5.1.4.1.1.2"));
    assert_eq!(read(image), Err(ReportError::Other));
    let head = ct("2.25.300", 1);
    let whole = write(&findings(&head, Some(SCALE)), [7; 32]).expect("writes");
    for length in 0..whole.len() {
        if let Ok(reading) = read(whole[..length].to_vec()) {
            assert!(reading.found.len() <= DRAWN.len());
        }
    }
}
