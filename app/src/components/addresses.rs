//! Reading the addresses a person has typed or pasted.

use std::collections::BTreeSet;

use healthsync_core::{Person, limits::PEOPLE_AT_ONCE};

/// One address a line (commas, semicolons and blanks separate as well). Each fault names its line when there are
/// several. The same person twice counts once. No more than one transaction can hold.
pub(crate) fn parse_addresses(text: &str) -> Result<Vec<Person>, Vec<String>> {
    let several = text.trim().lines().count() > 1;
    let (mut people, mut known) = (Vec::new(), BTreeSet::new());
    let mut faults = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let parts = line.split(|c: char| c.is_whitespace() || c == ',' || c == ';');
        for part in parts.filter(|part| !part.is_empty()) {
            match part.parse::<Person>() {
                Ok(person) if known.insert(person) => people.push(person),
                Ok(_) => {}
                Err(fault) if several => faults.push(format!("Line {}: {fault}", number + 1)),
                Err(fault) => faults.push(fault.to_string()),
            }
        }
    }
    if faults.is_empty() && people.len() > PEOPLE_AT_ONCE {
        faults.push(format!(
            "One transaction takes at most {PEOPLE_AT_ONCE} people; these are {}. Add the rest afterwards.",
            people.len()
        ));
    }
    if faults.is_empty() {
        Ok(people)
    } else {
        Err(faults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "0x58d2000000000000000000000000000000006b10";
    const OTHER: &str = "0x3b9000000000000000000000000000000000e21d";

    #[test]
    fn lines_commas_and_doubles_are_read() {
        let people =
            parse_addresses(&format!("  {ONE}\n\n{OTHER}, {ONE}\n")).expect("both are right");
        assert_eq!(people.len(), 2);
        assert_eq!(parse_addresses(" \n "), Ok(Vec::new()));
    }

    #[test]
    fn more_than_a_transaction_holds_is_said_before_the_wallet_is_asked() {
        let list = |people: u32| -> String {
            let line = |n| format!("0x{n:040x}\n");
            (1..=people).map(line).collect()
        };
        assert_eq!(
            parse_addresses(&list(200)).map(|people| people.len()),
            Ok(200)
        );
        assert_eq!(
            parse_addresses(&list(10_000)),
            Err(vec![
                "One transaction takes at most 200 people; these are 10000. Add the rest afterwards."
                    .to_owned()
            ])
        );
    }

    #[test]
    fn a_fault_says_its_line_and_what_is_wrong() {
        let faults =
            parse_addresses(&format!("{ONE}\n{}", &OTHER[..41])).expect_err("one digit short");
        assert_eq!(
            faults,
            ["Line 2: An address has 42 characters; this one has 41."]
        );
        let alone = parse_addresses(&OTHER[..41]).expect_err("one digit short");
        assert_eq!(alone, ["An address has 42 characters; this one has 41."]);
    }
}
