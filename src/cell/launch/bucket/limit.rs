//! Finds the rate that AWS grants, from which calls it throttles, and tells a real limit from throttles that have nothing
//! to do with our rate (another tenant of the account, AWS's own trouble).
//!
//! What tells them apart is whether they go away. Above a real limit `R` the share of throttled calls is what is sent too
//! much, `(S - R) / S`: a little below what went through, nothing is throttled any more. Throttles at random have the same
//! share at every rate. So:
//!
//! - **Alarm.** Every call is weighed as it is sent and as it is throttled, by the likelihood that more are throttled than
//!   the known noise (CUSUM: E. S. Page, "Continuous inspection schemes", Biometrika 41, 1954). It takes as many calls at
//!   every rate, so that no length of a window has to fit 2 and 200 a second.
//! - **Cut.** To what went through lately, not by half: one or two cuts find a limit that is a tenth of the rate. There is
//!   one cut a second at most; calls sent before a cut say nothing about the rate after it.
//! - **Test.** The next 100 calls go at 75 % of what went through. If throttles went away, there is a limit. If another 100
//!   calls have as many, and those before the cut had no more, the share is noise: it is remembered, and the rate is what it
//!   was. More than 15 % is never taken for noise: the rate is cut again. What was taken for noise is tested again after
//!   5,000 calls, for a limit may hide in it.
//! - **Growth.** Around a limit the rate grows as CUBIC's window does (RFC 9438, section 4.2): `W(t) = C (t - K)^3 + Wmax`.
//!   It comes back to the limit quickly, stays near it for long, which is why few calls are throttled, and then leaves it
//!   faster and faster, which finds a limit that rose. Additive increase (as TCP Reno has it) is either slow to find that, or
//!   is throttled often. `Wmax` is what went through when the rate was cut. RFC 9438 has `K = cbrt(Wmax (1 - beta) / C)`;
//!   here `C` is what makes `K` 20 s, or 300 calls where those take longer, 150 s at most: each cycle costs two or three
//!   throttled calls and has to have several hundred for them to stay under 1 %.
//! - **Search.** When nothing at all went through there is no limit to grow around: the rate doubles with each ten calls
//!   that go through, once a second at most.

use std::time::Duration;

use tokio::time::Instant;

use super::sample::{FEW, Meter, SECOND, Sample};

/// What a test leaves of the rate that went through, and what is left after it around a limit.
const TESTED: f64 = 0.75;
const KEPT: f64 = 0.85;
/// Calls that show whether throttles go away with the rate.
const TEST: u32 = 100;
/// A larger share of throttled calls is a limit, whatever a test says.
const MOST_NOISE: f64 = 0.15;
/// With less noise than this, two throttles in 30 calls are an alarm.
const LEAST_NOISE: f64 = 0.002;
/// The weight of an alarm. Where throttles are rare it takes two or three; in noise more, for an alarm without cause costs
/// a test.
const ALARM: f64 = 5.0;
const ALARM_IN_NOISE: f64 = 12.0;
/// Deviations that are no chance.
const SURE: f64 = 2.5;
/// From here on it is noise.
const NOISE: f64 = 0.02;
/// What is taken for noise is tested again after so many calls: a limit must not hide in it.
const TEST_AGAIN: u32 = 5_000;
/// Calls after which less noise is believed.
const BELIEVE: u32 = 500;
/// Until CUBIC is back at the limit: a time, or calls if those take longer.
const RETURN: Duration = Duration::from_secs(20);
const RETURN_CALLS: f64 = 300.0;
const LONGEST_RETURN: Duration = Duration::from_secs(150);
/// So many returns after a cut, well above the limit that was known, it no longer holds...
const GONE: f64 = 2.5;
/// ... and the growth goes on in this time.
const FAST: Duration = Duration::from_secs(5);
/// A pause between calls counts as no more than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Where too few calls went out to know what goes through, so much is left.
const UNMEASURED: f64 = 0.3;
/// Share of the rate that is left when nothing goes through, and when a little does.
const LEAST_SHARE: f64 = 0.05;
const LEAST_FOUND: f64 = 0.005;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    /// Only the rate that was set holds.
    Free,
    /// Around a limit.
    Growth(Growth),
    /// Whether throttles go away with the rate.
    Test(Cut),
    /// Nothing went through: the rate doubles with what does.
    Search { passed: u32, since: Instant },
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Growth {
    limit: f64,
    /// How long it takes to come back to the limit.
    back: Duration,
    /// How often that time has passed.
    returns: f64,
}

impl Growth {
    fn rate(&self) -> f64 {
        self.limit * (1.0 + (1.0 - KEPT) * (self.returns - 1.0).powi(3))
    }
}

/// What has to be known of a cut once its test is over.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Cut {
    /// The rate before it.
    before: f64,
    /// What went through: the limit, if there is one.
    limit: f64,
    /// The growth that it broke off, if there was a limit.
    growth: Option<Growth>,
    /// What led to it.
    alarm: Sample,
    /// All since the rate was last changed.
    run: Sample,
    /// The first half of the test, if as many were throttled in it.
    half: Option<Sample>,
    /// There was no alarm: what was taken for noise is tested again.
    again: bool,
}

/// How much of a rate AWS grants.
#[derive(Debug)]
pub(super) struct Limit {
    /// The rate that must not be exceeded.
    set: f64,
    /// What AWS grants; of a test more than the rate that is set, if that fell meanwhile.
    allowed: f64,
    phase: Phase,
    /// Rises with each cut. A call remembers it.
    generation: u64,
    /// When the rate was last cut or given back.
    changed: Option<Instant>,
    grown: Instant,
    /// How likely it is that more are throttled than the noise explains.
    suspicion: f64,
    meter: Meter,
    /// Calls outside of tests since the last one; old ones count less.
    usual: Sample,
    /// Calls of tests: what is throttled among them is noise.
    quiet: Sample,
    /// Calls since the last test.
    untested: u32,
    /// Calls of the test that goes on.
    test: Sample,
}

impl Limit {
    pub(super) fn new(rate: f64, now: Instant) -> Self {
        Self {
            set: rate,
            allowed: rate,
            phase: Phase::Free,
            generation: 0,
            changed: None,
            grown: now,
            suspicion: 0.0,
            meter: Meter::new(now),
            usual: Sample::default(),
            quiet: Sample::default(),
            untested: 0,
            test: Sample::default(),
        }
    }

    /// Another rate that must not be exceeded.
    pub(super) fn set(&mut self, rate: f64) {
        self.set = rate;
        match &mut self.phase {
            // Its rate is kept: at less, the calls that it needs would take too long when the rate that is set rises again.
            Phase::Test(cut) => cut.before = if cut.growth.is_none() { rate } else { cut.before.min(rate) },
            Phase::Free => self.allow(rate),
            Phase::Growth(_) | Phase::Search { .. } => self.allow(self.allowed),
        }
    }

    /// Another share of a rate that others have a part of too. What AWS was found to grant is theirs by the same shares: all
    /// that is known of it changes as the share does.
    pub(super) fn share(&mut self, rate: f64) {
        let by = rate / self.set;
        self.set = rate;
        self.allowed = if self.is_free() { rate } else { self.allowed * by };
        match &mut self.phase {
            Phase::Free | Phase::Search { .. } => {}
            Phase::Growth(growth) => growth.limit *= by,
            Phase::Test(cut) => {
                cut.before *= by;
                cut.limit *= by;
                cut.growth = cut.growth.map(|growth| Growth { limit: growth.limit * by, ..growth });
            }
        }
    }

    /// Tokens a second.
    pub(super) fn rate(&self) -> f64 {
        self.allowed.min(self.set)
    }

    /// Whether only the rate that was set holds.
    pub(super) fn is_free(&self) -> bool {
        self.phase == Phase::Free
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// A call for so many tokens goes out.
    pub(super) fn sent(&mut self, tokens: f64, now: Instant) {
        self.meter.sent(tokens, now);
        let (pass, _) = self.weights();
        self.suspicion = (self.suspicion + pass).max(0.0);
        if self.is_test() {
            return self.test.sent(tokens);
        }
        self.usual.sent(tokens);
        self.untested += 1;
        if self.usual.calls >= 2 * BELIEVE {
            self.usual = self.usual.half();
        }
        if self.usual.calls >= BELIEVE {
            self.believe();
        }
        let noisy = self.noise() > 2.0 * LEAST_NOISE && !matches!(self.phase, Phase::Search { .. });
        if noisy && self.untested >= TEST_AGAIN {
            self.cut(true, now);
        }
    }

    /// A call of this generation was throttled; whether the rate was cut for it.
    pub(super) fn throttled(&mut self, generation: u64, tokens: f64, now: Instant) -> bool {
        if generation != self.generation {
            return false;
        }
        self.meter.throttled(tokens);
        if self.is_test() { &mut self.test } else { &mut self.usual }.throttled(tokens);
        let (pass, hit) = self.weights();
        self.suspicion += hit - pass;
        let alarm = if self.noise() >= NOISE { ALARM_IN_NOISE } else { ALARM };
        let cuts = self.suspicion >= alarm && self.may_cut(now);
        if cuts {
            self.cut(false, now);
        }
        cuts
    }

    /// A call went through.
    pub(super) fn succeeded(&mut self, now: Instant) {
        let since = now.saturating_duration_since(self.grown).min(LONGEST_PAUSE).as_secs_f64();
        self.grown = now;
        match &mut self.phase {
            Phase::Free => {}
            Phase::Growth(growth) => {
                let time = if growth.returns < GONE { growth.back } else { FAST };
                growth.returns += since / time.as_secs_f64();
                let rate = growth.rate();
                self.allow(rate);
            }
            Phase::Search { passed, since } => {
                *passed += 1;
                if *passed >= FEW && now.saturating_duration_since(*since) >= SECOND {
                    (*passed, *since) = (0, now);
                    self.allow(self.allowed * 2.0);
                }
            }
            Phase::Test(cut) => {
                let cut = *cut;
                if self.test.calls >= TEST && self.may_cut(now) {
                    self.judge(cut, now);
                }
            }
        }
    }

    /// What is usual is an upper bound of the noise, of which there may be less by now.
    fn believe(&mut self) {
        if self.quiet.above(self.usual) > SURE {
            self.quiet = self.usual;
        }
    }

    /// Share of calls that are throttled whatever the rate is: that of tests, at a rate below what went through.
    fn noise(&self) -> f64 {
        self.quiet.share().min(MOST_NOISE)
    }

    fn is_test(&self) -> bool {
        matches!(self.phase, Phase::Test(_))
    }

    fn may_cut(&self, now: Instant) -> bool {
        self.changed.is_none_or(|at| now.saturating_duration_since(at) >= SECOND)
    }

    fn allow(&mut self, rate: f64) {
        self.allowed = rate.min(self.set);
        if self.allowed >= self.set && !self.is_test() {
            self.phase = Phase::Free;
        }
    }

    /// What a call that was sent adds to the suspicion, and what one that was throttled does.
    fn weights(&self) -> (f64, f64) {
        let usual = if self.is_test() { MOST_NOISE } else { self.noise().max(LEAST_NOISE) };
        let more = 2.0 * usual + 0.05;
        (((1.0 - more) / (1.0 - usual)).ln(), (more / usual).ln())
    }

    fn cut(&mut self, again: bool, now: Instant) {
        let (delivered, known) = self.meter.delivered(now);
        let before = self.rate();
        if delivered > 0.0 {
            let growth = match self.phase {
                Phase::Free => None,
                Phase::Growth(growth) => Some(growth),
                Phase::Test(_) | Phase::Search { .. } => Some(Growth { limit: before, back: RETURN, returns: 1.0 }),
            };
            let least = if known { LEAST_FOUND * self.set } else { (UNMEASURED * before).max(LEAST_SHARE * self.set) };
            // What is throttled at random never reaches the limit.
            let limit = (delivered / (1.0 - self.noise())).max(least).min(before);
            // What was granted before is granted for certain, where only AWS's burst may have let more through.
            let sure = growth.map_or(limit, |growth| growth.limit.min(limit));
            self.allowed = (TESTED * sure).max(least).min(before);
            let (alarm, run) = (self.meter.sample(), if self.is_test() { self.test } else { self.usual });
            self.phase = Phase::Test(Cut { before, limit, growth, alarm, run, half: None, again });
        } else {
            self.allowed = (before / 2.0).max(LEAST_SHARE * self.set).min(before);
            self.phase = Phase::Search { passed: 0, since: now };
        }
        self.generation += 1;
        self.begin(now);
    }

    /// Measures anew.
    fn begin(&mut self, now: Instant) {
        self.changed = Some(now);
        self.grown = now;
        self.suspicion = 0.0;
        self.meter = Meter::new(now);
        self.test = Sample::default();
        self.untested = 0;
    }

    /// What the test of a cut has shown.
    fn judge(&mut self, cut: Cut, now: Instant) {
        let test = self.test;
        if test.share() > MOST_NOISE {
            return self.cut(false, now);
        }
        let whole = test.plus(cut.half.unwrap_or_default());
        let stays = match cut.again {
            true => whole.share() >= 0.6 * self.noise(),
            false => test.share() > 1.5 * self.noise() + 0.015,
        };
        if cut.half.is_none() && (stays || cut.again) {
            self.phase = Phase::Test(Cut { half: Some(test), ..cut });
            self.test = Sample::default();
            self.changed = Some(now);
            return;
        }
        let half = cut.half.unwrap_or(test);
        // If more were throttled before, or more and more are, the rate is still above a limit.
        let changes = [cut.alarm.above(whole), cut.run.above(whole), half.above(test), test.above(half)];
        let same = changes.into_iter().all(|deviations| deviations < SURE);
        if stays && !same {
            return self.cut(false, now);
        }
        // At the beginning of a test those come again that were throttled before it.
        self.learn(if stays || cut.again { whole } else { test }, stays);
        self.begin(now);
        if stays {
            self.phase = cut.growth.map_or(Phase::Free, Phase::Growth);
            self.allow(cut.before);
        } else {
            self.grow_around(cut, test);
        }
    }

    /// Noise as a test has shown it. Where throttles went away, what was noise before counts less.
    fn learn(&mut self, test: Sample, stays: bool) {
        self.quiet = if stays { self.quiet } else { self.quiet.half() }.plus(test);
        if self.quiet.calls >= 4 * BELIEVE {
            self.quiet = self.quiet.half();
        }
        self.usual = Sample::default();
    }

    fn grow_around(&mut self, cut: Cut, test: Sample) {
        // RFC 9438, section 4.7: throttled below the limit that was known, it has fallen, or was taken for too high.
        let fell = self.noise() < NOISE && cut.growth.is_some_and(|growth| cut.before < growth.limit);
        let limit = cut.limit * if fell { (1.0 + KEPT) / 2.0 } else { 1.0 };
        let calls = limit * f64::from(test.calls) / test.tokens.max(1.0);
        let back = Duration::from_secs_f64(RETURN_CALLS / calls.max(0.1)).clamp(RETURN, LONGEST_RETURN);
        // A first cut tells little: what went through may have been all that there was to send.
        let back = if cut.growth.is_none() { back / 4 } else { back };
        let growth = Growth { limit, back, returns: 0.0 };
        self.phase = Phase::Growth(growth);
        self.allow(growth.rate());
    }
}
