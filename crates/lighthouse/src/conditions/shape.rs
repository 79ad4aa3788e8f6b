//! What is a set of conditions at all: the rules of Kavach 0.2.1's validator, with its texts, so that what the
//! official client accepts is accepted here and the reverse. [`Rules::check_for_node`] adds what a node must not
//! leave to a client: lengths, counts and the form of addresses.

use std::collections::BTreeSet;

use healthsync_core::Person;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Most conditions in one set.
pub const MAX_CONDITIONS: usize = 32;
/// Longest JSON text of a set of conditions, in bytes.
pub const MAX_BYTES: usize = 16_384;

const CONTRACT_TYPES: [&str; 5] = ["ERC20", "ERC721", "ERC1155", "Custom", ""];
const NATIVE_METHODS: [&str; 2] = ["getBalance", "getBlockNumber"];
const COMPARATORS: [&str; 6] = ["==", ">=", "<=", "!=", ">", "<"];
const BYTES: [u16; 10] = [1, 2, 3, 4, 5, 6, 7, 8, 16, 32];
const INTEGERS: [u16; 10] = [8, 16, 24, 32, 40, 48, 64, 128, 192, 256];
/// Shards that come with conditions in the form that saves both.
const SHARDS: usize = 5;

/// What is wrong with a set of conditions, in the words of Kavach's validator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ShapeError(String);

/// Which of Kavach's two forms is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// New conditions for a stored key.
    Update,
    /// Conditions together with the five shards.
    WithShards,
}

/// Which network the conditions ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ChainType {
    /// Ethereum and its kin: the only one that our nodes can ask.
    Evm,
    /// Known to Kavach; our nodes deny.
    Solana,
    /// Known to Kavach; our nodes deny.
    Coreum,
    /// Known to Kavach; our nodes deny.
    Radix,
}

/// A set of conditions whose shape has been checked, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// Which network they ask.
    pub chain_type: ChainType,
    /// The conditions as they came.
    pub conditions: Vec<Value>,
    /// How they combine; may be missing for one condition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aggregator: Option<String>,
}

impl Rules {
    /// Checks `{address, cid, conditions, aggregator?, chainType?, decryptionType?}` (and `keyShards`).
    pub fn read(input: &Value, shape: Shape) -> Result<Self, ShapeError> {
        let fields = Fields::new(input, "")?;
        fields.text("address")?;
        fields.text("cid")?;
        let known: &[&str] = match shape {
            Shape::Update => &["address", "cid", "conditions", "aggregator", "chainType"],
            Shape::WithShards => {
                let shards = fields.list("keyShards")?;
                if shards.len() < SHARDS {
                    return Err(ShapeError(format!(
                        "\"keyShards\" must contain at least {SHARDS} items"
                    )));
                }
                if shards.len() > SHARDS {
                    return Err(ShapeError(format!(
                        "\"keyShards\" must contain less than or equal to {SHARDS} items"
                    )));
                }
                if fields.get("decryptionType").is_some() {
                    fields.one_of("decryptionType", &["ADDRESS", "ACCESS_CONDITIONS"], true)?;
                }
                &[
                    "address",
                    "cid",
                    "conditions",
                    "aggregator",
                    "chainType",
                    "keyShards",
                    "decryptionType",
                ]
            }
        };
        let chain_type = chain_type(fields.get("chainType"))?;
        let conditions = fields.list("conditions")?;
        let mut ids = BTreeSet::new();
        for (position, condition) in conditions.iter().enumerate() {
            let path = format!("conditions[{position}]");
            let id = condition_shape(&Fields::new(condition, &path)?, chain_type)?;
            if !ids.insert(id) {
                return Err(ShapeError(format!("\"{path}\" contains a duplicate value")));
            }
        }
        let aggregator = match fields.get("aggregator") {
            None if conditions.len() > 1 => return Err(fields.missing("aggregator")),
            None => None,
            Some(_) => Some(fields.text("aggregator")?.to_owned()),
        };
        if let Some(text) = aggregator.as_ref().filter(|_| conditions.len() > 1) {
            let lower = text.to_ascii_lowercase();
            if !lower.contains(" and ") && !lower.contains(" or ") {
                return Err(ShapeError(format!(
                    "\"aggregator\" with value \"{text}\" fails to match the required pattern: /( and | or )/i"
                )));
            }
        }
        fields.nothing_but(known)?;
        Ok(Self {
            chain_type,
            conditions: conditions.clone(),
            aggregator,
        })
    }

    /// What a node adds: counts, lengths and the form of contract addresses.
    pub fn check_for_node(&self) -> Result<(), ShapeError> {
        if self.conditions.len() > MAX_CONDITIONS {
            return Err(ShapeError(format!(
                "\"conditions\" must contain at most {MAX_CONDITIONS} items"
            )));
        }
        let text = serde_json::to_string(self).expect("JSON values can be written");
        if text.len() > MAX_BYTES {
            return Err(ShapeError(format!(
                "the conditions are longer than {MAX_BYTES} bytes"
            )));
        }
        if self.chain_type == ChainType::Evm {
            for (position, condition) in self.conditions.iter().enumerate() {
                let contract = condition.get("contractAddress").and_then(Value::as_str);
                if contract.is_some_and(|address| address.parse::<Person>().is_err()) {
                    return Err(ShapeError(format!(
                        "\"conditions[{position}].contractAddress\" is not an address"
                    )));
                }
            }
        }
        Ok(())
    }
}

/// True for the Solidity types that conditions may use, `T[]` included.
pub(crate) fn is_allowed_type(name: &str) -> bool {
    let element = name.strip_suffix("[]").unwrap_or(name);
    let sized = |prefix: &str, sizes: &[u16]| {
        element
            .strip_prefix(prefix)
            .is_some_and(|size| sizes.iter().any(|allowed| allowed.to_string() == size))
    };
    matches!(element, "address" | "bool")
        || sized("bytes", &BYTES)
        || sized("uint", &INTEGERS)
        || sized("int", &INTEGERS)
}

/// The number in `id`, given as number or as text.
pub(crate) fn condition_id(condition: &Map<String, Value>) -> Option<u64> {
    match condition.get("id")? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn chain_type(value: Option<&Value>) -> Result<ChainType, ShapeError> {
    let name = match value {
        None | Some(Value::Null) => return Ok(ChainType::Evm),
        Some(Value::String(text)) => text.to_ascii_uppercase(),
        Some(_) => String::from("?"),
    };
    match name.as_str() {
        "" | "EVM" => Ok(ChainType::Evm),
        "SOLANA" => Ok(ChainType::Solana),
        "COREUM" => Ok(ChainType::Coreum),
        "RADIX" => Ok(ChainType::Radix),
        _ => Err(ShapeError(
            "\"chainType\" must be one of [, null, EVM, SOLANA, COREUM, RADIX]".into(),
        )),
    }
}

/// Checks one condition and gives its id.
fn condition_shape(fields: &Fields<'_>, chain_type: ChainType) -> Result<u64, ShapeError> {
    let id = fields.id()?;
    match chain_type {
        ChainType::Evm => evm(fields)?,
        ChainType::Solana => solana(fields)?,
        ChainType::Coreum => {
            fields.one_of(
                "chain",
                &["Coreum_Devnet", "Coreum_Testnet", "Coreum_Mainnet"],
                true,
            )?;
            fields.text("method")?;
            fields.nothing_but(&[
                "id",
                "chain",
                "method",
                "standardContractType",
                "contractAddress",
                "parameters",
                "returnValueTest",
                "denom",
                "classid",
            ])?;
        }
        ChainType::Radix => {
            fields.one_of("chain", &["Radix_Mainnet"], true)?;
            fields.text("method")?;
            fields.text("resourceAddress")?;
            fields.nothing_but(&[
                "id",
                "chain",
                "method",
                "standardContractType",
                "resourceAddress",
                "parameters",
                "returnValueTest",
            ])?;
        }
    }
    fields.return_value_test()?;
    Ok(id)
}

fn evm(fields: &Fields<'_>) -> Result<(), ShapeError> {
    fields.text("chain")?;
    let contract_type = fields.one_of("standardContractType", &CONTRACT_TYPES, true)?;
    if contract_type.is_empty() {
        fields.one_of("method", &NATIVE_METHODS, false)?;
    } else {
        fields.text("method")?;
        fields.text("contractAddress")?;
        fields.list("parameters")?;
    }
    if contract_type.eq_ignore_ascii_case("custom") {
        for (position, name) in fields.list("inputArrayType")?.iter().enumerate() {
            let name = name.as_str().filter(|name| is_allowed_type(name));
            name.ok_or_else(|| {
                fields.not_one_of(&format!("inputArrayType[{position}]"), &type_names())
            })?;
        }
        fields
            .get("outputType")
            .ok_or_else(|| fields.missing("outputType"))?;
        let output = fields
            .get("outputType")
            .and_then(Value::as_str)
            .filter(|name| is_allowed_type(name));
        output.ok_or_else(|| fields.not_one_of("outputType", &type_names()))?;
    }
    for optional in ["contractAddress", "parameters"] {
        match (optional, fields.get(optional)) {
            ("contractAddress", Some(_)) => drop(fields.text(optional)?),
            ("parameters", Some(_)) => drop(fields.list(optional)?),
            _ => {}
        }
    }
    fields.nothing_but(&[
        "id",
        "chain",
        "method",
        "standardContractType",
        "contractAddress",
        "parameters",
        "returnValueTest",
        "inputArrayType",
        "outputType",
    ])
}

fn solana(fields: &Fields<'_>) -> Result<(), ShapeError> {
    fields.one_of("chain", &["DEVNET", "TESTNET", "MAINNET"], true)?;
    let contract_type = fields.one_of("standardContractType", &["spl-token", ""], true)?;
    let methods: &[&str] = match contract_type {
        "" => &["getBalance", "getLastBlockTime", "getBlockHeight"],
        _ => &["getTokenAccountsByOwner"],
    };
    fields.one_of("method", methods, false)?;
    let interface = fields
        .get("pdaInterface")
        .ok_or_else(|| fields.missing("pdaInterface"))?;
    Fields::new(interface, &fields.path("pdaInterface"))?.nothing_but(&["offset", "selector"])?;
    fields.nothing_but(&[
        "id",
        "chain",
        "method",
        "standardContractType",
        "contractAddress",
        "parameters",
        "returnValueTest",
        "pdaInterface",
    ])
}

/// All allowed types in the order in which Kavach's text lists them.
fn type_names() -> Vec<String> {
    let sized = |prefix: &str, sizes: &[u16], suffix: &str| -> Vec<String> {
        sizes
            .iter()
            .map(|size| format!("{prefix}{size}{suffix}"))
            .collect()
    };
    let mut names: Vec<String> = ["address", "address[]", "bool", "bool[]"]
        .map(String::from)
        .into();
    for (first, second, sizes) in [("bytes", "", &BYTES), ("uint", "int", &INTEGERS)] {
        for suffix in ["", "[]"] {
            names.extend(sized(first, sizes, suffix));
            if !second.is_empty() {
                names.extend(sized(second, sizes, suffix));
            }
        }
    }
    names
}

/// One object of the input and where it lies.
struct Fields<'a> {
    object: &'a Map<String, Value>,
    at: &'a str,
}

impl<'a> Fields<'a> {
    fn new(value: &'a Value, at: &'a str) -> Result<Self, ShapeError> {
        let name = if at.is_empty() { "value" } else { at };
        let object = value
            .as_object()
            .ok_or_else(|| ShapeError(format!("\"{name}\" must be of type object")))?;
        Ok(Self { object, at })
    }

    fn path(&self, name: &str) -> String {
        if self.at.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.at)
        }
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.object.get(name)
    }

    fn missing(&self, name: &str) -> ShapeError {
        ShapeError(format!("\"{}\" is required", self.path(name)))
    }

    fn not_one_of(&self, name: &str, allowed: &[impl AsRef<str>]) -> ShapeError {
        let allowed: Vec<&str> = allowed.iter().map(AsRef::as_ref).collect();
        ShapeError(format!(
            "\"{}\" must be one of [{}]",
            self.path(name),
            allowed.join(", ")
        ))
    }

    fn text(&self, name: &str) -> Result<&'a str, ShapeError> {
        let text = self.get(name).ok_or_else(|| self.missing(name))?.as_str();
        let text =
            text.ok_or_else(|| ShapeError(format!("\"{}\" must be a string", self.path(name))))?;
        if text.is_empty() {
            return Err(ShapeError(format!(
                "\"{}\" is not allowed to be empty",
                self.path(name)
            )));
        }
        Ok(text)
    }

    fn list(&self, name: &str) -> Result<&'a Vec<Value>, ShapeError> {
        let list = self.get(name).ok_or_else(|| self.missing(name))?.as_array();
        list.ok_or_else(|| ShapeError(format!("\"{}\" must be an array", self.path(name))))
    }

    /// The allowed spelling of a text field.
    fn one_of<'b>(
        &self,
        name: &str,
        allowed: &[&'b str],
        any_case: bool,
    ) -> Result<&'b str, ShapeError> {
        let text = self.get(name).ok_or_else(|| self.missing(name))?.as_str();
        let same = |option: &str, text: &str| {
            option == text || any_case && option.eq_ignore_ascii_case(text)
        };
        let found = text.and_then(|text| allowed.iter().find(|option| same(option, text)));
        found.copied().ok_or_else(|| self.not_one_of(name, allowed))
    }

    fn id(&self) -> Result<u64, ShapeError> {
        let path = self.path("id");
        let value = self.get("id").ok_or_else(|| self.missing("id"))?;
        let below_one = match value {
            Value::Number(number) => number.as_f64().is_some_and(|number| number < 1.0),
            Value::String(text) => text.parse::<f64>().is_ok_and(|number| number < 1.0),
            _ => false,
        };
        if below_one {
            return Err(ShapeError(format!(
                "\"{path}\" must be greater than or equal to 1"
            )));
        }
        condition_id(self.object).ok_or_else(|| ShapeError(format!("\"{path}\" must be a number")))
    }

    fn return_value_test(&self) -> Result<(), ShapeError> {
        let test = self
            .get("returnValueTest")
            .ok_or_else(|| self.missing("returnValueTest"))?;
        let path = self.path("returnValueTest");
        let test = Fields::new(test, &path)?;
        test.one_of("comparator", &COMPARATORS, false)?;
        match test.get("value") {
            None => return Err(test.missing("value")),
            Some(Value::Number(_) | Value::String(_) | Value::Array(_)) => {}
            Some(_) => return Err(test.not_one_of("value", &["number", "string", "array"])),
        }
        test.nothing_but(&["comparator", "value"])
    }

    fn nothing_but(&self, known: &[&str]) -> Result<(), ShapeError> {
        match self
            .object
            .keys()
            .find(|name| !known.contains(&name.as_str()))
        {
            Some(name) => Err(ShapeError(format!(
                "\"{}\" is not allowed",
                self.path(name)
            ))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
