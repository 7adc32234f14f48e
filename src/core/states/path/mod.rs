//! JSONPath as Step Functions reads it: `$.a`, `$['b c']`, `$.list[0]`, `$.list[-1]`, `[1:3]`, `[*]`, `..name`, `[?(…)]`, and the same
//! behind `$$` (the context object) and `$name` (a variable).
//!
//! Own code, because no crate reads this dialect: those for RFC 9535 refuse names with a hyphen behind a dot and give a list for
//! every path, where Step Functions gives the value itself unless the path may lead to several (Jayway JsonPath's rule).

mod filter;

use serde_json::Value;

use filter::Filter;
pub(super) use filter::{compare, literal};

use super::scan::Scan;
use super::{ExpressionError, Scope, unknown};

/// Steps of one path.
const MOST_SEGMENTS: usize = 64;

/// A path that was read.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::core) struct Path {
    root: Root,
    /// The steps from the root.
    pub(in crate::core) segments: Vec<Segment>,
    /// Ends with `.length()`.
    length: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Root {
    Input,
    Context,
    Variable(String),
    /// `@` of a filter.
    Item,
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::core) enum Segment {
    /// A member.
    Name(String),
    /// An item; from the end where it is negative.
    Index(i64),
    /// `*`.
    All,
    /// `['a','b']`.
    Names(Vec<String>),
    /// `[0,2]`.
    Indexes(Vec<i64>),
    /// `[1:3]`.
    Slice(Option<i64>, Option<i64>),
    /// `..`: the value and all below it.
    Below,
    /// `[?(…)]`.
    Filter(Box<Filter>),
}

impl Path {
    /// Reads a whole text.
    pub(in crate::core) fn parse(text: &str) -> Result<Self, ExpressionError> {
        let mut scan = Scan::new(text.trim());
        let path = Self::scan(&mut scan, 0)?;
        match scan.peek() {
            None => Ok(path),
            Some(_) => Err(scan.unexpected("a step of the path or its end")),
        }
    }

    /// Reads a path that begins here, and stops behind it. `level` counts filters within filters.
    pub(super) fn scan(scan: &mut Scan<'_>, level: usize) -> Result<Self, ExpressionError> {
        let root = root(scan)?;
        let mut path = Self { root, segments: Vec::new(), length: false };
        loop {
            if path.segments.len() > MOST_SEGMENTS {
                return Err(ExpressionError::Syntax(format!("the path has more than {MOST_SEGMENTS} steps")));
            }
            if scan.eat("..") {
                path.segments.push(Segment::Below);
                if scan.peek() != Some('[') {
                    path.segments.push(dotted(scan)?);
                }
            } else if scan.eat(".") {
                if scan.eat("length()") {
                    path.length = true;
                    return Ok(path);
                }
                path.segments.push(dotted(scan)?);
            } else if scan.eat("[") {
                path.segments.push(bracketed(scan, level)?);
            } else {
                return Ok(path);
            }
        }
    }

    /// Whether it leads to one value at most.
    pub(in crate::core) fn is_definite(&self) -> bool {
        self.segments.iter().all(|segment| matches!(segment, Segment::Name(_) | Segment::Index(_)))
    }

    /// Whether it begins at the state's input.
    pub(in crate::core) fn is_of_input(&self) -> bool {
        self.root == Root::Input
    }

    /// The value to which it leads: itself where the path is definite, else a list of all that fit.
    pub(in crate::core) fn value(&self, scope: &Scope<'_>) -> Result<Value, ExpressionError> {
        let root = self.root_value(scope)?;
        if self.is_definite() {
            let value = self.one(root)?;
            return if self.length { length(value) } else { scope.meter.copy(value) };
        }
        let found = self.all(root, scope)?;
        if self.length {
            return Ok(Value::from(found.len()));
        }
        found.into_iter().map(|value| scope.meter.copy(value)).collect::<Result<Vec<_>, _>>().map(Value::Array)
    }

    /// What a filter's `@` path leads to, if it leads to something.
    fn of_item<'v>(&self, item: &'v Value, scope: &Scope<'v>) -> Result<Option<&'v Value>, ExpressionError> {
        let root = if self.root == Root::Item { item } else { self.root_value(scope)? };
        Ok(self.all(root, scope)?.first().copied())
    }

    fn root_value<'v>(&self, scope: &Scope<'v>) -> Result<&'v Value, ExpressionError> {
        match &self.root {
            Root::Input => Ok(scope.input),
            Root::Context => {
                scope.chance.differs();
                Ok(scope.context)
            }
            Root::Variable(name) => scope.variables.get(name).ok_or_else(|| {
                ExpressionError::Missing(format!("the variable ${name} is assigned by no state before this one"))
            }),
            Root::Item => Err(ExpressionError::Syntax("@ is for filters".to_owned())),
        }
    }

    fn one<'v>(&self, root: &'v Value) -> Result<&'v Value, ExpressionError> {
        let mut value = root;
        for (n, segment) in self.segments.iter().enumerate() {
            known(value)?;
            let next = match segment {
                Segment::Name(name) => value.get(name),
                Segment::Index(index) => item(value, *index),
                _ => None,
            };
            value = next.ok_or_else(|| {
                let parent = self.shown(n);
                ExpressionError::Missing(match segment {
                    Segment::Index(index) => format!("{parent} has no item {index}"),
                    Segment::Name(name) => format!("{parent} has no {name:?}"),
                    _ => parent,
                })
            })?;
        }
        Ok(value)
    }

    fn all<'v>(&self, root: &'v Value, scope: &Scope<'v>) -> Result<Vec<&'v Value>, ExpressionError> {
        let mut found = vec![root];
        for segment in &self.segments {
            let mut next = Vec::new();
            for value in found {
                known(value)?;
                segment.select(value, scope, &mut next)?;
            }
            scope.meter.spend(next.len())?;
            found = next;
        }
        Ok(found)
    }

    /// Its first `steps` steps, as text.
    fn shown(&self, steps: usize) -> String {
        let root = match &self.root {
            Root::Input => "$".to_owned(),
            Root::Context => "$$".to_owned(),
            Root::Variable(name) => format!("${name}"),
            Root::Item => "@".to_owned(),
        };
        self.segments.iter().take(steps).fold(root, |text, segment| match segment {
            Segment::Name(name) if name.chars().all(plain) => format!("{text}.{name}"),
            Segment::Name(name) => format!("{text}['{name}']"),
            Segment::Index(index) => format!("{text}[{index}]"),
            _ => text,
        })
    }
}

impl Segment {
    fn select<'v>(
        &self,
        value: &'v Value,
        scope: &Scope<'v>,
        into: &mut Vec<&'v Value>,
    ) -> Result<(), ExpressionError> {
        known(value)?;
        match self {
            Self::Name(name) => into.extend(value.get(name)),
            Self::Names(names) => into.extend(names.iter().filter_map(|name| value.get(name))),
            Self::Index(index) => into.extend(item(value, *index)),
            Self::Indexes(indexes) => into.extend(indexes.iter().filter_map(|index| item(value, *index))),
            Self::All => into.extend(children(value)),
            Self::Slice(from, to) => {
                let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
                let from = from.map_or(0, |from| bound(from, items.len()));
                let to = to.map_or(items.len(), |to| bound(to, items.len()));
                into.extend(items.get(from..to).unwrap_or_default());
            }
            Self::Below => {
                let mut open = vec![value];
                while let Some(value) = open.pop() {
                    known(value)?;
                    scope.meter.spend(1)?;
                    into.push(value);
                    let below: Vec<_> = children(value).collect();
                    open.extend(below.into_iter().rev());
                }
            }
            Self::Filter(filter) => {
                for child in children(value) {
                    scope.meter.spend(1)?;
                    if filter.fits(child, scope)? {
                        into.push(child);
                    }
                }
            }
        }
        Ok(())
    }
}

fn children(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Array(items) => Box::new(items.iter()),
        Value::Object(members) => Box::new(members.values()),
        _ => Box::new(std::iter::empty()),
    }
}

fn item(value: &Value, index: i64) -> Option<&Value> {
    let items = value.as_array()?;
    let from_end = usize::try_from(index.unsigned_abs()).ok();
    if index < 0 { items.get(items.len().checked_sub(from_end?)?) } else { items.get(from_end?) }
}

/// A slice's bound in a list of `length` items.
fn bound(bound: i64, length: usize) -> usize {
    let size = usize::try_from(bound.unsigned_abs()).unwrap_or(usize::MAX);
    if bound < 0 { length.saturating_sub(size) } else { size.min(length) }
}

/// Refuses to look into what is not known yet.
fn known(value: &Value) -> Result<(), ExpressionError> {
    let unknown = value.as_str().and_then(unknown);
    unknown.map_or(Ok(()), |stand_in| Err(ExpressionError::Unknown(stand_in)))
}

fn length(value: &Value) -> Result<Value, ExpressionError> {
    known(value)?;
    match value {
        Value::Array(items) => Ok(items.len().into()),
        Value::Object(members) => Ok(members.len().into()),
        Value::String(text) => Ok(text.chars().count().into()),
        _ => Err(ExpressionError::Failed("length() is for a list, an object or a text".to_owned())),
    }
}

fn plain(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '@' | ':' | '/' | '+' | '#' | '$')
}

fn root(scan: &mut Scan<'_>) -> Result<Root, ExpressionError> {
    if scan.eat("@") {
        return Ok(Root::Item);
    }
    if scan.eat("$$") {
        return Ok(Root::Context);
    }
    if !scan.eat("$") {
        return Err(scan.unexpected("a path, which begins with $"));
    }
    let name = scan.take(|c| c.is_alphanumeric() || c == '_');
    Ok(if name.is_empty() { Root::Input } else { Root::Variable(name.to_owned()) })
}

/// What stands behind a dot.
fn dotted(scan: &mut Scan<'_>) -> Result<Segment, ExpressionError> {
    if scan.eat("*") {
        return Ok(Segment::All);
    }
    let name = scan.take(plain);
    if name.is_empty() {
        return Err(scan.unexpected("a name"));
    }
    if scan.peek() == Some('(') {
        return Err(ExpressionError::Syntax(format!("{name}() is no function of a path; only length() is")));
    }
    Ok(Segment::Name(name.to_owned()))
}

/// What stands in brackets, the first of which was read.
fn bracketed(scan: &mut Scan<'_>, level: usize) -> Result<Segment, ExpressionError> {
    scan.blanks();
    let segment = match scan.peek() {
        Some('*') => {
            scan.next();
            Segment::All
        }
        Some('?') => {
            scan.next();
            Segment::Filter(Box::new(Filter::scan(scan, level + 1)?))
        }
        Some('\'' | '"') => {
            let mut names = list(scan, |scan| scan.quoted().map(unescaped))?;
            if names.len() == 1 { Segment::Name(names.remove(0)) } else { Segment::Names(names) }
        }
        _ => numbers(scan)?,
    };
    scan.blanks();
    if scan.eat("]") { Ok(segment) } else { Err(scan.unexpected("]")) }
}

fn numbers(scan: &mut Scan<'_>) -> Result<Segment, ExpressionError> {
    let first = scan.integer();
    scan.blanks();
    if scan.eat(":") {
        scan.blanks();
        let to = scan.integer();
        return Ok(Segment::Slice(first, to));
    }
    let first = first.ok_or_else(|| scan.unexpected("an index, a quoted name, * or ?(…)"))?;
    if !scan.eat(",") {
        return Ok(Segment::Index(first));
    }
    scan.blanks();
    let mut indexes = vec![first];
    indexes.extend(list(scan, |scan| scan.integer().ok_or_else(|| scan.unexpected("an index")))?);
    Ok(Segment::Indexes(indexes))
}

/// Items with commas between them.
fn list<'t, T>(
    scan: &mut Scan<'t>,
    item: impl Fn(&mut Scan<'t>) -> Result<T, ExpressionError>,
) -> Result<Vec<T>, ExpressionError> {
    let mut items = Vec::new();
    loop {
        scan.blanks();
        items.push(item(scan)?);
        scan.blanks();
        if !scan.eat(",") {
            return Ok(items);
        }
    }
}

/// A quoted text without its backslashes.
pub(super) fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' => match characters.next() {
                Some(escaped @ ('\'' | '"' | '\\' | '{' | '}')) => plain.push(escaped),
                Some(other) => plain.extend(['\\', other]),
                None => plain.push('\\'),
            },
            c => plain.push(c),
        }
    }
    plain
}
