//! Text of others as it may stand on a page: the same words, without the tricks that change how *other* text
//! looks. For display only; what is signed, stored and compared stays as it was written.

use std::borrow::Cow;

/// Combining marks on one letter. Vietnamese needs two, biblical Hebrew and phonetic script four.
const MARKS: usize = 4;
/// Line ends in a row.
const LINES: usize = 3;

/// The text without characters that turn the direction of what surrounds it or that cannot be seen, with at most
/// four marks on a letter and three line ends in a row.
pub fn display(text: &str) -> Cow<'_, str> {
    if text.is_ascii() && !text.contains("\n\n\n\n") && !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let (mut shown, mut marks, mut lines) = (String::with_capacity(text.len()), 0, 0);
    for c in text.chars() {
        if is_hidden(c) {
            continue;
        }
        marks = if is_mark(c) { marks + 1 } else { 0 };
        lines = if c == '\n' { lines + 1 } else { 0 };
        if marks <= MARKS && lines <= LINES {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// Direction marks that reach beyond themselves, control characters, tags, and characters of no width that join
/// nothing. Joiners stay: Persian, Hindi and emoji are written with them.
fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{0}'..='\u{8}' | '\u{b}'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

fn is_mark(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{591}'..='\u{5bd}' | '\u{610}'..='\u{61a}'
        | '\u{64b}'..='\u{65f}' | '\u{6d6}'..='\u{6dc}' | '\u{e31}' | '\u{e34}'..='\u{e3a}'
        | '\u{e47}'..='\u{e4e}' | '\u{f71}'..='\u{f84}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{fe00}'..='\u{fe0f}' | '\u{fe20}'..='\u{fe2f}'
        | '\u{e0100}'..='\u{e01ef}')
}

#[cfg(test)]
mod tests {
    use super::display;
    use proptest::prelude::*;

    #[test]
    fn ordinary_text_of_any_script_stays_as_it_is() {
        for text in [
            "Nodule, 8 mm\n\n(right)",
            "Grüße aus São Paulo",
            "Phổi phải",
            "می‌خواهم",
            "क्षय रोग",
            "שָׁלוֹם",
            "👩‍⚕️ 肺癌",
        ] {
            assert_eq!(display(text), text);
        }
    }

    #[test]
    fn tricks_are_taken_out() {
        assert_eq!(display("left\u{202e}thgir\u{202c} side"), "leftthgir side");
        assert_eq!(
            display("\u{2067}a\u{2069}\u{200b}b\u{feff}c\u{0}d\u{1b}[31m"),
            "abcd[31m"
        );
        assert_eq!(display(&"\n".repeat(900)), "\n\n\n");
        let tower = format!("a{}b", "\u{301}".repeat(1_000_000));
        assert_eq!(display(&tower), format!("a{}b", "\u{301}".repeat(4)));
    }

    proptest! {
        #[test]
        fn once_shown_it_stays_the_same(text in "\\PC{0,40}|[a-z\u{202e}\u{301}\n\u{200b}]{0,40}") {
            let shown = display(&text).into_owned();
            prop_assert_eq!(display(&shown), shown.clone());
            prop_assert!(shown.len() <= text.len());
        }
    }
}
