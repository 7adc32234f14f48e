//! Items as the SDK has them, and back.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use crate::store::dynamo::{Item, Key, TableError, Value};

/// An item or a key as the SDK has it.
pub(super) type Attributes = HashMap<String, AttributeValue>;

pub(super) fn value(value: Value) -> AttributeValue {
    match value {
        Value::N(number) => AttributeValue::N(number.to_string()),
        Value::S(text) => AttributeValue::S((*text).to_owned()),
        Value::B(bytes) => AttributeValue::B(Blob::new(bytes.to_vec())),
        Value::Ss(texts) => AttributeValue::Ss(texts.into_iter().collect()),
    }
}

/// A sort key: numbers have 38 digits.
pub(super) fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

pub(super) fn of_key(key: &Key) -> Attributes {
    [("pk".to_owned(), AttributeValue::S((*key.pk).to_owned())), ("sk".to_owned(), number(key.sk))].into()
}

pub(super) fn of_item(item: Item) -> Attributes {
    let mut all = of_key(&item.key);
    all.extend(item.attributes.into_iter().map(|(name, of)| (name.into_owned(), value(of))));
    all
}

pub(super) fn key_of(all: &Attributes) -> Result<Key, TableError> {
    let pk = all.get("pk").and_then(|pk| pk.as_s().ok()).map(|pk| pk.as_str().into());
    let sk = all.get("sk").and_then(|sk| sk.as_n().ok()).and_then(|sk| sk.parse().ok());
    let (Some(pk), Some(sk)) = (pk, sk) else {
        let text =
            "its items have no partition key pk (a string) and sort key sk (a number): it is not taskwatch's table";
        return Err(TableError::Refused(text.to_owned()));
    };
    Ok(Key { pk, sk })
}

/// An item as the port has it. Attributes of other types are somebody else's: they are left out.
pub(super) fn item(mut all: Attributes) -> Result<Item, TableError> {
    let key = key_of(&all)?;
    all.retain(|name, _| name != "pk" && name != "sk");
    let attributes = all.into_iter().filter_map(|(name, of)| Some((name.into(), read(of)?))).collect();
    Ok(Item { key, attributes })
}

fn read(value: AttributeValue) -> Option<Value> {
    match value {
        AttributeValue::N(number) => number.parse().ok().map(Value::N),
        AttributeValue::S(text) => Some(Value::S(text.into())),
        AttributeValue::B(bytes) => Some(Value::B(bytes.into_inner().into())),
        AttributeValue::Ss(texts) => Some(Value::Ss(texts.into_iter().collect())),
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
        assert_eq!(item(of_item(written.clone())), Ok(written));
    }

    #[test]
    fn what_is_no_item_of_ours_is_told_and_what_others_add_is_left_out() {
        let key = Key { pk: "FLEET".into(), sk: 1 };
        let mut all = of_key(&key);
        all.insert("theirs".into(), AttributeValue::Bool(true));
        assert_eq!(item(all.clone()).unwrap().attributes.len(), 0);
        all.remove("sk");
        assert!(matches!(item(all), Err(TableError::Refused(text)) if text.contains("not taskwatch's table")));
    }
}
