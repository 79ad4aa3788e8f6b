//! Values in conditions: from JSON to Solidity for the parameters, and from a chain's answer back for the test.
//! Integers are compared as big integers, addresses and bytes without letter case, lists element by element.

use std::cmp::Ordering;

use alloy_dyn_abi::{DynSolType, DynSolValue};
use alloy_primitives::{Address, B256, I256, U256};
use healthsync_core::Person;
use serde_json::Value;

/// Longest list in a parameter.
const MAX_LIST: usize = 64;

/// The value cannot be read as the type, or the comparator means nothing for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable;

/// How the answer is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparator {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `>=`
    AtLeast,
    /// `<=`
    AtMost,
    /// `>`
    More,
    /// `<`
    Less,
}

impl Comparator {
    pub(super) fn read(text: &str) -> Option<Self> {
        Some(match text {
            "==" => Self::Equal,
            "!=" => Self::NotEqual,
            ">=" => Self::AtLeast,
            "<=" => Self::AtMost,
            ">" => Self::More,
            "<" => Self::Less,
            _ => return None,
        })
    }

    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::NotEqual => ordering.is_ne(),
            Self::AtLeast => ordering.is_ge(),
            Self::AtMost => ordering.is_le(),
            Self::More => ordering.is_gt(),
            Self::Less => ordering.is_lt(),
        }
    }

    fn holds_equality(self, equal: bool) -> Result<bool, Unreadable> {
        match self {
            Self::Equal => Ok(equal),
            Self::NotEqual => Ok(!equal),
            Self::AtLeast | Self::AtMost | Self::More | Self::Less => Err(Unreadable),
        }
    }
}

/// Reads a parameter as a Solidity value of type `kind`.
pub(super) fn to_solidity(kind: &DynSolType, value: &Value) -> Result<DynSolValue, Unreadable> {
    match kind {
        DynSolType::Address => Ok(DynSolValue::Address(address(value)?)),
        DynSolType::Bool => Ok(DynSolValue::Bool(boolean(value)?)),
        DynSolType::FixedBytes(size) => {
            Ok(DynSolValue::FixedBytes(fixed_bytes(value, *size)?, *size))
        }
        DynSolType::Uint(bits) => {
            let Integer {
                negative: false,
                magnitude,
            } = integer(value)?
            else {
                return Err(Unreadable);
            };
            if magnitude.bit_len() > *bits {
                Err(Unreadable)
            } else {
                Ok(DynSolValue::Uint(magnitude, *bits))
            }
        }
        DynSolType::Int(bits) => {
            let Integer {
                negative,
                magnitude,
            } = integer(value)?;
            let signed =
                I256::checked_from_sign_and_abs(sign(negative), magnitude).ok_or(Unreadable)?;
            if signed.bits() as usize > *bits {
                Err(Unreadable)
            } else {
                Ok(DynSolValue::Int(signed, *bits))
            }
        }
        DynSolType::Array(element) => {
            let list = value
                .as_array()
                .filter(|list| list.len() <= MAX_LIST)
                .ok_or(Unreadable)?;
            list.iter()
                .map(|value| to_solidity(element, value))
                .collect::<Result<_, _>>()
                .map(DynSolValue::Array)
        }
        _ => Err(Unreadable),
    }
}

/// Whether `actual`, which a chain answered, stands in the relation to `expected`.
pub(super) fn compare(
    actual: &DynSolValue,
    comparator: Comparator,
    expected: &Value,
) -> Result<bool, Unreadable> {
    match actual {
        DynSolValue::Uint(value, _) => Ok(comparator.holds(
            Integer {
                negative: false,
                magnitude: *value,
            }
            .cmp(&integer(expected)?),
        )),
        DynSolValue::Int(value, _) => {
            let actual = Integer {
                negative: value.is_negative(),
                magnitude: value.unsigned_abs(),
            };
            Ok(comparator.holds(actual.cmp(&integer(expected)?)))
        }
        DynSolValue::Bool(value) => comparator.holds_equality(*value == boolean(expected)?),
        DynSolValue::Address(value) => comparator.holds_equality(*value == address(expected)?),
        DynSolValue::FixedBytes(value, size) => {
            comparator.holds_equality(*value == fixed_bytes(expected, *size)?)
        }
        DynSolValue::Array(values) => {
            let expected = expected.as_array().ok_or(Unreadable)?;
            let mut equal = values.len() == expected.len();
            for (value, expected) in values.iter().zip(expected) {
                equal &= compare(value, Comparator::Equal, expected)?;
            }
            comparator.holds_equality(equal)
        }
        _ => Err(Unreadable),
    }
}

/// Whether a decoded value is inside its type; the decoder keeps the whole word of a small integer or byte string.
pub(super) fn fits(value: &DynSolValue) -> bool {
    match value {
        DynSolValue::Uint(value, bits) => value.bit_len() <= *bits,
        DynSolValue::Int(value, bits) => value.bits() as usize <= *bits,
        DynSolValue::FixedBytes(word, size) => word[*size..].iter().all(|byte| *byte == 0),
        DynSolValue::Array(values) => values.iter().all(fits),
        _ => true,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Integer {
    negative: bool,
    magnitude: U256,
}

impl Ord for Integer {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, false) => self.magnitude.cmp(&other.magnitude),
            (true, true) => other.magnitude.cmp(&self.magnitude),
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
        }
    }
}

impl PartialOrd for Integer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn sign(negative: bool) -> alloy_primitives::Sign {
    if negative {
        alloy_primitives::Sign::Negative
    } else {
        alloy_primitives::Sign::Positive
    }
}

/// A whole number: a JSON integer, or text in decimal or `0x` hexadecimal.
fn integer(value: &Value) -> Result<Integer, Unreadable> {
    let text = match value {
        Value::Number(number) if !number.is_f64() => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return Err(Unreadable),
    };
    let (negative, digits) = text
        .strip_prefix('-')
        .map_or((false, text.as_str()), |digits| (true, digits));
    let (radix, digits) = digits
        .strip_prefix("0x")
        .map_or((10, digits), |digits| (16, digits));
    if digits.is_empty()
        || digits.len() > 78
        || !digits
            .bytes()
            .all(|digit| char::from(digit).is_digit(radix as u32))
    {
        return Err(Unreadable);
    }
    let magnitude = U256::from_str_radix(digits, radix).map_err(|_| Unreadable)?;
    Ok(Integer {
        negative: negative && !magnitude.is_zero(),
        magnitude,
    })
}

fn boolean(value: &Value) -> Result<bool, Unreadable> {
    match value {
        Value::Bool(value) => Ok(*value),
        Value::String(text) if text == "true" || text == "1" => Ok(true),
        Value::String(text) if text == "false" || text == "0" => Ok(false),
        Value::Number(number) if number.as_u64() == Some(1) => Ok(true),
        Value::Number(number) if number.as_u64() == Some(0) => Ok(false),
        _ => Err(Unreadable),
    }
}

fn address(value: &Value) -> Result<Address, Unreadable> {
    let person: Person = value
        .as_str()
        .ok_or(Unreadable)?
        .parse()
        .map_err(|_| Unreadable)?;
    Ok(Address::from(person))
}

fn fixed_bytes(value: &Value, size: usize) -> Result<B256, Unreadable> {
    let digits = value
        .as_str()
        .and_then(|text| text.strip_prefix("0x"))
        .ok_or(Unreadable)?;
    let mut word = B256::ZERO;
    let room = word.0.get_mut(..size).ok_or(Unreadable)?;
    hex::decode_to_slice(digits, room).map_err(|_| Unreadable)?;
    Ok(word)
}

#[cfg(test)]
mod tests;
