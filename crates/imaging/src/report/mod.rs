//! Measurements as a DICOM structured report: TID 1500, Measurement Report (PS3.16), in a Comprehensive SR object. Other
//! workstations read it, and [`read`] reads theirs, as far as they measure on images.
//!
//! A report names images by their UIDs and nobody: no patient beyond what the cleaned images say, no observer but a
//! device without a name, no time.

mod content;
mod read;
mod write;

pub use read::{Found, Reading, ReportError, read};
pub use write::{Finding, write};

/// Comprehensive SR Storage (PS3.4 B.5).
const COMPREHENSIVE_SR: &str = "1.2.840.10008.5.1.4.1.1.88.33";

/// A coded concept: value, scheme, meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Code(&'static str, &'static str, &'static str);

const REPORT: Code = Code("126000", "DCM", "Imaging Measurement Report");
const LANGUAGE: Code = Code("121049", "DCM", "Language of Content Item and Descendants");
const ENGLISH: Code = Code("en", "RFC5646", "English");
const OBSERVER_TYPE: Code = Code("121005", "DCM", "Observer Type");
const DEVICE: Code = Code("121007", "DCM", "Device");
const DEVICE_UID: Code = Code("121012", "DCM", "Device Observer UID");
const PROCEDURE: Code = Code("121058", "DCM", "Procedure reported");
const IMAGING: Code = Code("363679005", "SCT", "Imaging procedure");
const LIBRARY: Code = Code("111028", "DCM", "Image Library");
const LIBRARY_GROUP: Code = Code("126200", "DCM", "Image Library Group");
const MEASUREMENTS: Code = Code("126010", "DCM", "Imaging Measurements");
const GROUP: Code = Code("125007", "DCM", "Measurement Group");
const TRACKING: Code = Code("112039", "DCM", "Tracking Identifier");
const TRACKING_UID: Code = Code("112040", "DCM", "Tracking Unique Identifier");
const REGION: Code = Code("111030", "DCM", "Image Region");
const COMMENT: Code = Code("121106", "DCM", "Comment");
const MEANS: Code = Code("121050", "DCM", "Equivalent Meaning of Concept Name");
const LENGTH: Code = Code("410668003", "SCT", "Length");
const ANGLE: Code = Code("1483009", "SCT", "Angle");
const AREA: Code = Code("42798000", "SCT", "Area");
const MEAN: Code = Code("373098007", "SCT", "Mean");
const DEVIATION: Code = Code("386136009", "SCT", "Standard Deviation");
const MINIMUM: Code = Code("255605001", "SCT", "Minimum");
const MAXIMUM: Code = Code("56851009", "SCT", "Maximum");
