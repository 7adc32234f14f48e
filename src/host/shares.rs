//! A process's shares of its fleet's launch quotas: what it says that it wants, and what it may use by what all say.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Quotas;
use super::rows;
use crate::cell::{Cell, CellConfig, Demand, FleetLimits, Quota, Shares, Spent};
use crate::fleet::{Claim, HOLD, Member, Places, Share, Want, split};
use crate::store::dynamo::{FleetRows, ProcessRow};

/// Queues that a process names, those with most runs.
const QUEUES: usize = 20;
/// What one who wants nothing has of a quota all the same: his first launches need not wait for his share to rise.
const LEAST: f64 = 0.02;
/// Over so long it is measured what is used.
const MEASURED: Duration = Duration::from_secs(10);
/// A process wants what launches all that waits within so long. If it wanted all at once, one to which a hundred runs come now and
/// then would hold as much of the quota as one with thousands, and leave most of it unused.
const WITHIN: f64 = 10.0;
/// Which queues' runs waited is said on for a while, less by a factor of e in so long: runs come in bursts, and a weight that fell
/// between two of them would rise too late for the next one.
const REMEMBERED: Duration = Duration::from_secs(10);
/// The weight of one who has nothing to launch.
const LEAST_WEIGHT: f64 = 0.1;

/// What a process says of its demand.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Wanted {
    /// Tasks and calls a second.
    fargate: f64,
    spot: f64,
    fargate_calls: f64,
    calls: f64,
    /// Most tasks that it may have.
    claim: usize,
    /// Runs that have tasks, and that wait for one.
    in_flight: f64,
    waiting: f64,
    queues: BTreeMap<String, usize>,
}

/// What waits for its launch, and which queues' runs lately waited.
#[derive(Default)]
struct Waiting {
    at: Duration,
    fargate: f64,
    spot: f64,
    others: f64,
    queues: BTreeMap<String, f64>,
}

impl Waiting {
    /// So much waits now, in all cells of the process.
    fn note(&mut self, now: Duration, demands: &[Demand], queues: BTreeMap<String, usize>) {
        let left = (-now.saturating_sub(self.at).as_secs_f64() / REMEMBERED.as_secs_f64()).exp();
        let sum = |of: fn(&Demand) -> usize| demands.iter().map(of).sum::<usize>() as f64;
        self.at = now;
        self.fargate = sum(|demand| demand.fargate);
        self.spot = sum(|demand| demand.spot);
        self.others = sum(|demand| demand.others);
        self.queues.values_mut().for_each(|runs| *runs *= left);
        for (queue, runs) in queues {
            let before = self.queues.entry(queue).or_default();
            *before = before.max(runs as f64);
        }
        self.queues.retain(|_, runs| *runs >= 0.5);
    }

    fn all(&self) -> f64 {
        self.fargate + self.spot + self.others
    }
}

/// Runs that wait, by queue.
fn queues(demands: &[Demand]) -> BTreeMap<String, usize> {
    let mut queues = BTreeMap::<String, usize>::new();
    for (queue, runs) in demands.iter().flat_map(|demand| &demand.queues) {
        *queues.entry(queue.clone()).or_default() += runs;
    }
    queues
}

/// Tasks at once.
struct InFlight {
    places: Places,
    /// 1 for one who may act, and has watched the others for long enough to know what those claimed who are gone; else 0.
    may: Share,
}

impl InFlight {
    const fn new() -> Self {
        Self { places: Places::new(HOLD), may: Share::new(HOLD) }
    }

    fn limit(&self, now: Duration) -> usize {
        if self.may.rate(now) > 0.0 { self.places.limit() } else { 0 }
    }
}

/// The shares of one process.
pub(super) struct ProcessShares {
    /// As the settings have them.
    settings: Quotas,
    /// Those in force.
    quotas: Quotas,
    quota: Quota,
    fargate: Share,
    spot: Share,
    fargate_calls: Share,
    calls: Share,
    reads: Share,
    in_flight: InFlight,
    spent: VecDeque<(Duration, Spent)>,
    waiting: Waiting,
}

impl ProcessShares {
    pub(super) fn new(quotas: Quotas) -> Self {
        let quota = Quota::new((quotas.run_task_rate, quotas.run_task_burst), quotas.call_rates, quotas.describe_share);
        let new = || Share::new(HOLD);
        let mut shares = Self {
            settings: quotas,
            quotas,
            quota,
            fargate: new(),
            spot: new(),
            fargate_calls: new(),
            calls: new(),
            reads: new(),
            in_flight: InFlight::new(),
            spent: VecDeque::new(),
            waiting: Waiting::default(),
        };
        shares.begin();
        shares
    }

    /// The quotas that the process's cells share.
    pub(super) fn quota(&self) -> Quota {
        self.quota.clone()
    }

    /// Operators changed what the fleet may do.
    pub(super) fn follow(&mut self, limits: &FleetLimits) {
        let mut settings = CellConfig::new("");
        let Quotas { run_task_rate, run_task_burst, max_in_flight, .. } = self.settings;
        (settings.run_task_rate, settings.run_task_burst, settings.max_in_flight) =
            (run_task_rate, run_task_burst, max_in_flight);
        let in_force = limits.in_force(&settings);
        self.quotas.run_task_rate = in_force.run_task_rate;
        self.quotas.run_task_burst = in_force.run_task_burst;
        self.quotas.max_in_flight = in_force.max_in_flight;
    }

    fn all(&mut self) -> [&mut Share; 6] {
        let Self { fargate, spot, fargate_calls, calls, reads, in_flight, .. } = self;
        [fargate, spot, fargate_calls, calls, reads, &mut in_flight.may]
    }

    /// A new incarnation, which has nothing yet.
    pub(super) fn begin(&mut self) {
        self.all().into_iter().for_each(|share| *share = Share::new(HOLD));
        self.in_flight = InFlight::new();
        self.quota.set_shares(&Shares::all(0.0), 0);
    }

    /// What the process's next beat says, and how much each of its cells weighs beside the others.
    pub(super) fn demand<'c>(&mut self, now: Duration, cells: impl Iterator<Item = &'c Cell>) -> String {
        let (cells, demands): (Vec<&Cell>, Vec<Demand>) = cells.map(|cell| (cell, cell.demand())).unzip();
        let queues = queues(&demands);
        for (cell, demand) in cells.iter().zip(&demands) {
            cell.set_weight(weight(&demand.queues, &queues));
        }
        self.waiting.note(now, &demands, queues);
        let in_flight = self.quota.in_flight();
        serde_json::to_string(&self.wanted(now, in_flight)).unwrap_or_default()
    }

    fn wanted(&mut self, now: Duration, in_flight: usize) -> Wanted {
        let claim = self.in_flight.places.claims(in_flight);
        let used = self.used(now);
        let waiting = &self.waiting;
        Wanted {
            fargate: waiting.fargate / WITHIN + used.fargate,
            spot: waiting.spot / WITHIN + used.spot,
            fargate_calls: (waiting.fargate + waiting.spot) / WITHIN + used.fargate_calls,
            calls: waiting.all() / WITHIN + used.calls,
            claim,
            in_flight: in_flight as f64,
            waiting: waiting.all(),
            queues: largest(waiting.queues.iter().map(|(queue, runs)| (queue.clone(), runs.ceil() as usize))),
        }
    }

    /// A second, over the last while.
    fn used(&mut self, now: Duration) -> Spent {
        let spent = self.quota.spent();
        self.spent.push_back((now, spent));
        while self.spent.get(1).is_some_and(|(at, _)| *at + MEASURED <= now) {
            self.spent.pop_front();
        }
        let (at, before) = self.spent.front().copied().unwrap_or((now, spent));
        let seconds = now.saturating_sub(at).as_secs_f64().max(1.0);
        let rate = |of: fn(&Spent) -> f64| (of(&spent) - of(&before)) / seconds;
        Spent {
            fargate: rate(|s| s.fargate),
            spot: rate(|s| s.spot),
            fargate_calls: rate(|s| s.fargate_calls),
            calls: rate(|s| s.calls),
        }
    }

    /// A beat that was sent then is confirmed.
    pub(super) fn confirmed(&mut self, sent_at: Duration) {
        self.all().into_iter().for_each(|share| share.confirmed(sent_at));
        self.in_flight.places.confirmed();
    }

    /// Whether its next beat claims the first tasks that it may have: until then it launches nothing.
    pub(super) const fn is_about_to_launch(&self) -> bool {
        self.in_flight.places.is_about_to_have_some()
    }

    /// Whether there are tasks of this process, or of cells that it gave back and that nobody else counts yet.
    pub(super) fn has_tasks(&self) -> bool {
        self.quota.in_flight() > 0
    }

    /// Takes in what all say that they want.
    pub(super) fn read(&mut self, read_at: Duration, rows: &FleetRows, member: &Member, is_alone: bool) {
        if is_alone {
            self.all().into_iter().for_each(|share| share.alone(read_at));
        }
        let mut wanted: BTreeMap<&str, Wanted> =
            rows.processes.iter().map(|row| (&*row.id, self.read_row(row))).collect();
        let serving = rows.processes.iter().filter(|row| !row.is_leaving && rows::counts_some(row));
        let serving = serving.map(|row| &*row.id).filter(|id| member.sees_alive(id, read_at)).collect();
        let elsewhere = rows::counted(rows).filter(|(by, _)| *by != member.id());
        self.in_flight.places.gave(self.quota.counted_elsewhere(elsewhere.map(|(_, cell)| cell)));
        let claims = claims(&wanted, &serving);
        self.in_flight.places.read(read_at, self.quotas.max_in_flight, member.id(), &claims);
        wanted.retain(|id, _| member.sees_alive(id, read_at));
        let parts = self.parts(member.id(), &wanted);
        for (share, part) in self.all().into_iter().zip(parts) {
            share.computed(read_at, part);
        }
    }

    /// What a row says; one that says nothing that can be read wants all there is.
    fn read_row(&self, row: &ProcessRow) -> Wanted {
        let all = f64::from(u32::MAX);
        let everything = Wanted { fargate: all, spot: all, fargate_calls: all, calls: all, ..Wanted::default() };
        serde_json::from_str(&row.demand).unwrap_or(everything)
    }

    /// This process's part of each quota, in the order of [`Self::all`].
    fn parts(&self, own: &str, wanted: &BTreeMap<&str, Wanted>) -> [f64; 6] {
        let queues = queues_of(wanted.values());
        let part = |demand: &dyn Fn(&Wanted) -> f64, quota: f64| {
            let want = |wanted: &Wanted| Want { demand: demand(wanted), weight: weight(&wanted.queues, &queues) };
            let wants: BTreeMap<&str, Want> = wanted.iter().map(|(id, wanted)| (*id, want(wanted))).collect();
            split(quota, &wants).get(own).copied().unwrap_or_default()
        };
        let of_rate = |demand: f64, rate: f64| (demand / rate).clamp(LEAST, 1.0);
        let Quotas { run_task_rate: rate, call_rates, .. } = self.quotas;
        [
            part(&|wanted| of_rate(wanted.fargate, rate), 1.0),
            part(&|wanted| of_rate(wanted.spot, rate), 1.0),
            part(&|wanted| of_rate(wanted.fargate_calls, call_rates.fargate(rate)), 1.0),
            part(&|wanted| of_rate(wanted.calls, call_rates.modify(rate)), 1.0),
            1.0 / wanted.len().max(1) as f64,
            1.0,
        ]
    }

    /// Has the cells keep to what is this process's now.
    pub(super) fn apply(&self, now: Duration) {
        let shares = Shares {
            fargate: self.fargate.rate(now),
            spot: self.spot.rate(now),
            fargate_calls: self.fargate_calls.rate(now),
            calls: self.calls.rate(now),
            reads: self.reads.rate(now),
        };
        self.quota.set_shares(&shares, self.in_flight.limit(now));
    }
}

/// Runs that wait or lately waited, of all processes by queue.
fn queues_of<'a>(wanted: impl Iterator<Item = &'a Wanted>) -> BTreeMap<String, usize> {
    let mut queues = BTreeMap::<String, usize>::new();
    for (queue, runs) in wanted.flat_map(|wanted| &wanted.queues) {
        *queues.entry(queue.clone()).or_default() += runs;
    }
    queues
}

/// What each process claims of the tasks at once; `serving` are those that may launch some.
fn claims<'a>(wanted: &BTreeMap<&'a str, Wanted>, serving: &BTreeSet<&str>) -> BTreeMap<&'a str, Claim> {
    let is_serving = |id: &str| serving.contains(id);
    let queues = queues_of(wanted.iter().filter(|(id, _)| is_serving(id)).map(|(_, wanted)| wanted));
    let claim = |id: &str, wanted: &Wanted| Claim {
        // An older release claims nothing, and has tasks all the same.
        places: wanted.claim.max(wanted.in_flight as usize),
        wanted: (wanted.in_flight + wanted.waiting) as usize,
        weight: weight(&wanted.queues, &queues),
        takes_part: is_serving(id),
    };
    wanted.iter().map(|(id, wanted)| (*id, claim(id, wanted))).collect()
}

/// How many of all queues are a part's: of each queue as much as the part has of its runs.
fn weight(part: &BTreeMap<String, usize>, all: &BTreeMap<String, usize>) -> f64 {
    let of = |(queue, runs): (&String, &usize)| *runs as f64 / all.get(queue).copied().unwrap_or(1).max(1) as f64;
    part.iter().map(of).sum::<f64>().max(LEAST_WEIGHT)
}

fn largest(queues: impl Iterator<Item = (String, usize)>) -> BTreeMap<String, usize> {
    let mut queues: Vec<(String, usize)> = queues.collect();
    queues.sort_unstable_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    queues.truncate(QUEUES);
    queues.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::CallRates;
    use crate::fleet::BEAT;

    const QUOTAS: Quotas = Quotas {
        run_task_rate: 20.0,
        run_task_burst: 100,
        call_rates: CallRates::USUAL,
        max_in_flight: 1_000,
        describe_share: 0.1,
    };

    fn wanted(fargate: f64, in_flight: f64, queues: &[(&str, usize)]) -> Wanted {
        let queues = queues.iter().map(|(queue, runs)| ((*queue).to_owned(), *runs)).collect();
        Wanted {
            fargate,
            calls: fargate,
            fargate_calls: fargate,
            in_flight,
            waiting: fargate,
            queues,
            ..Wanted::default()
        }
    }

    fn parts(own: &str, all: [Wanted; 2]) -> [f64; 6] {
        ProcessShares::new(QUOTAS).parts(own, &["a", "b"].into_iter().zip(all).collect())
    }

    #[tokio::test]
    async fn a_queue_has_its_part_wherever_its_runs_are() {
        let both = || [wanted(9_000.0, 0.0, &[("large", 9_000)]), wanted(40.0, 0.0, &[("small", 20), ("other", 20)])];
        assert_eq!((parts("a", both())[0] * 3.0, parts("b", both())[0] * 3.0), (1.0, 2.0), "one of three queues");
        let split = || [wanted(500.0, 0.0, &[("q", 500)]), wanted(1_500.0, 0.0, &[("q", 1_500)])];
        assert_eq!((parts("a", split())[0], parts("b", split())[0]), (0.25, 0.75), "as its runs are spread");
        let idle = || [wanted(500.0, 0.0, &[("q", 500)]), wanted(0.0, 0.0, &[])];
        assert_eq!((parts("a", idle())[0], parts("b", idle())[0]), (0.98, LEAST), "and who has none keeps a little");
    }

    #[tokio::test]
    async fn what_waits_is_wanted_within_ten_seconds_and_its_queue_is_said_on_for_a_while() {
        let mut shares = ProcessShares::new(QUOTAS);
        let burst = Demand { fargate: 100, queues: BTreeMap::from([("q".to_owned(), 100)]), ..Demand::default() };
        let mut says = |seconds: u64, demands: &[Demand]| {
            let now = Duration::from_secs(seconds);
            shares.waiting.note(now, demands, queues(demands));
            let wanted = shares.wanted(now, 0);
            (wanted.fargate, wanted.queues.get("q").copied())
        };
        assert_eq!(says(10, &[burst.clone(), burst.clone()]), (20.0, Some(200)), "of both cells, within ten seconds");
        assert_eq!(says(20, &[Demand::default()]), (0.0, Some(74)), "a third of the queue's is left");
        assert_eq!(says(21, &[burst]), (10.0, Some(100)), "what waits now counts, if it is more");
        assert_eq!(says(81, &[]), (0.0, None), "and it is forgotten");
    }

    /// What each of so many processes may have in flight, once they have beaten and read for a while; the first has most runs.
    fn limits(max_in_flight: usize, waiting: &[usize]) -> Vec<usize> {
        let mut all: Vec<ProcessShares> =
            waiting.iter().map(|_| ProcessShares::new(Quotas { max_in_flight, ..QUOTAS })).collect();
        let names: Vec<String> = (0..all.len()).map(|n| format!("p{n}")).collect();
        let serving = names.iter().map(String::as_str).collect();
        let mut said: Vec<Wanted> = vec![Wanted::default(); all.len()];
        for beat in 0..10 {
            for (n, shares) in all.iter_mut().enumerate() {
                let claim = shares.in_flight.places.claims(0);
                said[n] = Wanted { claim, ..wanted(waiting[n] as f64, 0.0, &[("q", waiting[n])]) };
                shares.in_flight.places.confirmed();
                let rows: BTreeMap<&str, Wanted> = names.iter().map(String::as_str).zip(said.iter().cloned()).collect();
                shares.in_flight.places.read(BEAT * beat, max_in_flight, &names[n], &claims(&rows, &serving));
            }
            let sum = all.iter().map(|shares| shares.in_flight.places.limit()).sum::<usize>();
            assert!(sum <= max_in_flight, "{sum}");
        }
        all.iter().map(|shares| shares.in_flight.places.limit()).collect()
    }

    #[tokio::test]
    async fn few_tasks_at_once_are_divided_whole_and_none_is_left_over() {
        assert_eq!(limits(1, &[5, 0]), [1, 0], "an owner and one that has nothing to launch");
        assert_eq!(limits(1, &[0, 5]), [0, 1]);
        assert_eq!(limits(33, &[1_000, 0]), [32, 1], "whoever has nothing to launch keeps one for its first run");
        for (processes, most) in (2..=4).flat_map(|processes| [1, 3, 33].map(|most| (processes, most))) {
            let limits = limits(most, &vec![100; processes]);
            assert_eq!(limits.iter().sum::<usize>(), most, "{limits:?}");
            assert!(
                limits.iter().max().zip(limits.iter().min()).is_some_and(|(one, other)| one - other <= 1),
                "{limits:?}"
            );
        }
    }
}
