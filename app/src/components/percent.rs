//! Shares and royalties: hundredths of a percent as people write them, and the split that a proposal starts with.

use healthsync_core::{Person, conversation::WHOLE};

/// `7.5` for 750.
pub(crate) fn percent(hundredths: u16) -> String {
    let (whole, rest) = (hundredths / 100, hundredths % 100);
    match rest {
        0 => whole.to_string(),
        rest if rest.is_multiple_of(10) => format!("{whole}.{}", rest / 10),
        rest => format!("{whole}.{rest:02}"),
    }
}

/// 750 for `7.5`, `7,5` or ` 7.50 `; `None` for what is no percentage up to 100 with two digits.
pub(crate) fn hundredths(text: &str) -> Option<u16> {
    let text = text
        .trim()
        .trim_end_matches('%')
        .trim_end()
        .replace(',', ".");
    let (whole, rest) = text.split_once('.').unwrap_or((text.as_str(), ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(rest) || rest.len() > 2 {
        return None;
    }
    let whole: u32 = whole.parse().ok()?;
    let rest: u32 = format!("{rest:0<2}").parse().ok()?;
    let all = whole.checked_mul(100)?.checked_add(rest)?;
    u16::try_from(all)
        .ok()
        .filter(|all| u32::from(*all) <= WHOLE)
}

/// Who shared the case gets 40 %, the others the rest in equal parts; what does not divide goes to who shared it.
pub(crate) fn first_split(people: &[Person], author: Person) -> Vec<(Person, u16)> {
    let others = people.iter().filter(|person| **person != author).count() as u32;
    let each = (WHOLE * 6 / 10).checked_div(others).unwrap_or(0);
    let own = WHOLE - each * others;
    people
        .iter()
        .map(|person| {
            let share = if *person == author { own } else { each };
            (*person, share as u16)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_read_as_written() {
        for (text, value) in [("7.5", 750), ("40", 4_000), ("33.33", 3_333), ("0.05", 5)] {
            assert_eq!(hundredths(text), Some(value));
            assert_eq!(percent(value), text);
        }
        assert_eq!(hundredths(" 7,50 % "), Some(750));
        assert_eq!(hundredths("100"), Some(10_000));
        for bad in [
            "",
            "-1",
            "1.234",
            "100.01",
            "x",
            "1.",
            ".5",
            "1e2",
            "99999999999",
        ] {
            assert_eq!(
                hundredths(bad),
                if bad == "1." { Some(100) } else { None },
                "{bad}"
            );
        }
    }

    #[test]
    fn the_first_split_is_whole() {
        let person = |byte| Person([byte; 20]);
        for count in 1..=8_u8 {
            let people: Vec<Person> = (1..=count).map(person).collect();
            let split = first_split(&people, person(1));
            let total: u32 = split.iter().map(|(_, share)| u32::from(*share)).sum();
            assert_eq!(total, WHOLE);
            assert!(split.iter().all(|(_, share)| *share > 0));
        }
        assert_eq!(first_split(&[person(1)], person(1)), [(person(1), 10_000)]);
    }
}
