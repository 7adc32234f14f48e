//! Items as DynamoDB's JSON has them, and back (API reference, `AttributeValue`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json, json};

use crate::store::dynamo::{Item, Key, TableError, Value};

/// An item or a key as DynamoDB has it.
pub(super) type Attributes = Map<String, Json>;

pub(super) fn value(value: Value) -> Json {
    match value {
        Value::N(number) => json!({"N": number.to_string()}),
        Value::S(text) => json!({"S": &*text}),
        Value::B(bytes) => json!({"B": STANDARD.encode(&bytes)}),
        Value::Ss(texts) => json!({"SS": texts}),
    }
}

/// A sort key: numbers have 38 digits.
pub(super) fn number(number: u64) -> Json {
    json!({"N": number.to_string()})
}

pub(super) fn of_key(key: &Key) -> Attributes {
    Map::from_iter([("pk".to_owned(), json!({"S": &*key.pk})), ("sk".to_owned(), number(key.sk))])
}

pub(super) fn of_item(item: Item) -> Attributes {
    let mut all = of_key(&item.key);
    all.extend(item.attributes.into_iter().map(|(name, of)| (name.into_owned(), value(of))));
    all
}

pub(super) fn key_of(all: &Json) -> Result<Key, TableError> {
    let (pk, sk) = (all["pk"]["S"].as_str(), all["sk"]["N"].as_str());
    let (Some(pk), Some(sk)) = (pk, sk.and_then(|sk| sk.parse().ok())) else {
        let text =
            "its items have no partition key pk (a string) and sort key sk (a number): it is not taskwatch's table";
        return Err(TableError::Refused(text.to_owned()));
    };
    Ok(Key { pk: pk.into(), sk })
}

/// An item as the port has it. Attributes of other types are somebody else's: they are left out.
pub(super) fn item(all: &Json) -> Result<Item, TableError> {
    let key = key_of(all)?;
    let others = all.as_object().into_iter().flatten().filter(|(name, _)| *name != "pk" && *name != "sk");
    let attributes = others.filter_map(|(name, of)| Some((name.clone().into(), read(of)?))).collect();
    Ok(Item { key, attributes })
}

fn read(value: &Json) -> Option<Value> {
    let (kind, of) = value.as_object()?.iter().next()?;
    match kind.as_str() {
        "N" => of.as_str()?.parse().ok().map(Value::N),
        "S" => Some(Value::S(of.as_str()?.into())),
        "B" => Some(Value::B(STANDARD.decode(of.as_str()?).ok()?.into())),
        "SS" => Some(Value::Ss(of.as_array()?.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::dynamo;

    #[test]
    fn an_item_comes_back_as_it_was_written() {
        let key = Key { pk: "L#blue#3".into(), sk: 17 };
        let attributes = dynamo::Attributes::from([
            ("n".into(), Value::N(-3)),
            ("w".into(), Value::text("me")),
            ("b".into(), Value::B([0, 255].as_slice().into())),
            ("errors".into(), Value::Ss(["a".to_owned(), "b".to_owned()].into())),
        ]);
        let written = Item { key, attributes };
        let all = Json::Object(of_item(written.clone()));
        assert_eq!(all["b"], json!({"B": "AP8="}));
        assert_eq!(item(&all), Ok(written));
    }

    #[test]
    fn what_is_no_item_of_ours_is_told_and_what_others_add_is_left_out() {
        let key = Key { pk: "FLEET".into(), sk: 1 };
        let mut all = of_key(&key);
        all.insert("theirs".into(), json!({"BOOL": true}));
        assert_eq!(item(&Json::Object(all.clone())).unwrap().attributes.len(), 0);
        all.remove("sk");
        let told = item(&Json::Object(all));
        assert!(matches!(told, Err(TableError::Refused(text)) if text.contains("not taskwatch's table")));
    }
}
