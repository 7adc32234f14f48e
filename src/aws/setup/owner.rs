//! For whom a thing was made: its tags say it.

use std::fmt;

/// The tag that names the cell.
const CELL: &str = "taskwatch:cell";
/// The tag that names the fleet.
const FLEET: &str = "taskwatch:fleet";

/// The cell, the fleet, or the cell of a fleet for which `setup` made a thing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::aws) struct Owner {
    cell: Option<String>,
    fleet: Option<String>,
}

impl Owner {
    /// A cell of its own.
    pub(in crate::aws) fn cell(name: &str) -> Self {
        Self { cell: Some(name.to_owned()), fleet: None }
    }

    /// A fleet: what its cells share.
    pub(super) fn fleet(name: &str) -> Self {
        Self { cell: None, fleet: Some(name.to_owned()) }
    }

    /// One of a fleet's cells.
    pub(super) fn member(cell: &str, fleet: &str) -> Self {
        Self { cell: Some(cell.to_owned()), fleet: Some(fleet.to_owned()) }
    }

    /// Reads it from tags; none where `setup` did not make the thing.
    pub(in crate::aws) fn of<'t>(tags: impl IntoIterator<Item = (&'t str, &'t str)>) -> Option<Self> {
        let mut owner = Self::default();
        for (key, value) in tags {
            match key {
                CELL => owner.cell = Some(value.to_owned()),
                FLEET => owner.fleet = Some(value.to_owned()),
                _ => {}
            }
        }
        (owner != Self::default()).then_some(owner)
    }

    /// The tags that say so.
    pub(in crate::aws) fn tags(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [(CELL, &self.cell), (FLEET, &self.fleet)].into_iter().filter_map(|(key, name)| Some((key, name.as_deref()?)))
    }

    /// Whose events or requests come by a queue with these tags.
    pub(in crate::aws) fn name(&self) -> &str {
        self.cell.as_deref().or(self.fleet.as_deref()).unwrap_or_default()
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.cell, &self.fleet) {
            (Some(cell), Some(fleet)) => write!(f, "the cell {cell} of the fleet {fleet}"),
            (Some(cell), None) => write!(f, "the cell {cell}"),
            (None, fleet) => write!(f, "the fleet {}", fleet.as_deref().unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_name_the_owner_and_the_owner_its_tags() {
        for (owner, said) in [
            (Owner::cell("blue"), "the cell blue"),
            (Owner::fleet("blue"), "the fleet blue"),
            (Owner::member("blue-0", "blue"), "the cell blue-0 of the fleet blue"),
        ] {
            let mut tags: Vec<(&str, &str)> = owner.tags().collect();
            tags.push(("team", "etl"));
            assert_eq!(Owner::of(tags), Some(owner.clone()));
            assert_eq!(owner.to_string(), said);
        }
        assert_eq!(Owner::of([("team", "etl")]), None);
        assert_eq!((Owner::member("blue-0", "blue").name(), Owner::fleet("blue").name()), ("blue-0", "blue"));
    }
}
