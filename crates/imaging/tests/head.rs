//! What a file's header says of its values and of the size of its pixels. Feature `dicom`.

#[allow(dead_code)]
mod made;

use healthsync_imaging::dicom::{Instance, InstanceHead, SpacingOrigin};
use made::*;

/// A grey image of 2 × 2 pixels of 16 bits with these elements besides; one that is there already is replaced.
fn head(more: &[Vec<u8>]) -> InstanceHead {
    let tag = |element: &Vec<u8>| {
        let half = |at: usize| u16::from_le_bytes([element[at], element[at + 1]]);
        (half(0), half(2))
    };
    let mut elements = image(2, 2, 16);
    elements.retain(|old| more.iter().all(|new| tag(new) != tag(old)));
    elements.extend_from_slice(more);
    elements.push(element(0x7FE0, 0x10, b"OW", &pixels(8)));
    elements.sort_by_key(tag);
    Instance::parse(file(EXPLICIT, &elements))
        .expect("opens")
        .head
}

#[test]
fn padding_is_signed_as_the_pixels_are_and_may_be_a_range() {
    let word = |number, vr: &[u8; 2], value: u16| element(0x28, number, vr, &value.to_le_bytes());
    let minus = (-2000_i16) as u16;
    let signed = || word(0x103, b"US", 1);
    assert_eq!(head(&[]).padding, None);
    assert_eq!(head(&[word(0x121, b"US", 9)]).padding, None);
    assert_eq!(
        head(&[signed(), word(0x120, b"SS", minus)]).padding,
        Some([-2000.0, -2000.0])
    );
    // Some scanners write it without a sign.
    assert_eq!(
        head(&[signed(), word(0x120, b"US", minus)]).padding,
        Some([-2000.0, -2000.0])
    );
    assert_eq!(
        head(&[word(0x120, b"US", minus)]).padding,
        Some([63536.0, 63536.0])
    );
    for (value, limit) in [(5, 9), (9, 5)] {
        let range = [word(0x120, b"US", value), word(0x121, b"US", limit)];
        assert_eq!(head(&range).padding, Some([5.0, 9.0]));
    }
}

#[test]
fn lengths_of_a_projection_are_at_the_detector_until_it_is_calibrated() {
    const CR: &str = "1.2.840.10008.5.1.4.1.1.1";
    const DX: &str = "1.2.840.10008.5.1.4.1.1.1.1";
    const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
    const SC: &str = "1.2.840.10008.5.1.4.1.1.7";
    let origin = |class: &str, more: &[Vec<u8>]| {
        let mut elements = more.to_vec();
        elements.push(element(8, 0x16, b"UI", class.as_bytes()));
        let spacing = head(&elements).spacing?;
        Some((spacing.rows, spacing.origin))
    };
    let stated = |mm: &str| element(0x28, 0x30, b"DS", format!("{mm}\\{mm}").as_bytes());
    let imager = || element(0x18, 0x1164, b"DS", b"0.20\\0.20");
    let film = || element(0x18, 0x2010, b"DS", b"0.17\\0.17");
    let kind = || element(0x28, 0xA02, b"CS", b"FIDUCIAL");
    use SpacingOrigin::{Detector, Film, Patient};
    assert_eq!(origin(DX, &[]), None);
    assert_eq!(origin(DX, &[imager()]), Some((0.2, Detector)));
    assert_eq!(
        origin(DX, &[imager(), stated("0.2")]),
        Some((0.2, Detector))
    );
    assert_eq!(
        origin(DX, &[imager(), stated("0.15")]),
        Some((0.15, Patient))
    );
    assert_eq!(
        origin(DX, &[imager(), stated("0.2"), kind()]),
        Some((0.2, Patient))
    );
    assert_eq!(origin(CR, &[stated("0.2")]), Some((0.2, Detector)));
    assert_eq!(origin(CR, &[stated("0.2"), kind()]), Some((0.2, Patient)));
    assert_eq!(origin(CT, &[stated("0.2")]), Some((0.2, Patient)));
    assert_eq!(origin(SC, &[film()]), Some((0.17, Film)));
    assert_eq!(origin(SC, &[film(), stated("0.17")]), Some((0.17, Film)));
}

#[test]
fn units_are_those_of_the_rescale_wherever_it_stands() {
    let ct = || element(8, 0x60, b"CS", b"CT");
    let rescale = |kind: &str| {
        [
            element(0x28, 0x1052, b"DS", b"0"),
            element(0x28, 0x1053, b"DS", b"0.01"),
            element(0x28, 0x1054, b"LO", kind.as_bytes()),
        ]
    };
    // Functional groups of all frames (5200,9229) or of each (5200,9230).
    let within = |groups: u16, kind: &str| {
        let item = sequence(0x28, 0x9145, &[rescale(kind).concat()]);
        sequence(0x5200, groups, &[item])
    };
    let units = |more: &[Vec<u8>]| head(more).units;
    let hounsfield = Some("HU".to_owned());
    assert_eq!(units(&[ct()]), None);
    assert_eq!(units(&[ct(), rescale("")[1].clone()]), hounsfield);
    for groups in [0x9229, 0x9230] {
        let of = |kind: &str| units(&[ct(), within(groups, kind)]);
        assert_eq!(of("MGML"), Some("MGML".to_owned()));
        assert_eq!(of("HU"), hounsfield);
        assert_eq!(of("US"), None);
        assert_eq!(of(""), hounsfield);
    }
    let plain: Vec<_> = rescale("Z_EFF").into_iter().chain([ct()]).collect();
    assert_eq!(units(&plain), Some("Z_EFF".to_owned()));
}
