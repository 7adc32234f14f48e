//! How much work an evaluation may be.

use std::cell::Cell;

use serde_json::Value;

use super::ExpressionError;

/// Values visited and bytes made in one evaluation. Step Functions bounds a state's data at 256 KiB; this is 16 times as much,
/// and a fraction of a second.
const MOST: usize = 4 * 1024 * 1024;
/// Levels of a value, input and results alike: more than any document has, and no danger to the stack.
const MOST_LEVELS: usize = 200;

/// What the evaluation of one request may still cost.
#[derive(Debug)]
pub(in crate::core) struct Meter(Cell<usize>);

impl Default for Meter {
    fn default() -> Self {
        Self(Cell::new(MOST))
    }
}

impl Meter {
    /// Of a run's end: whoever waits for the run's lock waits for this, so it is a fourth.
    pub(in crate::core) const fn of_an_end() -> Self {
        Self(Cell::new(MOST / 4))
    }

    /// Takes `cost` off.
    pub(super) fn spend(&self, cost: usize) -> Result<(), ExpressionError> {
        let left = self.0.get().checked_sub(cost);
        self.0.set(left.unwrap_or(0));
        left.map(|_| ()).ok_or_else(|| {
            ExpressionError::Failed("the expressions of this request make or visit more than 4 MiB of data".to_owned())
        })
    }

    /// A copy, paid for by its size.
    pub(in crate::core) fn copy(&self, value: &Value) -> Result<Value, ExpressionError> {
        self.pay(value)?;
        Ok(value.clone())
    }

    /// Pays for a value by its size; refuses one that is nested too deeply.
    pub(in crate::core) fn pay(&self, value: &Value) -> Result<(), ExpressionError> {
        let mut open = vec![(value, 0)];
        while let Some((value, level)) = open.pop() {
            if level > MOST_LEVELS {
                return Err(ExpressionError::Failed(format!("the data is nested more than {MOST_LEVELS} levels deep")));
            }
            match value {
                Value::String(text) => self.spend(1 + text.len())?,
                Value::Array(items) => {
                    self.spend(1 + items.len())?;
                    open.extend(items.iter().map(|item| (item, level + 1)));
                }
                Value::Object(members) => {
                    self.spend(1 + members.keys().map(|name| name.len() + 1).sum::<usize>())?;
                    open.extend(members.values().map(|item| (item, level + 1)));
                }
                _ => self.spend(1)?,
            }
        }
        Ok(())
    }
}
