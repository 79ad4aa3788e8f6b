//! Every input of the validator's table gets its verdict and its text; a node's own limits come on top.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn input() -> Value {
    json!({ "address": "0xEaF4E24ffC1A2f53c07839a74966A6611b8Cb8A1", "cid": "c", "conditions": [{
        "id": 1, "chain": "Calibration", "method": "balanceOf", "standardContractType": "ERC721",
        "contractAddress": "0x1a6ceedD39E85668c233a061DBB83125847B8e3A", "parameters": [":userAddress"],
        "returnValueTest": { "comparator": ">=", "value": "1" },
    }] })
}

#[test]
fn verdicts_and_texts_are_kavachs() {
    let file: Value = serde_json::from_str(include_str!(
        "../../../tests/vectors/condition_validation.json"
    ))
    .unwrap();
    for case in file["cases"].as_array().unwrap() {
        let with_shards = case["schema"] == "accessConditionSchema";
        let shape = if with_shards {
            Shape::WithShards
        } else {
            Shape::Update
        };
        let error = Rules::read(&case["input"], shape)
            .err()
            .map(|error| error.to_string());
        assert_eq!(
            error.as_deref(),
            case["error"].as_str(),
            "{}",
            case["description"]
        );
        assert_eq!(error.is_none(), case["accepted"].as_bool().unwrap());
    }
}

#[test]
fn a_node_refuses_what_a_client_need_not_check() {
    let rules = Rules::read(&input(), Shape::Update).unwrap();
    assert_eq!(rules.check_for_node(), Ok(()));

    let mut address = input();
    address["conditions"][0]["contractAddress"] = json!("0x1a6c");
    assert!(
        Rules::read(&address, Shape::Update)
            .unwrap()
            .check_for_node()
            .is_err()
    );

    let mut long = input();
    long["conditions"][0]["chain"] = json!("x".repeat(MAX_BYTES));
    assert!(
        Rules::read(&long, Shape::Update)
            .unwrap()
            .check_for_node()
            .is_err()
    );

    let mut many = input();
    many["aggregator"] = json!("[1] and [2]");
    many["conditions"] = (1..=MAX_CONDITIONS + 1)
        .map(|id| {
            let mut condition = many["conditions"][0].clone();
            condition["id"] = json!(id);
            condition
        })
        .collect();
    assert!(
        Rules::read(&many, Shape::Update)
            .unwrap()
            .check_for_node()
            .is_err()
    );
}

#[test]
fn values_of_other_types_are_refused_without_a_panic() {
    let strange = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1.5),
        json!("é"),
        json!([]),
        json!({}),
        json!([[{}]]),
    ];
    for wrong in &strange {
        assert!(Rules::read(wrong, Shape::Update).is_err());
        for field in ["address", "cid", "conditions"] {
            let mut input = input();
            input[field] = wrong.clone();
            let _ = Rules::read(&input, Shape::WithShards);
            let _ = Rules::read(&input, Shape::Update);
        }
        for field in [
            "id",
            "chain",
            "method",
            "standardContractType",
            "parameters",
            "returnValueTest",
            "outputType",
        ] {
            let mut input = input();
            input["conditions"][0][field] = wrong.clone();
            let _ = Rules::read(&input, Shape::Update);
        }
    }
}

#[test]
fn stored_rules_come_back_the_same() {
    let rules = Rules::read(&input(), Shape::Update).unwrap();
    let text = serde_json::to_string(&rules).unwrap();
    assert_eq!(serde_json::from_str::<Rules>(&text).unwrap(), rules);
}

/// Any JSON, with the names and words of conditions in it more often than chance would have it.
fn json_value() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        Just("id"),
        Just("chain"),
        Just("method"),
        Just("getBalance"),
        Just("ownerOf"),
        Just("balanceOf"),
        Just("ERC721"),
        Just("Custom"),
        Just(""),
        Just("contractAddress"),
        Just("parameters"),
        Just(":userAddress"),
        Just(":x"),
        Just("bool"),
        Just("returnValueTest"),
        Just("comparator"),
        Just("=="),
        Just("value"),
        Just("inputArrayType"),
        Just("outputType"),
        Just("standardContractType"),
        Just("bytes32[]"),
        Just("int256"),
        Just("conditions"),
        Just("aggregator"),
        Just("0x1a6ceedD39E85668c233a061DBB83125847B8e3A"),
        Just("address"),
        Just("cid"),
        Just("chainType"),
        Just("SOLANA"),
    ]
    .prop_map(str::to_owned);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 10, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..10)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_json_makes_the_checks_or_the_questions_panic(mut value in json_value(), condition in json_value()) {
        let _ = Rules::read(&value, Shape::WithShards);
        if let Some(object) = value.as_object_mut() {
            object.insert("conditions".into(), json!([condition]));
        }
        if let Ok(rules) = Rules::read(&value, Shape::Update) {
            let _ = rules.check_for_node();
        }
        let reader = Person([7; 20]);
        let mut whole = input()["conditions"][0].clone();
        if let (Some(whole), Some(fields)) = (whole.as_object_mut(), condition.as_object()) {
            whole.extend(fields.clone());
        }
        let _ = crate::conditions::question(&whole, reader, &Map::new());
        let _ = crate::conditions::question(&condition, reader, &Map::new());
    }
}
