//! Decides, for one running endpoint, which rules of the script strike.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::glob::Glob;
use super::script::{CallFault, Delivery, Effect, Life, Refusal, Rule, Script, Span, When};

/// What a rule may look at.
#[derive(Clone, Debug, Default)]
pub(in crate::local) struct Subject<'a> {
    pub(in crate::local) operation: &'a str,
    pub(in crate::local) cluster: &'a str,
    pub(in crate::local) family: &'a str,
    /// `family:revision`; of a call without a revision, the family.
    pub(in crate::local) task_definition: &'a str,
    pub(in crate::local) images: &'a [&'a str],
    pub(in crate::local) launch_type: &'a str,
    pub(in crate::local) capacity_provider: &'a str,
    pub(in crate::local) subnets: &'a [String],
    pub(in crate::local) started_by: &'a str,
    pub(in crate::local) last_status: &'a str,
    pub(in crate::local) attempt: u32,
    /// Seconds of AWS's time since the start.
    pub(in crate::local) seconds: f64,
    /// What the dice are thrown for: the same key meets the same fate.
    pub(in crate::local) key: u64,
}

/// What the script has in store for one launch.
#[derive(Clone, Debug, Default)]
pub(in crate::local) struct Decision {
    pub(in crate::local) refuse: Option<Refusal>,
    pub(in crate::local) life: Option<Life>,
    pub(in crate::local) missing: Option<Span>,
    pub(in crate::local) early: Option<String>,
    pub(in crate::local) seconds: Option<Span>,
    pub(in crate::local) exit_code: Option<i64>,
    pub(in crate::local) log: Option<Arc<[String]>>,
    pub(in crate::local) log_late: Option<Span>,
    pub(in crate::local) log_empty_pages: bool,
}

/// A script at work.
#[derive(Debug)]
pub(in crate::local) struct Engine {
    script: Script,
    seed: u64,
    hits: Vec<u64>,
    seen: HashMap<u64, u32>,
}

impl Engine {
    pub(in crate::local) fn new(script: Script, seed: u64) -> Self {
        let hits = vec![0; script.rules.len()];
        Self { seed: script.seed.unwrap_or(seed), script, hits, seen: HashMap::new() }
    }

    pub(in crate::local) fn seed(&self) -> u64 {
        self.seed
    }

    /// How often this key has been seen, this time included.
    pub(in crate::local) fn nth(&mut self, key: u64) -> u32 {
        let n = self.seen.entry(key).or_insert(0);
        *n = n.saturating_add(1);
        *n
    }

    /// The script's general length and exit code of work.
    pub(in crate::local) fn work(&self) -> (Span, i64) {
        (self.script.seconds.unwrap_or(Span::exactly(30.0)), self.script.exit_code.unwrap_or(0))
    }

    /// What essential containers write, unless a fault says otherwise.
    pub(in crate::local) fn log(&self) -> Option<Arc<[String]>> {
        self.script.log.clone()
    }

    /// The first fault that strikes this call.
    pub(in crate::local) fn for_call(&mut self, subject: &Subject<'_>) -> Option<CallFault> {
        (0..self.script.rules.len()).find_map(|index| match &self.script.rules[index].effect {
            Effect::Call(fault) => {
                let fault = fault.clone();
                self.strikes(index, subject).then_some(fault)
            }
            _ => None,
        })
    }

    /// Everything that strikes this launch; of each kind the first.
    pub(in crate::local) fn for_launch(&mut self, subject: &Subject<'_>) -> Decision {
        let mut decision = Decision::default();
        for index in 0..self.script.rules.len() {
            let wanted = match &self.script.rules[index].effect {
                Effect::Life(_) => decision.life.is_none() && decision.refuse.is_none(),
                Effect::Refuse(_) => decision.life.is_none() && decision.refuse.is_none(),
                Effect::Missing(_) => decision.missing.is_none(),
                Effect::LogLate(_) => decision.log_late.is_none(),
                Effect::LogEmptyPages => !decision.log_empty_pages,
                Effect::Early(_) => decision.early.is_none(),
                Effect::Work => decision.seconds.is_none() && decision.exit_code.is_none() && decision.log.is_none(),
                Effect::Call(_) | Effect::Delivery(_) => false,
            };
            if !wanted || !self.strikes(index, subject) {
                continue;
            }
            let rule = &self.script.rules[index];
            if let Some(log) = &rule.log {
                decision.log.get_or_insert_with(|| Arc::clone(log));
            }
            match &rule.effect {
                Effect::Life(life) => decision.life = Some(life.clone()),
                Effect::Refuse(refusal) => decision.refuse = Some(refusal.clone()),
                Effect::Missing(span) => decision.missing = Some(*span),
                Effect::LogLate(span) => decision.log_late = Some(*span),
                Effect::LogEmptyPages => decision.log_empty_pages = true,
                Effect::Early(status) => decision.early = Some(status.clone()),
                Effect::Work => (decision.seconds, decision.exit_code) = (rule.seconds, rule.exit_code),
                Effect::Call(_) | Effect::Delivery(_) => {}
            }
        }
        decision
    }

    /// What happens to this event on its way: every rule that strikes counts.
    pub(in crate::local) fn for_event(&mut self, subject: &Subject<'_>) -> Delivery {
        self.deliveries(subject, |when| when.operation.is_none())
    }

    /// What happens to the record of a call on its way.
    pub(in crate::local) fn for_record(&mut self, subject: &Subject<'_>) -> Delivery {
        self.deliveries(subject, |when| when.operation.is_some())
    }

    fn deliveries(&mut self, subject: &Subject<'_>, is_of: fn(&When) -> bool) -> Delivery {
        let mut all = Delivery { copies: 1, ..Delivery::default() };
        for index in 0..self.script.rules.len() {
            let Effect::Delivery(one) = &self.script.rules[index].effect else { continue };
            let one = one.clone();
            if is_of(&self.script.rules[index].when) && self.strikes(index, subject) {
                all.drop |= one.drop;
                all.copies = all.copies.max(one.copies);
                all.delay = one.delay.or(all.delay);
                all.reorder |= one.reorder;
                all.hold = one.hold.or(all.hold);
            }
        }
        all
    }

    /// How often each rule has struck, by name.
    pub(in crate::local) fn hits(&self) -> BTreeMap<String, u64> {
        let mut hits = BTreeMap::new();
        for (rule, n) in self.script.rules.iter().zip(&self.hits) {
            *hits.entry(rule.name.clone()).or_insert(0) += n;
        }
        hits
    }

    fn strikes(&mut self, index: usize, subject: &Subject<'_>) -> bool {
        let Rule { when, .. } = &self.script.rules[index];
        let struck = fits(when, subject)
            && when.count.is_none_or(|most| self.hits[index] < most)
            && when.probability.is_none_or(|p| unit(hash_of(&(self.seed, index, subject.key))) < p);
        if struck {
            self.hits[index] += 1;
        }
        struck
    }
}

fn fits(when: &When, subject: &Subject<'_>) -> bool {
    let is = |glob: &Option<Glob>, text: &str| glob.as_ref().is_none_or(|g| g.matches(text));
    is(&when.operation, subject.operation)
        && is(&when.cluster, subject.cluster)
        && is(&when.family, subject.family)
        && is_definition(when, subject)
        && when.image.as_ref().is_none_or(|g| subject.images.iter().any(|image| g.matches(image)))
        && is(&when.launch_type, subject.launch_type)
        && is(&when.capacity_provider, subject.capacity_provider)
        && is(&when.started_by, subject.started_by)
        && when.subnet.as_ref().is_none_or(|g| subject.subnets.iter().any(|s| g.matches(s)))
        && when.last_status.as_ref().is_none_or(|all| all.iter().any(|g| g.matches(subject.last_status)))
        && when.attempt.as_ref().is_none_or(|all| all.iter().any(|(a, b)| (*a..=*b).contains(&subject.attempt)))
        && when.from.is_none_or(|from| subject.seconds >= from)
        && when.until.is_none_or(|until| subject.seconds < until)
}

/// A family stands for all of its revisions.
fn is_definition(when: &When, subject: &Subject<'_>) -> bool {
    let is = |glob: &Glob| glob.matches(subject.task_definition) || glob.matches(subject.family);
    when.task_definition.as_ref().is_none_or(is)
}

/// A hash that is the same in every process.
pub(in crate::local) fn hash_of(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// A hash as a number from 0 to 1.
fn unit(hash: u64) -> f64 {
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
