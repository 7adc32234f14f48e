//! JSON in which no member is there twice: which of the two is meant, nobody can say.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Reads a JSON text.
///
/// # Errors
/// It is no JSON, or an object has a member twice; the latter is an error of data.
pub fn json(text: &str) -> Result<Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Unique.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Reads JSON documents one after the other.
///
/// # Errors
/// As [`json`].
pub(super) fn stream(text: &str) -> Result<Vec<Value>, serde_json::Error> {
    let documents = serde_json::Deserializer::from_str(text).into_iter::<Document>();
    documents.map(|document| document.map(|Document(value)| value)).collect()
}

struct Document(Value);

impl<'de> serde::Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Unique.deserialize(deserializer).map(Document)
    }
}

struct Unique;

impl<'de> DeserializeSeed<'de> for Unique {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element_seed(Self)? {
            all.push(item);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if all.contains_key(&name) {
                return Err(A::Error::custom(format!("the member {name:?} is there twice: take one out")));
            }
            let value = members.next_value_seed(Self)?;
            all.insert(name, value);
        }
        Ok(Value::Object(all))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_member_that_is_there_twice_is_named() {
        for (text, name) in [
            ("{\"a\": 1, \"a\": 1}", "\"a\""),
            ("{\"x\": [{\"cluster\": \"a\",\n \"n\": {}, \"cluster\": \"b\"}]}", "\"cluster\""),
            ("{\"a\": 1, \"\\u0061\": 2}", "\"a\""),
        ] {
            let error = json(text).unwrap_err();
            assert!(error.is_data(), "{error}");
            assert!(error.to_string().contains(&format!("the member {name} is there twice")), "{error}");
            assert!(stream(text).is_err_and(|error| error.is_data()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn all_else_is_read_as_serde_reads_it(text in "[\\[\\]{}:,\"a-c0-9.eE \\-ntrufls]{0,24}") {
            let (ours, usual) = (json(&text), serde_json::from_str::<Value>(&text));
            match (ours, usual) {
                (Ok(ours), Ok(usual)) => prop_assert_eq!(ours, usual),
                (Err(error), Ok(_)) => prop_assert!(error.is_data(), "{}", text),
                (Ok(_), Err(error)) => prop_assert!(false, "{}: {}", text, error),
                (Err(_), Err(_)) => {}
            }
        }
    }
}
