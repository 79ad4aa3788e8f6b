//! How several conditions combine: `([1] and [2])`, `!([1] or [2])`, `([2] and [1]) or [3]`.
//!
//! Lighthouse does not say whether `and` or `or` binds tighter, so mixing them needs brackets here; without them the
//! text does not parse, and what does not parse denies.

/// Longest text that is read.
pub const MAX_LENGTH: usize = 1024;
/// Deepest nesting of brackets and negations.
pub const MAX_DEPTH: usize = 16;

/// A parsed aggregator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// The condition with this id.
    Condition(u64),
    /// Holds if the inner one does not.
    Not(Box<Expression>),
    /// Holds if all do.
    All(Vec<Expression>),
    /// Holds if any does.
    Any(Vec<Expression>),
}

/// Why a text is no aggregator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AggregatorError {
    /// Over [`MAX_LENGTH`] or [`MAX_DEPTH`].
    #[error("the aggregator is too long or too deeply nested")]
    TooLarge,
    /// Something that is no condition, bracket, `and`, `or` or `not`, or in the wrong place.
    #[error("the aggregator does not read as conditions like ([1] and [2])")]
    Syntax,
    /// `and` and `or` side by side.
    #[error("the aggregator mixes `and` and `or` without brackets")]
    Mixed,
}

impl Expression {
    /// Reads an aggregator.
    pub fn parse(text: &str) -> Result<Self, AggregatorError> {
        if text.len() > MAX_LENGTH {
            return Err(AggregatorError::TooLarge);
        }
        let tokens = tokens(text)?;
        let mut parser = Parser {
            tokens: &tokens,
            depth: 0,
        };
        let expression = parser.sequence()?;
        if parser.tokens.is_empty() {
            Ok(expression)
        } else {
            Err(AggregatorError::Syntax)
        }
    }

    /// Every condition that is named, with repetitions.
    pub fn ids(&self) -> Vec<u64> {
        match self {
            Self::Condition(id) => vec![*id],
            Self::Not(inner) => inner.ids(),
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::ids).collect(),
        }
    }

    /// The value when some conditions may be undecided (`None`): `None` unless the decided ones settle it whatever
    /// the others are. An undecided condition is never turned into a grant, not even under a negation.
    pub fn value(&self, of: &impl Fn(u64) -> Option<bool>) -> Option<bool> {
        match self {
            Self::Condition(id) => of(*id),
            Self::Not(inner) => inner.value(of).map(|holds| !holds),
            Self::All(parts) => settle(parts.iter().map(|part| part.value(of)), false),
            Self::Any(parts) => settle(parts.iter().map(|part| part.value(of)), true),
        }
    }
}

/// `settles` if any part has that value, undecided if any part is, else the opposite.
fn settle(parts: impl Iterator<Item = Option<bool>>, settles: bool) -> Option<bool> {
    let mut all_decided = true;
    for part in parts {
        if part == Some(settles) {
            return part;
        }
        all_decided &= part.is_some();
    }
    all_decided.then_some(!settles)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    Not,
    And,
    Or,
    Condition(u64),
}

fn tokens(text: &str) -> Result<Vec<Token>, AggregatorError> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length;
        let token = match first {
            '(' => (Token::Open, length = 1).0,
            ')' => (Token::Close, length = 1).0,
            '!' => (Token::Not, length = 1).0,
            '[' => {
                let end = rest.find(']').ok_or(AggregatorError::Syntax)?;
                let digits = rest[1..end].trim();
                if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
                    return Err(AggregatorError::Syntax);
                }
                length = end + 1;
                Token::Condition(digits.parse().map_err(|_| AggregatorError::Syntax)?)
            }
            _ => {
                length = rest
                    .find(|c: char| !c.is_ascii_alphabetic())
                    .unwrap_or(rest.len());
                match rest[..length].to_ascii_lowercase().as_str() {
                    "and" => Token::And,
                    "or" => Token::Or,
                    "not" => Token::Not,
                    _ => return Err(AggregatorError::Syntax),
                }
            }
        };
        tokens.push(token);
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

struct Parser<'a> {
    tokens: &'a [Token],
    depth: usize,
}

impl Parser<'_> {
    fn take(&mut self, wanted: Token) -> bool {
        match self.tokens.split_first() {
            Some((first, rest)) if *first == wanted => {
                self.tokens = rest;
                true
            }
            _ => false,
        }
    }

    /// Terms joined by `and` only or by `or` only.
    fn sequence(&mut self) -> Result<Expression, AggregatorError> {
        let first = self.term()?;
        let joined = match self.tokens.first() {
            Some(joint @ (Token::And | Token::Or)) => *joint,
            _ => return Ok(first),
        };
        let mut parts = vec![first];
        while self.take(joined) {
            parts.push(self.term()?);
        }
        match (self.tokens.first(), joined) {
            (Some(Token::And | Token::Or), _) => Err(AggregatorError::Mixed),
            (_, Token::And) => Ok(Expression::All(parts)),
            (_, _) => Ok(Expression::Any(parts)),
        }
    }

    fn term(&mut self) -> Result<Expression, AggregatorError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(AggregatorError::TooLarge);
        }
        let term = if self.take(Token::Not) {
            Expression::Not(Box::new(self.term()?))
        } else if self.take(Token::Open) {
            let inner = self.sequence()?;
            if !self.take(Token::Close) {
                return Err(AggregatorError::Syntax);
            }
            inner
        } else if let Some((Token::Condition(id), rest)) = self.tokens.split_first() {
            self.tokens = rest;
            Expression::Condition(*id)
        } else {
            return Err(AggregatorError::Syntax);
        };
        self.depth -= 1;
        Ok(term)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(text: &str, of: impl Fn(u64) -> Option<bool>) -> Option<bool> {
        Expression::parse(text).unwrap().value(&of)
    }

    #[test]
    fn combinations_mean_what_they_say() {
        let one_true = |id| Some(id == 1);
        for (text, expected) in [
            ("([1])", true),
            ("[2]", false),
            ("([1] and [2])", false),
            ("([1] OR [2])", true),
            ("!([1] and [2])", true),
            ("not [1]", false),
            ("([2] and [1]) or [3]", false),
            ("([2] or [1]) and ![3]", true),
            ("[1] and [1] and ([2] or ([3] or [1]))", true),
            ("!!([1])", true),
        ] {
            assert_eq!(value(text, one_true), Some(expected), "{text}");
        }
    }

    #[test]
    fn undecided_never_becomes_a_grant() {
        let second_unknown = |id| (id != 2).then_some(id == 1);
        assert_eq!(value("!([2])", second_unknown), None);
        assert_eq!(value("[1] and [2]", second_unknown), None);
        assert_eq!(value("[3] or [2]", second_unknown), None);
        assert_eq!(value("[1] or [2]", second_unknown), Some(true));
        assert_eq!(value("[3] and [2]", second_unknown), Some(false));
    }

    #[test]
    fn what_is_unclear_does_not_parse() {
        for text in [
            "",
            "()",
            "[1",
            "1",
            "[]",
            "[-1]",
            "[1] [2]",
            "[1] and",
            "and [1]",
            "([1]",
            "[1])",
            "[1] && [2]",
            "xyz",
            "[1] andor [2]",
            "[99999999999999999999]",
            "[1] and é",
        ] {
            assert_eq!(
                Expression::parse(text),
                Err(AggregatorError::Syntax),
                "{text}"
            );
        }
        assert_eq!(
            Expression::parse("[1] and [2] or [3]"),
            Err(AggregatorError::Mixed)
        );
        assert_eq!(
            Expression::parse(&"!".repeat(100)),
            Err(AggregatorError::TooLarge)
        );
        assert_eq!(
            Expression::parse(&"(".repeat(1000)),
            Err(AggregatorError::TooLarge)
        );
        assert_eq!(
            Expression::parse(&" ".repeat(2000)),
            Err(AggregatorError::TooLarge)
        );
    }

    proptest! {
        #[test]
        fn never_panics(text in "[\\[\\]()!0-9 andortAé]{0,60}") {
            let _ = Expression::parse(&text);
        }
    }
}
