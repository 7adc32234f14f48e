//! Members of objects that AWS writes in camelCase and Step Functions in PascalCase.

use serde_json::{Map, Value};

/// A member in camelCase or PascalCase.
pub(super) fn get<'v>(members: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
    let given = members.get(name).or_else(|| {
        let mut pascal = name.to_owned();
        pascal.get_mut(..1)?.make_ascii_uppercase();
        members.get(&pascal)
    });
    given.filter(|value| !value.is_null())
}
