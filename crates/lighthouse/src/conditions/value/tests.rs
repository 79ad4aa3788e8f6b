//! Comparisons by type: big integers, no letter case, lists element by element, and no guess where a value has the
//! wrong form.

use serde_json::json;

use super::*;

fn uint(value: u64) -> DynSolValue {
    DynSolValue::Uint(U256::from(value), 256)
}

fn int(value: i64) -> DynSolValue {
    DynSolValue::Int(I256::try_from(value).unwrap(), 256)
}

#[test]
fn integers_compare_as_big_integers() {
    let holds = |actual: &DynSolValue, comparator: &str, expected: Value| {
        compare(actual, Comparator::read(comparator).unwrap(), &expected).ok()
    };
    assert_eq!(holds(&uint(9), "<", json!("10")), Some(true));
    assert_eq!(holds(&uint(10), ">=", json!(10)), Some(true));
    assert_eq!(holds(&uint(10), ">", json!(10)), Some(false));
    assert_eq!(holds(&uint(16), "==", json!("0x10")), Some(true));
    assert_eq!(holds(&uint(16), "!=", json!("16")), Some(false));
    assert_eq!(holds(&uint(0), ">", json!(-1)), Some(true));
    assert_eq!(holds(&int(-2), "<", json!("-1")), Some(true));
    assert_eq!(holds(&int(-2), "<=", json!(-2)), Some(true));
    assert_eq!(holds(&int(0), "==", json!("-0")), Some(true));
    let largest = DynSolValue::Uint(U256::MAX, 256);
    assert_eq!(
        holds(&largest, "==", json!(U256::MAX.to_string())),
        Some(true)
    );
    assert_eq!(holds(&largest, ">", json!(u64::MAX)), Some(true));
    for unreadable in ["", "1.0", "1e3", " 1", "--1", "0x", "ten", &"9".repeat(79)] {
        assert_eq!(
            holds(&uint(1), ">=", json!(unreadable)),
            None,
            "{unreadable}"
        );
    }
    assert_eq!(holds(&uint(1), ">=", json!(1.0)), None);
    assert_eq!(holds(&uint(1), ">=", json!(true)), None);
}

#[test]
fn other_types_compare_for_equality_only() {
    let address = "0xEaF4E24ffC1A2f53c07839a74966A6611b8Cb8A1";
    let bytes = DynSolValue::FixedBytes(fixed_bytes(&json!("0xabcd"), 2).unwrap(), 2);
    let list = DynSolValue::Array(vec![uint(1), uint(2)]);
    let cases = [
        (DynSolValue::Bool(true), json!("true"), Some(true)),
        (DynSolValue::Bool(true), json!("1"), Some(true)),
        (DynSolValue::Bool(true), json!(1), Some(true)),
        (DynSolValue::Bool(false), json!("false"), Some(true)),
        (DynSolValue::Bool(false), json!("true"), Some(false)),
        (DynSolValue::Bool(true), json!("yes"), None),
        (DynSolValue::Bool(true), json!(2), None),
        (
            DynSolValue::Address(address.parse().unwrap()),
            json!(address.to_lowercase()),
            Some(true),
        ),
        (
            DynSolValue::Address(address.parse().unwrap()),
            json!("0x00"),
            None,
        ),
        (bytes.clone(), json!("0xABCD"), Some(true)),
        (bytes.clone(), json!("0xabce"), Some(false)),
        (bytes, json!("abcd"), None),
        (list.clone(), json!([1, "2"]), Some(true)),
        (list.clone(), json!([1]), Some(false)),
        (list.clone(), json!([1, "x"]), None),
        (list, json!("1,2"), None),
    ];
    for (actual, expected, equal) in cases {
        assert_eq!(
            compare(&actual, Comparator::Equal, &expected).ok(),
            equal,
            "{actual:?} == {expected}"
        );
        assert_eq!(
            compare(&actual, Comparator::NotEqual, &expected).ok(),
            equal.map(|equal| !equal)
        );
        assert_eq!(
            compare(&actual, Comparator::AtLeast, &expected),
            Err(Unreadable)
        );
    }
}

#[test]
fn parameters_must_fit_their_type() {
    let read =
        |kind: &str, value: Value| to_solidity(&DynSolType::parse(kind).unwrap(), &value).ok();
    assert_eq!(
        read("uint8", json!(255)),
        Some(DynSolValue::Uint(U256::from(255), 8))
    );
    assert_eq!(read("uint8", json!(256)), None);
    assert_eq!(read("uint8", json!(-1)), None);
    assert_eq!(
        read("int8", json!("-128")),
        Some(DynSolValue::Int(I256::try_from(-128).unwrap(), 8))
    );
    assert_eq!(
        read("int8", json!("127")),
        Some(DynSolValue::Int(I256::try_from(127).unwrap(), 8))
    );
    assert_eq!(read("int8", json!("-129")), None);
    assert_eq!(read("int8", json!(128)), None);
    assert_eq!(read("bytes4", json!("0x01")), None);
    assert!(read("bytes32", json!(format!("0x{}", "ab".repeat(32)))).is_some());
    assert!(read("bool[]", json!(["true", false, 0])).is_some());
    assert_eq!(read("bool[]", json!(vec![true; MAX_LIST + 1])), None);
    assert_eq!(read("string", json!("x")), None);
    assert_eq!(
        read(
            "address",
            json!("0xEaF4E24ffC1A2f53c07839a74966A6611b8Cb8A2")
        ),
        None
    );
}
