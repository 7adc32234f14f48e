//! The evaluation of one expression.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::ast::{Array, Call, Expr, Lambda, Node, Pairs};
use super::functions;
use super::value::{Function, Kind, Val};
use super::{Evaluated, Frame, Machine};
use crate::core::states::{ExpressionError, Meter, Scope, unknown};

/// Nodes under evaluation within each other, the calls of functions included: each takes a piece of the stack.
const MOST_LEVELS: usize = 256;
/// What one step costs of the meter: so many steps are as much work as copying so many bytes.
const STEP: usize = 8;
/// What one item of a list costs.
const ITEM: usize = 4;
/// What the variables of one call cost.
const FRAME: usize = 32;

/// The variable that every state has.
const STATES: &str = "states";

impl<'s, 'v> Machine<'s, 'v> {
    pub(super) fn new(scope: &'s Scope<'v>) -> Result<Self, ExpressionError> {
        let mut names = Vec::new();
        for (name, value) in scope.variables {
            names.push((name.as_str().into(), Val::of(value)));
        }
        scope.meter.spend(FRAME + names.len())?;
        Ok(Self { scope, frames: vec![Frame { names, parent: None }], level: 0 })
    }

    /// The value of the whole expression, `focus` at its top.
    pub(super) fn run(mut self, expr: &Expr, focus: &Val<'v>) -> Evaluated<'v> {
        self.eval(expr, focus, 0)
    }

    pub(super) fn meter(&self) -> &'v Meter {
        self.scope.meter
    }

    /// Pays for a list of so many items.
    pub(super) fn pay_items(&self, count: usize) -> Result<(), ExpressionError> {
        self.meter().spend(count.saturating_mul(ITEM))
    }

    /// The items of a value, paid for.
    pub(super) fn paid_items(&self, value: &Val<'v>) -> Result<Vec<Val<'v>>, ExpressionError> {
        self.pay_items(value.length().unwrap_or(1))?;
        Ok(value.as_items())
    }

    pub(super) fn eval(&mut self, expr: &Expr, focus: &Val<'v>, frame: usize) -> Evaluated<'v> {
        self.enter()?;
        let mut value = match (&expr.node, &expr.group) {
            (Node::Path(path), Some(group)) if path.has_tuples() => {
                let tuples = self.tuples_of_path(path, focus, frame)?;
                self.group_tuples(group, tuples, frame)?
            }
            _ => self.node(expr, focus, frame)?,
        };
        for filter in &expr.filters {
            value = self.filter(filter, &value, frame)?;
        }
        if let Some(group) = &expr.group
            && !matches!(&expr.node, Node::Path(path) if path.has_tuples())
        {
            value = self.group(group, &value, frame)?;
        }
        self.level -= 1;
        known(normal(value, expr.keep))
    }

    /// The value of a step of a path, which applies the filters itself.
    pub(super) fn bare(&mut self, step: &Expr, focus: &Val<'v>, frame: usize) -> Evaluated<'v> {
        self.enter()?;
        let mut value = self.node(step, focus, frame)?;
        if let Some(group) = &step.group {
            value = self.group(group, &value, frame)?;
        }
        self.level -= 1;
        known(normal(value, step.keep))
    }

    /// One level deeper, and one step more.
    pub(super) fn enter(&mut self) -> Result<(), ExpressionError> {
        if self.level >= MOST_LEVELS {
            return Err(ExpressionError::Failed(format!(
                "is evaluated more than {MOST_LEVELS} levels deep: a function calls itself too often"
            )));
        }
        self.level += 1;
        self.meter().spend(STEP)
    }

    fn node(&mut self, expr: &Expr, focus: &Val<'v>, frame: usize) -> Evaluated<'v> {
        match &expr.node {
            Node::Null => Ok(Val::Null),
            Node::Bool(is) => Ok(Val::Bool(*is)),
            Node::Number(number) => Ok(Val::Number(*number)),
            Node::Text(text) => Ok(Val::Text(text.clone())),
            Node::Regex(pattern) => Ok(Val::function(Function::Regex(pattern.clone()))),
            Node::Name(name) => self.lookup(focus, name),
            Node::Variable(name) => self.variable(name, None, focus, frame),
            Node::Children => self.children(focus),
            Node::Below => self.below(focus),
            Node::Path(path) => self.path(path, focus, frame),
            Node::Negative(of) => match self.eval(of, focus, frame)? {
                Val::Nothing => Ok(Val::Nothing),
                Val::Number(number) => Ok(Val::Number(number.negative())),
                other => Err(ExpressionError::Failed(format!("- takes a number, got {}", other.kind()))),
            },
            Node::Binary(operator, left, right) => self.binary(*operator, left, right, focus, frame),
            Node::Array(array) => self.array(array, focus, frame),
            Node::Object(pairs) => self.group(pairs, focus, frame),
            Node::Block(expressions) => self.block(expressions, focus, frame),
            Node::Condition(both, otherwise) => {
                let holds = self.eval(&both[0], focus, frame)?.truth().unwrap_or(false);
                match otherwise {
                    _ if holds => self.eval(&both[1], focus, frame),
                    Some(otherwise) => self.eval(otherwise, focus, frame),
                    None => Ok(Val::Nothing),
                }
            }
            Node::Bind(name, value) => {
                let value = self.eval(value, focus, frame)?;
                self.bind(frame, name, value.clone())?;
                Ok(value)
            }
            Node::Call(call) => self.call(call, None, focus, frame),
            Node::Lambda(lambda) => Ok(Val::function(Function::lambda(lambda.clone(), frame, focus.clone())?)),
            Node::Apply(left, right) => self.apply_operator(left, right, focus, frame),
            Node::Parent(slot) => {
                let label = slot.label.borrow().clone();
                self.variable(&label, None, focus, frame)
            }
            Node::Transform(transform) => {
                Ok(Val::function(Function::Transform { transform: transform.clone(), frame }))
            }
            Node::Sort(_) | Node::Placeholder | Node::Position(_) => {
                Err(ExpressionError::Syntax("^( ) and ? stand in the wrong place".to_owned()))
            }
        }
    }

    pub(super) fn open(&mut self, parent: usize) -> Result<usize, ExpressionError> {
        self.meter().spend(FRAME)?;
        self.frames.push(Frame { names: Vec::new(), parent: Some(parent) });
        Ok(self.frames.len() - 1)
    }

    pub(super) fn bind(&mut self, frame: usize, name: &Rc<str>, value: Val<'v>) -> Result<(), ExpressionError> {
        self.meter().spend(STEP)?;
        let Some(frame) = self.frames.get_mut(frame) else { return Ok(()) };
        match frame.names.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value,
            None => frame.names.push((name.clone(), value)),
        }
        Ok(())
    }

    /// The value of a variable; `step` is the name that stands behind it, where one does.
    pub(super) fn variable(&self, name: &str, step: Option<&str>, focus: &Val<'v>, frame: usize) -> Evaluated<'v> {
        match name {
            "" => return Ok(focus.clone()),
            // Step Functions evaluates with nothing at the top.
            "$" => return Ok(Val::Nothing),
            _ => {}
        }
        let mut at = Some(frame);
        while let Some(frame) = at.and_then(|at| self.frames.get(at)) {
            self.meter().spend(1 + frame.names.len() / 8)?;
            if let Some((_, value)) = frame.names.iter().find(|(known, _)| **known == *name) {
                return Ok(value.clone());
            }
            at = frame.parent;
        }
        if name == STATES {
            return self.states(step);
        }
        Ok(functions::find(name).map_or(Val::Nothing, |builtin| Val::function(Function::Builtin(builtin))))
    }

    /// `$states`. Its context differs from one acceptance to the next.
    fn states(&self, step: Option<&str>) -> Evaluated<'v> {
        if !matches!(step, Some("input" | "result" | "errorOutput")) {
            self.scope.chance.differs();
        }
        let given = [("input", self.scope.input), ("context", self.scope.context)];
        let outcome = self.scope.outcome.iter().map(|(name, value)| (*name, *value));
        let members = given.into_iter().chain(outcome).map(|(name, value)| (Rc::from(name), Val::of(value)));
        Val::object(members.collect())
    }

    fn array(&mut self, array: &Array, focus: &Val<'v>, frame: usize) -> Evaluated<'v> {
        let mut items = Vec::new();
        for item in &array.items {
            let value = self.eval(item, focus, frame)?;
            match value {
                Val::Nothing => {}
                // An array that is written in an array stays one.
                value if item.is_array() => {
                    self.pay_items(1)?;
                    items.push(value);
                }
                value => items.extend(self.paid_items(&value)?),
            }
        }
        Val::list(items, if array.is_step { Kind::Step } else { Kind::Array })
    }

    fn block(&mut self, expressions: &[Expr], focus: &Val<'v>, frame: usize) -> Evaluated<'v> {
        let inner = self.open(frame)?;
        let mut last = Val::Nothing;
        for expr in expressions {
            last = self.eval(expr, focus, inner)?;
        }
        Ok(last)
    }

    /// An object of names and values, the items of a list grouped by name.
    pub(super) fn group(&mut self, pairs: &Pairs, value: &Val<'v>, frame: usize) -> Evaluated<'v> {
        let mut items = self.paid_items(value)?;
        if items.is_empty() {
            items.push(Val::Nothing);
        }
        let mut groups: BTreeMap<Rc<str>, (usize, Vec<Val<'v>>)> = BTreeMap::new();
        for item in &items {
            for (n, (name, _)) in pairs.iter().enumerate() {
                let name = match self.eval(name, item, frame)? {
                    Val::Nothing => continue,
                    Val::Text(name) => name,
                    other => {
                        let what = format!("the names of an object are strings, got {}", other.kind());
                        return Err(ExpressionError::Failed(what));
                    }
                };
                self.pay_items(1)?;
                let group = groups.entry(name).or_insert_with(|| (n, Vec::new()));
                if group.0 != n {
                    let what = "two members of an object have the same name".to_owned();
                    return Err(ExpressionError::Failed(what));
                }
                group.1.extend(self.paid_items(item)?);
            }
        }
        let mut members = BTreeMap::new();
        for (name, (n, data)) in groups {
            let of = normal(Val::sequence(data)?, false);
            let value = self.eval(&pairs[n].1, &of, frame)?;
            self.meter().spend(name.len())?;
            if !value.is_nothing() {
                members.insert(name, value);
            }
        }
        Val::object(members)
    }

    fn apply_operator(&mut self, left: &Expr, right: &Expr, focus: &Val<'v>, frame: usize) -> Evaluated<'v> {
        let value = self.eval(left, focus, frame)?;
        if let Node::Call(call) = &right.node
            && !call.is_partial
            && right.filters.is_empty()
        {
            return self.call(call, Some(value), focus, frame);
        }
        let function = match self.eval(right, focus, frame)? {
            Val::Function(function) => function,
            other => return Err(ExpressionError::Failed(format!("~> leads to a function, got {}", other.kind()))),
        };
        match value {
            Val::Function(first) => Ok(Val::function(Function::chain(first, function)?)),
            value => self.applied(&function, vec![value], &Val::Nothing),
        }
    }

    fn call(&mut self, call: &Call, first: Option<Val<'v>>, focus: &Val<'v>, frame: usize) -> Evaluated<'v> {
        let function = match self.eval(&call.procedure, focus, frame)? {
            Val::Function(function) => function,
            other => return Err(no_function(call, &other)),
        };
        let mut arguments: Vec<Option<Val<'v>>> = first.into_iter().map(Some).collect();
        for argument in &call.arguments {
            arguments.push(match argument.node {
                Node::Placeholder => None,
                _ => Some(self.eval(argument, focus, frame)?),
            });
        }
        self.pay_items(arguments.len())?;
        if call.is_partial {
            return Ok(Val::function(Function::partial(function, arguments)?));
        }
        self.applied(&function, arguments.into_iter().flatten().collect(), focus)
    }

    /// What a function gives.
    pub(super) fn apply(&mut self, function: &Rc<Function<'v>>, arguments: Vec<Val<'v>>) -> Evaluated<'v> {
        Ok(normal(self.applied(function, arguments, &Val::Nothing)?, false))
    }

    /// The same, in a focus, and before a list of one becomes its item.
    fn applied(&mut self, function: &Rc<Function<'v>>, arguments: Vec<Val<'v>>, focus: &Val<'v>) -> Evaluated<'v> {
        self.enter()?;
        let value = match &**function {
            Function::Builtin(builtin) => functions::call(self, builtin, &arguments, focus),
            Function::Lambda { lambda, frame, focus, .. } => self.call_lambda(lambda, *frame, focus, arguments),
            Function::Partial { function, arguments: known, .. } => {
                let mut given = arguments.into_iter();
                let of = known.iter().map(|known| known.clone().or_else(|| given.next()).unwrap_or(Val::Nothing));
                let all = of.collect();
                self.applied(function, all, focus)
            }
            Function::Chain { first, second, .. } => {
                let between = self.apply(first, arguments)?;
                self.applied(second, vec![between], focus)
            }
            Function::Regex(pattern) => match arguments.into_iter().next() {
                Some(Val::Text(text)) => functions::first_match(self, pattern, &text, 0),
                _ => Err(ExpressionError::Failed("a regular expression is applied to a string".to_owned())),
            },
            Function::Transform { transform, frame } => {
                let given = arguments.into_iter().next().unwrap_or(Val::Nothing);
                self.transformed(transform, *frame, &given)
            }
            Function::Further { pattern, text, from } => functions::first_match(self, pattern, text, *from),
        }?;
        self.level -= 1;
        Ok(value)
    }

    fn call_lambda(
        &mut self,
        lambda: &Rc<Lambda>,
        frame: usize,
        focus: &Val<'v>,
        given: Vec<Val<'v>>,
    ) -> Evaluated<'v> {
        let inner = self.open(frame)?;
        let mut given = given.into_iter();
        for name in &lambda.parameters {
            self.bind(inner, name, given.next().unwrap_or(Val::Nothing))?;
        }
        self.eval(&lambda.body, focus, inner)
    }
}

/// A sequence of one is its item, of none no value.
pub(super) fn normal(value: Val<'_>, keep: bool) -> Val<'_> {
    let Val::List(list) = &value else { return value };
    if list.kind != Kind::Sequence {
        return value;
    }
    match list.items.as_slice() {
        [] => Val::Nothing,
        [one] if !keep && !list.keep => one.clone(),
        _ if keep && !list.keep => Val::List(Rc::new(list.kept())),
        _ => value,
    }
}

/// The value, unless it stands in for what is not known yet: nothing can be said of it, not even that it is there.
pub(super) fn known(value: Val<'_>) -> Evaluated<'_> {
    match &value {
        Val::Text(text) if text.starts_with('\0') => {
            unknown(text).map_or(Ok(value), |of| Err(ExpressionError::Unknown(of)))
        }
        _ => Ok(value),
    }
}

/// What is said of a call of something that is no function: a `$` may be missing.
fn no_function(call: &Call, got: &Val<'_>) -> ExpressionError {
    let name = match &call.procedure.node {
        Node::Variable(name) => format!("${name}"),
        Node::Path(path) => match path.steps.as_slice() {
            [Expr { node: Node::Name(name), .. }] if functions::find(name).is_some() => {
                return ExpressionError::Syntax(format!("{name}( ) is no function; did you mean ${name}?"));
            }
            _ => "what is called".to_owned(),
        },
        _ => "what is called".to_owned(),
    };
    match (name.as_str(), got) {
        ("$eval", _) => ExpressionError::Syntax("$eval is not there in Step Functions; $parse reads JSON".to_owned()),
        (_, Val::Nothing) if name.starts_with('$') => ExpressionError::Syntax(functions::unknown(&name)),
        _ => ExpressionError::Failed(format!("{name} is no function but {}", got.kind())),
    }
}
