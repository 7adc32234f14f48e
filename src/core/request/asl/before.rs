//! The states before one that is named: what of their data and variables is known from the input alone.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::RequestError;
use super::evaluation::Evaluation;
use super::flow::{Flow, assigned};
use super::machine::{Level, language, place, way_to};
use super::members::Language;
use super::walk::after;
use super::ways::catchers;
use crate::core::states::{Meter, UNKNOWN};

type States = Map<String, Value>;

/// States on the way: a loop that counts ends, one that does not is ended here.
const MOST_STEPS: usize = 1000;

/// What reaches a state. It is read twice, with two stand-ins for what is not known: what differs depends on it.
pub(super) struct Before<'a> {
    flows: [Flow<'a>; 2],
    /// What going through the states may cost.
    meter: Meter,
    /// The states whose results are not known.
    pub(super) hidden: Vec<&'a str>,
}

impl<'a> Before<'a> {
    /// What reaches the state of this name in an execution that begins with the input; none where no way leads there.
    pub(super) fn of(machine: &'a States, name: &str, evaluation: &'a Evaluation<'a>) -> Option<Self> {
        let levels = way_to(machine, name)?;
        let named = language(machine);
        let flow = |states| Flow::new(states, named, evaluation);
        let first = levels.first()?;
        let flows = [flow(first.states), flow(first.states)];
        let mut before = Self { flows, meter: Meter::default(), hidden: Vec::new() };
        for (n, level) in levels.iter().enumerate() {
            before.go(level)?;
            if let Some(inner) = levels.get(n + 1) {
                before.enter(level)?;
                before.flows = before.flows.map(|outer| {
                    let mut flow = flow(inner.states);
                    (flow.data, flow.variables) = (outer.data, outer.variables);
                    flow
                });
            }
        }
        Some(before)
    }

    /// Whether all that reaches the state is known.
    pub(super) fn is_known(&self) -> bool {
        let [one, two] = &self.flows;
        one.data == two.data && one.variables == two.variables
    }

    /// The data and the variables, once for each stand-in.
    pub(super) fn readings(&self) -> [(&Value, &States); 2] {
        self.flows.each_ref().map(|flow| (&flow.data, &flow.variables))
    }

    /// The variables whose values are known.
    pub(super) fn variables(&self) -> States {
        let [one, two] = &self.flows;
        let known = one.variables.iter().filter(|(name, value)| two.variables.get(*name) == Some(value));
        known.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// Goes to the state that is meant at this level.
    fn go(&mut self, level: &Level<'a>) -> Option<()> {
        let leading = leading_to(level);
        let mut at = level.start;
        for _ in 0..MOST_STEPS {
            if at == level.target {
                return Some(());
            }
            for flow in &self.flows {
                let variables = flow.variables.values();
                variables.chain([&flow.data]).try_for_each(|value| self.meter.pay(value)).ok()?;
            }
            let (name, state) = level.states.get_key_value(at)?;
            at = self.step(name, state.as_object()?, &leading)?;
        }
        None
    }

    /// Evaluates one state, as far as it is known; answers the next on the way.
    fn step(&mut self, at: &'a str, state: &'a States, leading: &BTreeSet<&str>) -> Option<&'a str> {
        let path = place(at);
        let leads = |next: &&str| leading.contains(next);
        let next = state.get("Next").and_then(Value::as_str).filter(leads);
        match state.get("Type").and_then(Value::as_str)? {
            "Pass" => {
                self.each(at, state, |flow, _| flow.pass(at, state, &path, &flow.data, &flow.variables));
                next
            }
            "Wait" => {
                self.each(at, state, |flow, _| flow.waited(at, state, &path));
                next
            }
            "Choice" => self.choose(at, state, leading),
            _ if next.is_some() => {
                self.hidden.push(at);
                self.end("result", at, state, &path);
                next
            }
            // It is reached where this one fails.
            _ => {
                self.hidden.push(at);
                let catchers = catchers(state.get("Catch"), &path).ok()?;
                let catcher = catchers.into_iter().find(|catcher| leads(&catcher.next))?;
                self.end("errorOutput", at, catcher.members, &catcher.path);
                Some(catcher.next)
            }
        }
    }

    /// The end of a state whose result is not known, by its own Output and Assign or by those of a catcher.
    fn end(&mut self, kind: &'static str, at: &'a str, of: &States, path: &str) {
        self.each(at, of, |flow, unknown| {
            let (data, assigned) = after(kind, &unknown.into(), of, at, path, flow)?;
            let assigned = assigned.unwrap_or_else(|_| assigned_alone(flow, at, of, unknown));
            Ok((data.unwrap_or_else(|_| unknown.into()), assigned))
        });
    }

    /// The way that the Choice takes with what is known; where that is not known, or leads elsewhere, one that leads to the state.
    fn choose(&mut self, at: &'a str, state: &'a States, leading: &BTreeSet<&str>) -> Option<&'a str> {
        let path = place(at);
        let ways: BTreeSet<&str> = nexts(state).into_iter().filter(|next| leading.contains(next)).collect();
        let chosen = self.flows.each_ref().map(|flow| flow.choice(at, state, &path, &flow.data, &flow.variables).ok());
        if let [Some(one), Some(two)] = chosen
            && one == two
            && let Some(next) = ways.get(one.next.as_str())
        {
            for (flow, choice) in self.flows.iter_mut().zip([one, two]) {
                flow.data = choice.output;
                flow.variables.extend(choice.assigned);
            }
            return Some(next);
        }
        if ways.len() > 1 {
            // Each may make something else of the data.
            self.hidden.push(at);
            self.forget();
        }
        ways.first().copied()
    }

    /// Into the Parallel or Map that the inner level stands in.
    fn enter(&mut self, level: &Level<'a>) -> Option<()> {
        let state = level.states.get(level.target)?.as_object()?;
        let (name, path) = (level.target, place(level.target));
        if state.get("Type").and_then(Value::as_str) != Some("Parallel") {
            self.hidden.push(name);
            self.forget();
            return Some(());
        }
        self.each(name, &States::new(), |flow, _| {
            let language = flow.language_of_state(state, &path)?;
            let evaluator = flow.evaluation.state(name, &path, language, &flow.variables);
            let (input, member) = match language {
                Language::JsonPath => {
                    (evaluator.at_path("InputPath", state.get("InputPath"), &flow.data)?, "Parameters")
                }
                Language::Jsonata => (flow.data.clone(), "Arguments"),
            };
            let input = match state.get(member) {
                Some(template) => evaluator.template(member, template, &input)?,
                None => input,
            };
            Ok((input, States::new()))
        });
        Some(())
    }

    /// What a state makes of both readings: once where all is known, since chance may be in it. Of one that cannot be evaluated the
    /// variables are kept that can; `of` assigns them.
    fn each(
        &mut self,
        at: &'a str,
        of: &States,
        make: impl Fn(&Flow<'a>, &'static str) -> Result<(Value, States), RequestError>,
    ) {
        let (known, mut failed) = (self.is_known(), false);
        let mut made: Vec<(Value, States)> = Vec::new();
        for (flow, unknown) in self.flows.iter().zip(UNKNOWN) {
            let first = made.first().filter(|_| known);
            // A stand-in in what the first reading made is another in the second.
            if let Some((data, assigned)) =
                first.filter(|(data, all)| !has_stand_in(data) && !all.values().any(has_stand_in))
            {
                let same = (data.clone(), assigned.clone());
                made.push(same);
                continue;
            }
            let (data, mut assigned) = make(flow, unknown).unwrap_or_else(|_| {
                failed = true;
                (unknown.into(), assigned_alone(flow, at, of, unknown))
            });
            let drawn = first.into_iter().flat_map(|(_, all)| all).filter(|(_, value)| !has_stand_in(value));
            assigned.extend(drawn.map(|(name, value)| (name.clone(), value.clone())));
            made.push((data, assigned));
        }
        if failed && !self.hidden.contains(&at) {
            self.hidden.push(at);
        }
        for (flow, (data, assigned)) in self.flows.iter_mut().zip(made) {
            flow.data = data;
            flow.variables.extend(assigned);
        }
    }

    /// Nothing is known of the data any more.
    fn forget(&mut self) {
        for (flow, unknown) in self.flows.iter_mut().zip(UNKNOWN) {
            flow.data = unknown.into();
        }
    }
}

/// What a state assigns, each variable by itself, where its result is not known.
fn assigned_alone(flow: &Flow<'_>, at: &str, of: &States, unknown: &str) -> States {
    let (path, assign) = (place(at), of.get("Assign").and_then(Value::as_object));
    let Ok(Some(language)) = flow.language_of(at) else { return States::new() };
    let result = Value::from(unknown);
    let evaluator = flow.evaluation.state(at, &path, language, &flow.variables).ended("result", &result);
    // In JSONPath, $ is the result.
    let data = if language == Language::JsonPath { &result } else { &flow.data };
    let one = |(name, value): (&String, &Value)| {
        let alone = Value::Object(States::from_iter([(name.clone(), value.clone())]));
        assigned(&evaluator, Some(&alone), data).ok()
    };
    assign.into_iter().flatten().filter_map(one).flatten().collect()
}

/// Whether what is not known stands somewhere in the value.
fn has_stand_in(value: &Value) -> bool {
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value {
            Value::String(text) if UNKNOWN.iter().any(|unknown| text.contains(unknown)) => return true,
            Value::Array(items) => open.extend(items),
            Value::Object(members) => open.extend(members.values()),
            _ => {}
        }
    }
    false
}

/// The states that may follow on one.
fn nexts(state: &States) -> Vec<&str> {
    let rules = ["Choices", "Catch"].into_iter().filter_map(|member| state.get(member)?.as_array()).flatten();
    let rules = rules.filter_map(|rule| rule.get("Next"));
    let own = ["Next", "Default"].into_iter().filter_map(|member| state.get(member));
    own.chain(rules).filter_map(Value::as_str).collect()
}

/// The states from which a way leads to the one that is meant.
fn leading_to<'a>(level: &Level<'a>) -> BTreeSet<&'a str> {
    let mut before: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, state) in level.states {
        let nexts = state.as_object().map(nexts).unwrap_or_default();
        nexts.into_iter().for_each(|next| before.entry(next).or_default().push(name));
    }
    let (mut open, mut leading) = (vec![level.target], BTreeSet::new());
    while let Some(at) = open.pop() {
        if leading.insert(at) {
            open.extend(before.get(at).into_iter().flatten());
        }
    }
    leading
}
