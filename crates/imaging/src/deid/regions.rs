//! Which pictures must be looked at before they leave, and which boxes of known devices are blanked.
//!
//! Headers are unreliable here: BurnedInAnnotation is absent or empty in nearly every file. So kinds of images that often
//! carry names are refused until a person says that the pixels were looked at, whatever the header claims.

use std::sync::OnceLock;

use serde::Deserialize;

use super::options::Mask;
use crate::dicom::{DataSet, dictionary_tag, tags};

/// What the rules say of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assessment {
    /// Why the pixels must be looked at; empty when they need not.
    pub reasons: Vec<String>,
    /// Boxes that devices of this kind write names into.
    pub boxes: Vec<Mask>,
    /// Numbers of the device rules that matched.
    pub rules: Vec<u32>,
}

#[derive(Debug, Deserialize)]
struct File {
    rules: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
struct Rule {
    id: u32,
    label: String,
    list: String,
    all_of: Vec<Vec<Condition>>,
    blank: Vec<[u32; 4]>,
}

#[derive(Debug, Deserialize)]
struct Condition {
    op: String,
    field: String,
    #[serde(default)]
    any_of: Vec<String>,
    #[serde(default)]
    value: Option<serde_json::Value>,
}

fn rules() -> &'static [Rule] {
    static RULES: OnceLock<Vec<Rule>> = OnceLock::new();
    RULES.get_or_init(|| {
        let file: File = serde_json::from_str(include_str!("../../data/burned_in_regions.json"))
            .expect("the rules are part of this program and a test reads them");
        file.rules
    })
}

impl Condition {
    fn holds(&self, set: &DataSet) -> bool {
        let Some(tag) = dictionary_tag(&self.field) else {
            return false;
        };
        let value = set.get(tag).map(|element| {
            let text = element.text(set.charset());
            text.unwrap_or_else(|| {
                element
                    .floats()
                    .iter()
                    .map(f64::to_string)
                    .collect::<Vec<_>>()
                    .join("\\")
            })
            .to_lowercase()
        });
        let given = self.value.iter().map(|value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        });
        let mut wanted = self
            .any_of
            .iter()
            .cloned()
            .chain(given)
            .map(|wanted| wanted.to_lowercase());
        match self.op.as_str() {
            "missing" => value.is_none(),
            "empty" => value.is_some_and(|value| value.is_empty()),
            "equals" => value.is_some_and(|value| wanted.any(|wanted| value == wanted)),
            _ => value.is_some_and(|value| wanted.any(|wanted| value.contains(&wanted))),
        }
    }
}

/// Modalities whose images carry text as a rule.
const MODALITIES: [(&str, &str); 13] = [
    (
        "US",
        "ultrasound images usually have the patient's name in the picture",
    ),
    (
        "IVUS",
        "ultrasound images usually have the patient's name in the picture",
    ),
    ("SC", "screen captures show whatever was on the screen"),
    ("OT", "images of other kinds may show anything"),
    ("XA", "angiographies often have text in the picture"),
    ("RF", "fluoroscopies often have text in the picture"),
    (
        "ES",
        "endoscopies usually have the patient's name in the picture",
    ),
    ("XC", "photographs may show a face or a wristband"),
    ("GM", "microscopy may show the label of the slide"),
    ("SM", "microscopy may show the label of the slide"),
    ("OP", "eye photographs often have text in the picture"),
    ("HC", "prints have text in the picture"),
    ("DOC", "documents name the patient"),
];

/// A rule's own name, without those of its list and its authors.
fn title(label: &str) -> &str {
    let name = label.split('#').next().unwrap_or_default().trim();
    name.strip_prefix("Stanford Blacklist ").unwrap_or(name)
}

/// Applies all rules to an original data set.
pub fn assess(set: &DataSet) -> Assessment {
    let text = |tag| set.text(tag).unwrap_or_default().to_uppercase();
    let mut assessment = Assessment::default();
    let modality = text(tags::MODALITY);
    if let Some((_, why)) = MODALITIES.iter().find(|(known, _)| *known == modality) {
        assessment.reasons.push((*why).to_owned());
    }
    let class = text(tags::SOP_CLASS_UID);
    if class.starts_with("1.2.840.10008.5.1.4.1.1.7") && modality != "SC" {
        assessment
            .reasons
            .push("it is a secondary capture, which shows whatever was on the screen".to_owned());
    }
    if class.starts_with("1.2.840.10008.5.1.4.1.1.77.1")
        && !matches!(modality.as_str(), "ES" | "XC" | "GM" | "SM" | "OP")
    {
        assessment.reasons.push("it is a photograph".to_owned());
    }
    let kind = text(tags::IMAGE_TYPE);
    let description = text(tags::SERIES_DESCRIPTION);
    if kind.contains("SCREEN")
        || kind.contains("DOSE")
        || ["DOSE", "SCREEN", "REPORT", "PATIENT PROTOCOL"]
            .iter()
            .any(|word| description.contains(word))
    {
        assessment
            .reasons
            .push("it is a screen save or a dose sheet".to_owned());
    }
    if !text(tags::CONVERSION_TYPE).is_empty()
        && !class.is_empty()
        && modality != "SC"
        && !class.starts_with("1.2.840.10008.5.1.4.1.1.7")
    {
        assessment
            .reasons
            .push("it was scanned or captured from a screen".to_owned());
    }
    if text(tags::BURNED_IN_ANNOTATION) == "YES" {
        assessment
            .reasons
            .push("its header says that text is burned in".to_owned());
    }
    for rule in rules() {
        if !rule
            .all_of
            .iter()
            .all(|group| group.iter().any(|condition| condition.holds(set)))
        {
            continue;
        }
        assessment.rules.push(rule.id);
        assessment
            .boxes
            .extend(rule.blank.iter().map(|corners| Mask(*corners)));
        // A device that is thought clean is an opinion and takes nothing back.
        if rule.list == "reject" || (rule.list == "flag" && rule.blank.is_empty()) {
            assessment
                .reasons
                .push(format!("the rule “{}” asks for it", title(&rule.label)));
        }
    }
    assessment
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::{Element, Vr};

    #[test]
    fn all_rules_are_read_and_name_known_fields() {
        assert_eq!(rules().len(), 118);
        assert_eq!(
            rules().iter().map(|rule| rule.blank.len()).sum::<usize>(),
            117
        );
        for condition in rules().iter().flat_map(|rule| rule.all_of.iter().flatten()) {
            assert!(
                dictionary_tag(&condition.field).is_some(),
                "{}",
                condition.field
            );
            assert!(matches!(
                condition.op.as_str(),
                "contains" | "equals" | "empty" | "missing"
            ));
        }
    }

    #[test]
    fn a_known_device_is_blanked_and_an_ultrasound_looked_at() {
        let mut set = DataSet::default();
        set.put(Element::of_bytes(tags::MODALITY, Vr::CS, "CT"));
        set.put(Element::of_bytes(
            tags::MANUFACTURER,
            Vr::LO,
            "GE MEDICAL SYSTEMS",
        ));
        set.put(Element::of_bytes(
            tags::MANUFACTURER_MODEL_NAME,
            Vr::LO,
            "LightSpeed VCT",
        ));
        set.put(Element::of_bytes(
            tags::IMAGE_TYPE,
            Vr::CS,
            "DERIVED\\SECONDARY\\SCREEN SAVE",
        ));
        let assessment = assess(&set);
        assert!(assessment.boxes.contains(&Mask([0, 0, 512, 121])));
        assert!(!assessment.reasons.is_empty());
        let mut plain = DataSet::default();
        plain.put(Element::of_bytes(tags::MODALITY, Vr::CS, "MR"));
        plain.put(Element::of_bytes(tags::MANUFACTURER, Vr::LO, "Maker"));
        plain.put(Element::of_bytes(
            tags::IMAGE_TYPE,
            Vr::CS,
            "ORIGINAL\\PRIMARY",
        ));
        assert_eq!(assess(&plain), Assessment::default());
        plain.put(Element::of_bytes(tags::MODALITY, Vr::CS, "US"));
        plain.put(Element::of_bytes(tags::BURNED_IN_ANNOTATION, Vr::CS, "NO"));
        assert_eq!(assess(&plain).reasons.len(), 1);
    }
}
