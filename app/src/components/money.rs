//! Amounts of a chain's currency, which has 18 decimals.

const UNIT: u128 = 1_000_000_000_000_000_000;

/// With about four significant digits.
pub(crate) fn in_units(smallest: u128) -> String {
    let whole = smallest / UNIT;
    let rest = format!("{:018}", smallest % UNIT);
    let zeros = rest.len() - rest.trim_start_matches('0').len();
    let digits = if whole > 0 { 3 } else { (zeros + 4).min(18) };
    let rest = rest[..digits].trim_end_matches('0');
    if rest.is_empty() {
        whole.to_string()
    } else {
        format!("{whole}.{rest}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_as_people_say_them() {
        assert_eq!(in_units(0), "0");
        assert_eq!(in_units(UNIT), "1");
        assert_eq!(in_units(UNIT * 3 / 2), "1.5");
        assert_eq!(in_units(37_500_000_000_000_000), "0.0375");
        assert_eq!(in_units(123_456_789), "0.0000000001234");
        assert_eq!(in_units(1), "0.000000000000000001");
        assert_eq!(in_units(12 * UNIT + 345_678), "12");
    }
}
