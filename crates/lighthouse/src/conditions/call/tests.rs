//! Conditions become exactly the calls that the official library encodes.

use serde_json::json;

use super::*;

const READER: Person = Person([0xab; 20]);

fn call_of(condition: &Value, supplied: Value) -> Result<Ask, ConditionError> {
    question(condition, READER, supplied.as_object().unwrap()).map(|question| question.ask)
}

fn data_of(condition: &Value) -> Result<String, ConditionError> {
    match call_of(condition, json!({}))? {
        Ask::Call { data, .. } => Ok(format!("0x{}", hex::encode(data))),
        other => panic!("not a call: {other:?}"),
    }
}

fn custom(method: &str, inputs: &[&str], parameters: &Value, output: &str) -> Value {
    json!({
        "id": 3, "chain": "anvil", "standardContractType": "Custom", "method": method,
        "contractAddress": "0x1a6ceedD39E85668c233a061DBB83125847B8e3A", "parameters": parameters,
        "inputArrayType": inputs, "outputType": output,
        "returnValueTest": { "comparator": "==", "value": "true" },
    })
}

#[test]
fn calldata_is_the_librarys() {
    let file: Value =
        serde_json::from_str(include_str!("../../../tests/vectors/abi_calls.json")).unwrap();
    for case in file["cases"].as_array().unwrap() {
        let function = case["function"].as_str().unwrap();
        let (method, rest) = function.split_once('(').unwrap();
        let (inputs, rest) = rest.split_once(')').unwrap();
        let inputs: Vec<&str> = inputs.split(',').filter(|kind| !kind.is_empty()).collect();
        let output = rest
            .split_once('(')
            .map_or("bool", |(_, output)| output.trim_end_matches(')'));
        let data = data_of(&custom(method, &inputs, &case["args"], output));
        if inputs.contains(&"string") {
            assert!(data.is_err(), "{function}");
            let selector = keccak256(format!("{method}({})", inputs.join(",")));
            assert_eq!(
                format!("0x{}", hex::encode(&selector[..4])),
                case["selector"].as_str().unwrap()
            );
        } else {
            assert_eq!(
                data.unwrap(),
                case["calldata"].as_str().unwrap(),
                "{function}"
            );
        }
    }
}

#[test]
fn the_standard_contracts_have_their_calls() {
    let standard = |kind: &str, method: &str, parameters: Value| {
        let mut condition = custom(method, &[], &parameters, "bool");
        condition["standardContractType"] = json!(kind);
        data_of(&condition)
    };
    let reader = "abab".repeat(10);
    let balance = format!("0x70a08231{}{reader}", "0".repeat(24));
    assert_eq!(
        standard("ERC20", "balanceOf", json!([":userAddress"])).unwrap(),
        balance
    );
    assert_eq!(
        standard("erc721", "balanceOf", json!([":userAddress"])).unwrap(),
        balance
    );
    assert_eq!(
        standard("ERC721", "ownerOf", json!(["1"])).unwrap(),
        format!("0x6352211e{:064x}", 1)
    );
    let multi = standard("ERC1155", "balanceOf", json!([":userAddress", 7])).unwrap();
    assert_eq!(
        multi,
        format!("0x00fdd58e{}{reader}{:064x}", "0".repeat(24), 7)
    );
    assert!(standard("ERC20", "ownerOf", json!(["1"])).is_err());
    assert!(standard("ERC20", "balanceOf", json!([])).is_err());
    assert!(standard("ERC777", "balanceOf", json!([":userAddress"])).is_err());

    let mut native = custom("getBalance", &[], &json!([]), "bool");
    native["standardContractType"] = json!("");
    assert_eq!(call_of(&native, json!({})).unwrap(), Ask::Balance);
    native["method"] = json!("getBlockNumber");
    assert_eq!(call_of(&native, json!({})).unwrap(), Ask::BlockNumber);
    native["method"] = json!("getCode");
    assert!(call_of(&native, json!({})).is_err());
}

#[test]
fn what_the_reader_supplies_fills_its_own_parameter_only() {
    let condition = custom(
        "f",
        &["uint256", "address[]"],
        &json!([":n", [":userAddress"]]),
        "bool",
    );
    let plain = custom(
        "f",
        &["uint256", "address[]"],
        &json!([5, [READER.to_string()]]),
        "bool",
    );
    let filled = call_of(&condition, json!({ "3.n": "5", "4.n": "6" })).unwrap();
    assert_eq!(filled, call_of(&plain, json!({})).unwrap());
    for supplied in [
        json!({}),
        json!({ "4.n": "5" }),
        json!({ "3.n": "x" }),
        json!({ "3.n": ":userAddress" }),
    ] {
        assert_eq!(
            call_of(&condition, supplied),
            Err(ConditionError::Parameter)
        );
    }
    // The reader's own address is never taken from what the reader supplies.
    let supplied = json!({ "3.userAddress": "0x0000000000000000000000000000000000000001" });
    let asked = custom("f", &["address"], &json!([":userAddress"]), "bool");
    assert_eq!(
        call_of(&asked, supplied).unwrap(),
        call_of(&asked, json!({})).unwrap()
    );
}

#[test]
fn strange_conditions_are_refused() {
    for (field, value) in [
        ("method", json!("f(address)")),
        ("method", json!("")),
        ("method", json!("x".repeat(MAX_METHOD + 1))),
        ("contractAddress", json!("0x00")),
        ("outputType", json!("string")),
        ("inputArrayType", json!(["uint"])),
        ("inputArrayType", json!(["uint8", "uint8"])),
        ("inputArrayType", json!("uint8")),
        ("chain", json!(7)),
        ("id", json!("x")),
        (
            "returnValueTest",
            json!({ "comparator": "~", "value": "1" }),
        ),
    ] {
        let mut condition = custom("f", &["uint8"], &json!([1]), "bool");
        assert!(call_of(&condition, json!({})).is_ok());
        condition[field] = value;
        assert!(call_of(&condition, json!({})).is_err(), "{field}");
    }
}

#[test]
fn only_the_one_encoding_of_an_answer_counts() {
    let word = |last: u8| [vec![0; 31], vec![last]].concat();
    let judge = |output: &str, expected: Value, answer: &[u8]| {
        let mut condition = custom("f", &[], &json!([]), output);
        condition["returnValueTest"]["value"] = expected;
        let question = question(&condition, READER, &Map::new()).unwrap();
        question
            .judge_bytes(&solidity_type(output).unwrap(), answer)
            .ok()
    };
    assert_eq!(judge("bool", json!("true"), &word(1)), Some(true));
    assert_eq!(judge("bool", json!("true"), &word(0)), Some(false));
    for answer in [
        vec![],
        word(2),
        word(1)[1..].to_vec(),
        [word(1), word(1)].concat(),
        vec![0xff; 32],
    ] {
        assert_eq!(judge("bool", json!("true"), &answer), None);
    }
    assert_eq!(judge("uint8", json!(255), &word(255)), Some(true));
    assert_eq!(judge("uint8", json!(255), &[1; 32]), None);
    let list = [word(32), word(2), word(1), word(9)].concat();
    assert_eq!(judge("uint256[]", json!([1, 9]), &list), Some(true));
    assert_eq!(judge("uint256[]", json!([1]), &list), Some(false));
    let bomb = [word(32), vec![0xff; 32]].concat();
    assert_eq!(judge("uint256[]", json!([1]), &bomb), None);
    assert_eq!(
        judge(
            "address",
            json!(":userAddress"),
            &[vec![0; 12], vec![0xab; 20]].concat()
        ),
        Some(true)
    );
}
