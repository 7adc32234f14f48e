//! `|location|update, delete|`: a copy of a value in which the objects of a place are changed.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use serde_json::Value;

use super::ast::Transform;
use super::value::{MOST_LEVELS, Object, Val};
use super::{Evaluated, Machine};
use crate::core::states::ExpressionError;

/// The members that objects of the copy have by now, by where the object is.
type Changed<'v> = HashMap<*const Object<'v>, BTreeMap<Rc<str>, Val<'v>>>;

impl<'v> Machine<'_, 'v> {
    pub(super) fn transformed(&mut self, transform: &Transform, frame: usize, given: &Val<'v>) -> Evaluated<'v> {
        if given.is_nothing() {
            return Ok(Val::Nothing);
        }
        if !given.is_object() && !given.is_list() {
            return failed(format!("|…|…| changes an object or an array, got {}", given.kind()));
        }
        // In the copy every object is one of its own, so that it is known by where it is.
        let copy = self.copied(given, &Changed::new(), 0)?;
        let found = self.eval(&transform.location, &copy, frame)?;
        let found = self.paid_items(&found)?;
        let mut changed = Changed::new();
        for item in &found {
            let Val::Object(object) = item else {
                match item.is_list() {
                    true => continue,
                    false => return failed(format!("the first part of |…|…| leads to objects, got {}", item.kind())),
                }
            };
            let place = Rc::as_ptr(object);
            let current = self.copied(item, &changed, 0)?;
            let update = self.eval(&transform.update, &current, frame)?;
            self.pay_items(object.members.len() + 1)?;
            let mut members = changed.get(&place).unwrap_or(&object.members).clone();
            match update.members() {
                Some(update) => {
                    self.pay_items(update.len())?;
                    members.extend(update);
                }
                None if update.is_nothing() => {}
                None => return failed(format!("the second part of |…|…| is an object, got {}", update.kind())),
            }
            changed.insert(place, members);
            if let Some(delete) = &transform.delete {
                let current = self.copied(item, &changed, 0)?;
                let names = self.eval(delete, &current, frame)?;
                for name in self.paid_items(&names)? {
                    let Val::Text(name) = &name else {
                        let what = format!("the third part of |…|…| is names of members, got {}", name.kind());
                        return failed(what);
                    };
                    changed.get_mut(&place).and_then(|members| members.remove(name));
                }
            }
        }
        self.copied(&copy, &changed, 0)
    }

    /// A value with nothing of it shared, and with the changes in it.
    fn copied(&self, value: &Val<'v>, changed: &Changed<'v>, level: u16) -> Evaluated<'v> {
        // An update may put an object into itself.
        if level > MOST_LEVELS {
            return failed(format!("the data is nested more than {MOST_LEVELS} levels deep"));
        }
        self.pay_items(1)?;
        match value {
            Val::Given(Value::Array(items)) => {
                let items = items.iter().map(|item| self.copied(&Val::of(item), changed, level + 1));
                Val::array(items.collect::<Result<_, _>>()?)
            }
            Val::Given(Value::Object(members)) => {
                let members = members.iter().map(|(name, value)| {
                    self.meter().spend(name.len())?;
                    Ok((name.as_str().into(), self.copied(&Val::of(value), changed, level + 1)?))
                });
                Val::object(members.collect::<Result<_, ExpressionError>>()?)
            }
            Val::List(list) => {
                let items = list.items.iter().map(|item| self.copied(item, changed, level + 1));
                Val::array(items.collect::<Result<_, _>>()?)
            }
            Val::Object(object) => {
                let members = changed.get(&Rc::as_ptr(object)).unwrap_or(&object.members).iter();
                let members = members.map(|(name, value)| Ok((name.clone(), self.copied(value, changed, level + 1)?)));
                Val::object(members.collect::<Result<_, ExpressionError>>()?)
            }
            plain => Ok(plain.clone()),
        }
    }
}

fn failed<'v>(what: String) -> Evaluated<'v> {
    Err(ExpressionError::Failed(what))
}
