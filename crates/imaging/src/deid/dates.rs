//! Dates moved by days: DA and the date in DT (PS3.5 section 6.2). What is no date gives `None` and is removed, never
//! kept.

/// A value of one or several dates, each moved; `None` when any of them is none.
pub(super) fn shift(value: &str, days: i32) -> Option<String> {
    let moved: Option<Vec<String>> = value
        .split('\\')
        .map(|one| shift_one(one.trim_matches([' ', '\0']), days))
        .collect();
    moved.map(|moved| moved.join("\\"))
}

fn shift_one(value: &str, days: i32) -> Option<String> {
    if value.is_empty() {
        return Some(String::new());
    }
    // ACR-NEMA wrote points: 1997.04.24.
    let dotted = value.len() == 10 && value.as_bytes()[4] == b'.' && value.as_bytes()[7] == b'.';
    let plain = if dotted {
        value.replace('.', "")
    } else {
        value.to_owned()
    };
    let (date, time) = plain.split_at_checked(8)?;
    if !date.bytes().all(|byte| byte.is_ascii_digit()) || !is_time(time) {
        return None;
    }
    let number = |range: std::ops::Range<usize>| date[range].parse::<i64>().ok();
    let (year, month, day) = (number(0..4)?, number(4..6)?, number(6..8)?);
    let count = days_from_civil(year, month, day);
    if civil_from_days(count) != (year, month, day) {
        return None;
    }
    let (year, month, day) = civil_from_days(count + i64::from(days));
    (0..=9999)
        .contains(&year)
        .then(|| format!("{year:04}{month:02}{day:02}{time}"))
}

/// HHMMSS.FFFFFF&ZZXX, any of it missing from the right.
fn is_time(text: &str) -> bool {
    let clock = text.split(['+', '-']).next().unwrap_or_default();
    let clock = clock.split('.').next().unwrap_or_default();
    clock.len().is_multiple_of(2)
        && clock.len() <= 6
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'+' | b'-'))
}

/// Days since 1970-01-01 in the Gregorian calendar, from the first of March on, so that leap days come last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates_move_and_what_is_none_goes() {
        assert_eq!(shift("20040119", -30).as_deref(), Some("20031220"));
        assert_eq!(shift("20040228", 2).as_deref(), Some("20040301"));
        assert_eq!(shift("1997.04.24", 1).as_deref(), Some("19970425"));
        assert_eq!(
            shift("20040119072730.5+0100", 1).as_deref(),
            Some("20040120072730.5+0100")
        );
        assert_eq!(
            shift("20040119\\20040120", 1).as_deref(),
            Some("20040120\\20040121")
        );
        for malformed in [
            "2004-01-19",
            "19 Jan 2004",
            "20041319",
            "2004",
            "20040119 DOE",
            "20040119\\DOE",
        ] {
            assert_eq!(shift(malformed, 1), None, "{malformed}");
        }
    }

    proptest! {
        #[test]
        fn there_and_back(year in 1000..9000i64, month in 1..13i64, day in 1..29i64, days in -40_000..40_000i32) {
            let date = format!("{year:04}{month:02}{day:02}");
            let moved = shift(&date, days).expect("a date");
            prop_assert_eq!(shift(&moved, -days), Some(date));
        }
    }
}
