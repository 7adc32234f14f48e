//! Schedule expressions: `rate(5 minutes)`, `at(2026-11-22T02:00:00)`, `cron(0 2 * * ? *)` (EventBridge Scheduler user guide,
//! "Schedule types"). Times are UTC.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
/// No expression that ever comes true waits longer: a 29th of February on a given weekday.
const MOST_DAYS: u32 = 366 * 29;

/// When something is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::local) enum Schedule {
    /// Again and again, after so many milliseconds.
    Rate(i64),
    /// Once, at so many milliseconds since the epoch.
    At(i64),
    /// At the minutes that fit.
    Cron(Box<Cron>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::local) struct Cron {
    minutes: Vec<i64>,
    hours: Vec<i64>,
    /// None: `?`, or `*`.
    days: Option<Vec<i64>>,
    months: Vec<i64>,
    /// From 1, which is Sunday.
    weekdays: Option<Vec<i64>>,
    years: Option<Vec<i64>>,
}

impl Schedule {
    /// Reads an expression.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(in crate::local) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("the schedule expression {text:?} is not valid");
        let (kind, inner) = text.trim().strip_suffix(')').and_then(|t| t.split_once('(')).ok_or_else(wrong)?;
        match kind {
            "rate" => rate(inner).ok_or_else(wrong),
            "at" => {
                let at: DateTime = inner.parse().map_err(|_| wrong())?;
                let at = at.to_zoned(TimeZone::UTC).map_err(|_| wrong())?;
                Ok(Self::At(at.timestamp().as_millisecond()))
            }
            "cron" => cron(inner).map(|cron| Self::Cron(Box::new(cron))).ok_or_else(wrong),
            _ => Err(wrong()),
        }
    }

    /// The first time after `last`, in milliseconds; rates pass `scale` times faster.
    pub(in crate::local) fn next(&self, last: i64, scale: f64) -> Option<i64> {
        match self {
            Self::Rate(every) => Some(last + ((*every as f64 / scale) as i64).max(1)),
            Self::At(at) => Some(*at).filter(|at| *at > last),
            Self::Cron(cron) => cron.next(last),
        }
    }
}

fn rate(text: &str) -> Option<Schedule> {
    let (value, unit) = text.trim().split_once(' ')?;
    let value: i64 = value.parse().ok().filter(|value| *value > 0)?;
    let unit = match (value, unit.trim()) {
        (1, "minute") | (_, "minutes") => 60_000,
        (1, "hour") | (_, "hours") => 3_600_000,
        (1, "day") | (_, "days") => 86_400_000,
        _ => return None,
    };
    Some(Schedule::Rate(value.checked_mul(unit)?))
}

fn cron(text: &str) -> Option<Cron> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    let &[minutes, hours, days, months, weekdays, years] = fields.as_slice() else { return None };
    // One of the two says which days, and the other is `?`.
    if (days == "?") == (weekdays == "?") {
        return None;
    }
    let any = |field: &str| matches!(field, "?" | "*");
    Some(Cron {
        minutes: values(minutes, 0, 59, &[])?,
        hours: values(hours, 0, 23, &[])?,
        days: if any(days) { None } else { Some(values(days, 1, 31, &[])?) },
        months: values(months, 1, 12, &MONTHS)?,
        weekdays: if any(weekdays) { None } else { Some(values(weekdays, 1, 7, &DAYS)?) },
        years: if years == "*" { None } else { Some(values(years, 1970, 2199, &[])?) },
    })
}

/// A list of values, ranges and steps.
fn values(field: &str, least: i64, most: i64, names: &[&str]) -> Option<Vec<i64>> {
    let one = |text: &str| {
        let named =
            names.iter().position(|name| name.eq_ignore_ascii_case(text)).and_then(|at| i64::try_from(at + 1).ok());
        named.or_else(|| text.parse().ok()).filter(|value| (least..=most).contains(value))
    };
    let mut all = Vec::new();
    for part in field.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step.parse::<i64>().ok().filter(|step| *step > 0)?)),
            None => (part, None),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (least, most),
            Some((from, to)) => (one(from)?, one(to)?),
            None => (one(range)?, if step.is_some() { most } else { one(range)? }),
        };
        all.extend((from..=to).filter(|value| (value - from) % step.unwrap_or(1) == 0));
    }
    all.sort_unstable();
    all.dedup();
    Some(all).filter(|all| !all.is_empty())
}

impl Cron {
    fn next(&self, last: i64) -> Option<i64> {
        let after = Timestamp::from_millisecond(last).ok()?.to_zoned(TimeZone::UTC).datetime();
        let mut day = after.date();
        for _ in 0..MOST_DAYS {
            if self.is_on(day) {
                let times = self.hours.iter().flat_map(|hour| self.minutes.iter().map(move |minute| (*hour, *minute)));
                let fits = |(hour, minute): (i64, i64)| {
                    let at = day.at(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, 0, 0);
                    (at > after).then_some(at)
                };
                if let Some(at) = times.map(fits).find_map(|at| at) {
                    return at.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp().as_millisecond());
                }
            }
            day = day.tomorrow().ok()?;
        }
        None
    }

    fn is_on(&self, day: Date) -> bool {
        let weekday = i64::from(day.weekday().since(Weekday::Sunday)) + 1;
        let has = |values: &Option<Vec<i64>>, value: i64| values.as_ref().is_none_or(|all| all.contains(&value));
        self.months.contains(&day.month().into())
            && has(&self.years, day.year().into())
            && has(&self.days, day.day().into())
            && has(&self.weekdays, weekday)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn expressions_say_when_it_is_time_next() {
        let now = millis("2026-11-22T02:10:30Z");
        for (expression, next) in [
            ("rate(5 minutes)", Some("2026-11-22T02:15:30Z")),
            ("rate(1 hour)", Some("2026-11-22T03:10:30Z")),
            ("at(2026-11-22T02:11:00)", Some("2026-11-22T02:11:00Z")),
            ("at(2026-11-22T02:10:00)", None),
            ("cron(0/15 * * * ? *)", Some("2026-11-22T02:15:00Z")),
            ("cron(0 2 * * ? *)", Some("2026-11-23T02:00:00Z")),
            ("cron(0 2 ? * MON-FRI *)", Some("2026-11-23T02:00:00Z")),
            ("cron(30 6 1 JAN,JUL ? *)", Some("2027-01-01T06:30:00Z")),
            ("cron(0 0 29 2 ? *)", Some("2028-02-29T00:00:00Z")),
            ("cron(10 2 * * ? 2026)", Some("2026-11-23T02:10:00Z")),
            ("cron(0 0 1 1 ? 2020)", None),
        ] {
            let schedule = Schedule::parse(expression).unwrap();
            assert_eq!(schedule.next(now, 1.0), next.map(millis), "{expression}");
        }
        assert_eq!(Schedule::parse("rate(10 minutes)").unwrap().next(now, 20.0), Some(now + 30_000));
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for text in [
            "",
            "rate(5)",
            "rate(0 minutes)",
            "rate(2 minute)",
            "rate(1 second)",
            "at(tomorrow)",
            "cron(* * * * *)",
            "cron(0 2 * * * *)",
            "cron(0 2 ? * ? *)",
            "cron(60 2 * * ? *)",
            "cron(0 2 * FOO ? *)",
            "every(5 minutes)",
        ] {
            assert!(Schedule::parse(text).is_err(), "{text}");
        }
    }
}
