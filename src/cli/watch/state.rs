//! What is known and what is looked at. It changes by messages only, asks for what it needs by effects, and does nothing itself.

use std::collections::VecDeque;
use std::time::Duration;

use super::causes::Causes;
use super::data::{Counted, Full, Page, Row, Summary};
use super::filter::Filter;
use super::list::{List, Question};
use super::order::{Order, Subject};
use crate::core::name::request_of;
use crate::core::time::Timestamp;

/// Launch rates that are kept: one a second.
const RATES: usize = 300;
/// So long a word to the reader stays.
const NOTICE: Duration = Duration::from_secs(10);
/// The cell is asked for a list at most so often.
const ASK: Duration = Duration::from_secs(1);

/// Whatever happens.
#[derive(Debug)]
pub(super) enum Message {
    /// It is now so late, by this machine's clock.
    Tick(Timestamp),
    /// The stream is there, perhaps again.
    Open,
    /// The stream is gone, and why.
    Lost(String),
    Summary(Box<Summary>),
    Change(Box<Row>),
    /// Changes were missed.
    Resync,
    Listed(u64, Result<Page, String>),
    /// A run, by the id that was asked for.
    Shown(String, Result<Box<Full>, String>),
    /// The runs of this filter in numbers.
    Counted(Filter, Result<Box<Counted>, String>),
    /// What became of an order.
    Obeyed(Order, Result<(), String>),
}

/// Whatever is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    List(Question),
    Show(String),
    Count(Filter),
    Do(Order),
    Quit(u8),
}

/// The connection to the cell.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Live,
    /// Since when, and why.
    Lost(Timestamp, String),
}

/// The run that is looked at.
#[derive(Debug)]
pub(super) struct Looked {
    pub(super) id: String,
    /// What the list knows of it, until the cell has answered.
    pub(super) name: String,
    pub(super) full: Option<Box<Full>>,
    pub(super) problem: Option<String>,
    stale: bool,
    asked: bool,
}

/// What lies over the rest and has the keys.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Prompt {
    None,
    /// A filter is typed; what was wrong with it.
    Filter(String, Option<String>),
    Confirm(Order),
    /// One of these is chosen.
    Choose(Vec<Order>, usize),
    Help,
}

/// A word to the reader.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Notice {
    pub(super) text: String,
    pub(super) bad: bool,
    until: Timestamp,
}

/// How large the scene was drawn: so far it can be scrolled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Drawn {
    /// Rows of the list.
    pub(super) page: usize,
    /// Lines that do not fit below.
    pub(super) below: usize,
}

/// All of it.
#[derive(Debug)]
pub(super) struct State {
    pub(super) url: String,
    now: Timestamp,
    /// The cell's clock less this machine's, in milliseconds.
    skew: i64,
    pub(super) line: Line,
    pub(super) summary: Summary,
    /// Launches a second, the newest last.
    pub(super) rates: VecDeque<f64>,
    pub(super) list: List,
    pub(super) looked: Option<Looked>,
    /// The runs in numbers, in place of their list.
    pub(super) causes: Option<Causes>,
    /// The figures have the whole room.
    pub(super) figures: bool,
    pub(super) scroll: usize,
    pub(super) prompt: Prompt,
    pub(super) notice: Option<Notice>,
    pub(super) drawn: Drawn,
    listed_at: Timestamp,
}

impl State {
    /// At `now`, with the summary that the cell gave first.
    pub(super) fn new(url: &str, filter: Filter, summary: Summary, now: Timestamp) -> Self {
        Self {
            url: url.to_owned(),
            now,
            skew: summary.at.millis() - now.millis(),
            line: Line::Live,
            rates: VecDeque::from([summary.launches_per_second]),
            summary,
            list: List::new(filter),
            looked: None,
            causes: None,
            figures: false,
            scroll: 0,
            prompt: Prompt::None,
            notice: None,
            drawn: Drawn::default(),
            listed_at: Timestamp::default(),
        }
    }

    /// Takes a message; what is to be done now.
    pub(super) fn apply(&mut self, message: Message) -> Vec<Effect> {
        match message {
            Message::Tick(now) => {
                self.now = now;
                self.list.arrange(self.now());
                self.notice.take_if(|notice| notice.until <= now);
            }
            Message::Open => self.open(),
            Message::Lost(why) => self.lost(why),
            Message::Summary(summary) => self.summary(*summary),
            Message::Change(row) => {
                if let Some(looked) = self.looked.as_mut().filter(|looked| looked.id == row.run) {
                    looked.stale = true;
                }
                self.list.change(*row);
                self.causes.iter_mut().for_each(Causes::doubt);
            }
            Message::Resync => self.doubt(),
            Message::Listed(number, answer) => {
                let page = answer.map_err(|why| self.say(&why, true)).ok();
                self.list.answered(number, page);
            }
            Message::Shown(id, answer) => self.shown(&id, answer),
            Message::Counted(filter, answer) => {
                self.causes.iter_mut().for_each(|causes| causes.answered(&filter, answer.clone()));
            }
            Message::Obeyed(order, answer) => match answer {
                Ok(()) => {
                    if matches!(order, Order::Stop(_) | Order::Redrive(_)) {
                        self.list.marks.clear();
                    }
                    self.say(&order.done(), false);
                    self.doubt();
                }
                Err(why) => self.say(&why, true),
            },
        }
        self.wants()
    }

    /// What is to be asked of the cell.
    pub(super) fn wants(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.line != Line::Live {
            return effects;
        }
        // The first question of a filter is asked at once.
        let due = self.list.is_new() || self.now.since(self.listed_at) >= ASK;
        if let Some(question) = due.then(|| self.list.question()).flatten() {
            self.listed_at = self.now;
            effects.push(Effect::List(question));
        }
        if let Some(looked) = self.looked.as_mut().filter(|looked| looked.stale && !looked.asked) {
            (looked.stale, looked.asked) = (false, true);
            effects.push(Effect::Show(looked.id.clone()));
        }
        effects.extend(self.causes.as_mut().and_then(|causes| causes.question(self.now)).map(Effect::Count));
        effects
    }

    fn open(&mut self) {
        if std::mem::replace(&mut self.line, Line::Live) != Line::Live {
            self.say("connected again", false);
        }
        self.doubt();
    }

    fn lost(&mut self, why: String) {
        // The first reason's time counts, the newest reason is shown.
        let since = if let Line::Lost(since, _) = &self.line { *since } else { self.now };
        self.line = Line::Lost(since, why);
        self.list.forget_question();
        self.causes.iter_mut().for_each(Causes::forget_question);
        if let Some(looked) = &mut self.looked {
            (looked.stale, looked.asked) = (true, false);
        }
    }

    fn summary(&mut self, summary: Summary) {
        if summary.began_at != self.summary.began_at {
            self.say(&format!("the cell restarted at {} UTC: connected again", clock(summary.began_at)), false);
            self.rates.clear();
        }
        self.skew = summary.at.millis() - self.now.millis();
        self.rates.push_back(summary.launches_per_second);
        if self.rates.len() > RATES {
            self.rates.pop_front();
        }
        self.summary = summary;
    }

    fn doubt(&mut self) {
        self.list.doubt();
        self.causes.iter_mut().for_each(Causes::doubt);
        if let Some(looked) = &mut self.looked {
            looked.stale = true;
        }
    }

    fn shown(&mut self, id: &str, answer: Result<Box<Full>, String>) {
        let Some(looked) = self.looked.as_mut().filter(|looked| looked.id == id) else { return };
        looked.asked = false;
        match answer {
            Ok(full) => (looked.full, looked.problem) = (Some(full), None),
            Err(why) => looked.problem = Some(why),
        }
    }

    /// Looks at the selected run.
    pub(super) fn look(&mut self) {
        let Some(row) = self.list.selected() else { return };
        let (id, name) = (row.run.clone(), row.name.clone());
        self.looked = Some(Looked { id, name, full: None, problem: None, stale: true, asked: false });
        self.scroll = 0;
    }

    /// Counts the runs that are listed.
    pub(super) fn count(&mut self) {
        (self.looked, self.figures) = (None, false);
        self.causes = Some(Causes::new(self.list.filter.clone()));
    }

    /// Lists the runs of the array request at hand, and counts them.
    pub(super) fn count_array(&mut self) {
        let name = match (&self.looked, self.list.selected()) {
            (Some(looked), _) => Some(looked.name.clone()),
            (None, row) => row.map(|row| row.name.clone()),
        };
        match name.as_deref().map(|name| (name, request_of(name))) {
            Some((name, request)) if name != request => {
                self.list.narrow(Filter::of_request(request));
                self.count();
            }
            Some((name, _)) => self.say(&format!("{name} does not belong to an array request"), false),
            None => {}
        }
    }

    /// The runs that a key is about: the one that is looked at, else the marked ones, else the selected one.
    pub(super) fn subjects(&self) -> Vec<Subject<'_>> {
        match &self.looked {
            Some(one) => one.full.as_deref().map(Subject::from).into_iter().collect(),
            None if self.list.marks.len() > 0 => self.list.marks.rows().map(Subject::from).collect(),
            None => self.list.selected().map(Subject::from).into_iter().collect(),
        }
    }

    /// Its queue and its task definition.
    pub(super) fn neighbours(&self) -> Option<(&str, &str)> {
        match &self.looked {
            Some(looked) => {
                looked.full.as_ref().map(|full| (full.queue.as_str(), full.run_task.task_definition.as_str()))
            }
            None => self.list.selected().map(|row| (row.queue.as_str(), row.task_definition.as_str())),
        }
    }

    pub(super) fn say(&mut self, text: &str, bad: bool) {
        let until = self.now.plus(NOTICE);
        self.notice = Some(Notice { text: text.to_owned(), bad, until });
    }

    /// The cell's time.
    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.millis().saturating_add(self.skew))
    }

    /// How long something has been so by this machine's clock.
    pub(super) fn for_so_long(&self, since: Timestamp) -> Duration {
        self.now.since(since)
    }

    /// The scene was drawn so.
    pub(super) fn drawn(&mut self, drawn: Drawn) {
        self.drawn = drawn;
        self.scroll = self.scroll.min(drawn.below);
    }
}

/// The time of day in UTC.
pub(super) fn clock(at: Timestamp) -> String {
    at.to_string().get(11..19).unwrap_or("--:--:--").to_owned()
}
