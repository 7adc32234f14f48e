//! Functions of time: `$now`, `$millis`, and instants as texts by a picture.

use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, Zoned};

use super::super::value::Val;
use super::super::{Evaluated, Machine};
use super::pictures::{Part, padded, parts};
use super::{failed, number, text};
use crate::core::states::ExpressionError;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const ISO: &str = "[Y0001]-[M01]-[D01]T[H01]:[m01]:[s01].[f001][Z01:01t]";

/// The instant of acceptance; the same wherever it stands in a request.
pub(super) fn millis<'v>(machine: &mut Machine<'_, 'v>, _: &[Val<'v>]) -> Evaluated<'v> {
    machine.scope.chance.differs();
    #[allow(clippy::cast_precision_loss, reason = "an instant is far from 2^53 ms")]
    Ok((machine.scope.now.millis() as f64).into())
}

pub(super) fn now<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    machine.scope.chance.differs();
    let now = machine.scope.now.millis();
    machine.made_text(formatted(now, text(given, 0), text(given, 1))?)
}

pub(super) fn from_millis<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    #[allow(clippy::cast_possible_truncation, reason = "it saturates, and what is no instant is refused")]
    let millis = number(given, 0).unwrap_or(0.0) as i64;
    machine.made_text(formatted(millis, text(given, 1), text(given, 2))?)
}

pub(super) fn to_millis<'v>(_: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    let whole = text(given, 0).unwrap_or_default();
    let millis = match text(given, 1) {
        Some(picture) => read(whole, picture)?,
        None => iso(whole),
    };
    #[allow(clippy::cast_precision_loss, reason = "an instant is far from 2^53 ms")]
    match millis {
        Some(millis) => Ok((millis as f64).into()),
        None if text(given, 1).is_some() => Ok(Val::Nothing),
        None => failed("$toMillis takes an instant in ISO 8601, such as 2026-11-22T03:00:00Z"),
    }
}

fn iso(text: &str) -> Option<i64> {
    if text.contains(' ') {
        return None;
    }
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Some(instant.as_millisecond());
    }
    let local = match text.len() {
        4 => format!("{text}-01-01"),
        7 => format!("{text}-01"),
        _ => text.to_owned(),
    };
    let local = local.parse::<DateTime>().or_else(|_| local.parse::<Date>().map(Into::into)).ok()?;
    local.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp().as_millisecond())
}

fn formatted(millis: i64, picture: Option<&str>, zone: Option<&str>) -> Result<String, ExpressionError> {
    let offset = match zone {
        None => Offset::UTC,
        Some(zone) => offset(zone).map_or_else(|| failed("a time zone is written as +0100"), Ok)?,
    };
    let Ok(instant) = Timestamp::from_millisecond(millis) else {
        return failed("the number of milliseconds is no instant");
    };
    let at = instant.to_zoned(TimeZone::fixed(offset));
    let mut out = String::new();
    for part in parts(picture.unwrap_or(ISO))? {
        match part {
            Part::Text(text) => out += text,
            Part::Marker(marker) => out += &Marker::read(marker)?.of(&at)?,
        }
    }
    Ok(out)
}

/// `+hhmm` or `+hh:mm`.
fn offset(text: &str) -> Option<Offset> {
    if text == "Z" {
        return Some(Offset::UTC);
    }
    let digits: String = text.trim_start_matches(['+', '-']).chars().filter(|c| *c != ':').collect();
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let fits = matches!(digits.len(), 1 | 2 | 4) && digits.bytes().all(|c| c.is_ascii_digit());
    let (hours, minutes) = fits.then(|| digits.split_at_checked(2).unwrap_or((&digits, "")))?;
    let minutes = if minutes.is_empty() { "0" } else { minutes };
    Offset::from_seconds(sign * (hours.parse::<i32>().ok()? * 3600 + minutes.parse::<i32>().ok()? * 60)).ok()
}

/// A marker of a picture, such as `Y0001` or `MNn,3-3`.
struct Marker<'t> {
    kind: char,
    form: &'t str,
    /// The least and the most characters.
    width: (Option<usize>, Option<usize>),
    text: &'t str,
}

impl<'t> Marker<'t> {
    fn read(text: &'t str) -> Result<Self, ExpressionError> {
        let Some(kind) = text.chars().next() else { return failed("a picture of a time has an empty [ ]") };
        let form = &text[kind.len_utf8()..];
        let (form, width) = form.rsplit_once(',').unwrap_or((form, "*"));
        let (least, most) = width.split_once('-').unwrap_or((width, "*"));
        let marker = Self { kind, form, width: (least.parse().ok(), most.parse().ok()), text };
        let by_name = form.starts_with(['N', 'n']);
        if form.contains(|c: char| !c.is_ascii_digit() && c != '#') && !by_name && !matches!(kind, 'Z' | 'z' | 'P') {
            return marker.refused();
        }
        Ok(marker)
    }

    fn refused<T>(&self) -> Result<T, ExpressionError> {
        failed(format!("[{}] in a picture of a time is not evaluated here", self.text))
    }

    /// A number in the marker's form.
    fn number(&self, value: i64) -> Result<String, ExpressionError> {
        // Minutes and seconds have two digits unless the picture says otherwise.
        let form = match self.form {
            "" if matches!(self.kind, 'm' | 's') => "01",
            "" => "1",
            form => &form[form.len() - form.len().min(self.width.1.unwrap_or(form.len()).max(1))..],
        };
        let least = self.width.0.unwrap_or(0).min(100);
        let padded = padded(value, form).map(|text| format!("{text:0>least$}"));
        padded.map_or_else(|| self.refused(), Ok)
    }

    /// As many digits of a year as the picture has.
    fn year(&self, year: i64) -> Result<String, ExpressionError> {
        let of_form = self.form.len().max(self.width.0.unwrap_or(0));
        let most = self.width.1.or_else(|| Some(of_form).filter(|length| *length >= 2));
        let most = most.and_then(|most| u32::try_from(most).ok());
        self.number(most.and_then(|most| 10_i64.checked_pow(most)).map_or(year, |bound| year % bound))
    }

    fn name(&self, value: i64) -> Result<String, ExpressionError> {
        let Some(names) = self.names() else {
            return failed("only months and days of the week have names in a picture of a time");
        };
        let name = usize::try_from(value - 1).ok().and_then(|n| names.get(n)).copied().unwrap_or_default();
        let name: String = name.chars().take(self.width.1.unwrap_or(usize::MAX)).collect();
        Ok(match self.form {
            "Nn" => name,
            form if form.starts_with('N') => name.to_uppercase(),
            _ => name.to_lowercase(),
        })
    }

    fn names(&self) -> Option<&'static [&'static str]> {
        match self.kind {
            'M' => Some(&MONTHS),
            'F' => Some(&DAYS),
            _ => None,
        }
    }

    fn is_name(&self) -> bool {
        self.form.starts_with(['N', 'n']) || (self.form.is_empty() && self.kind == 'F')
    }

    /// This component of an instant.
    fn of(&self, at: &Zoned) -> Result<String, ExpressionError> {
        let value = match self.kind {
            'Y' if !self.is_name() => return self.year(i64::from(at.year())),
            'Y' => i64::from(at.year()),
            'M' => i64::from(at.month()),
            'D' => i64::from(at.day()),
            'd' => i64::from(at.day_of_year()),
            'F' => i64::from(at.weekday().to_monday_one_offset()),
            'H' => i64::from(at.hour()),
            'h' => i64::from((at.hour() + 11) % 12 + 1),
            'm' => i64::from(at.minute()),
            's' => i64::from(at.second()),
            'f' => i64::from(at.millisecond()),
            'P' => {
                let half = if at.hour() < 12 { "am" } else { "pm" };
                return Ok(if self.form.starts_with('N') { half.to_uppercase() } else { half.to_owned() });
            }
            'Z' | 'z' => return zone(at.offset(), self),
            _ => return self.refused(),
        };
        if self.is_name() { self.name(value) } else { self.number(value) }
    }
}

fn zone(offset: Offset, marker: &Marker<'_>) -> Result<String, ExpressionError> {
    let seconds = offset.seconds();
    let (hours, minutes) = (seconds.abs() / 3600, seconds.abs() / 60 % 60);
    if marker.form.ends_with('t') && seconds == 0 {
        return Ok("Z".to_owned());
    }
    let sign = if seconds < 0 { '-' } else { '+' };
    let name = if marker.kind == 'z' { "GMT" } else { "" };
    Ok(match marker.form.trim_end_matches('t') {
        "0101" => format!("{name}{sign}{hours:02}{minutes:02}"),
        "0" | "1" if minutes == 0 => format!("{name}{sign}{hours}"),
        "0" | "1" => format!("{name}{sign}{hours}:{minutes:02}"),
        "01" if minutes == 0 => format!("{name}{sign}{hours:02}"),
        "" | "01" | "01:01" => format!("{name}{sign}{hours:02}:{minutes:02}"),
        _ => return marker.refused(),
    })
}

/// What was read of an instant, by the letter of its marker.
#[derive(Default)]
struct Read {
    numbers: std::collections::BTreeMap<char, i64>,
    is_afternoon: Option<bool>,
    away: Option<Offset>,
}

impl Read {
    /// The instant; an error where the picture leaves out what is between the parts that it has.
    fn instant(&self) -> Result<Option<i64>, ExpressionError> {
        let has = |letter: char| self.numbers.contains_key(&letter);
        let hour = has('H') || has('h');
        let whole = has('Y') && (!has('D') || has('M')) && (!has('m') || hour) && (!has('s') || has('m'));
        if !whole {
            return failed(
                "the picture of a time has to have the year, and all between its largest and its smallest part",
            );
        }
        let at = |letter: char, otherwise: i64| self.numbers.get(&letter).copied().unwrap_or(otherwise);
        let hour = match self.is_afternoon {
            Some(is_afternoon) => at('h', at('H', 0)) % 12 + if is_afternoon { 12 } else { 0 },
            None => at('H', at('h', 0)),
        };
        let small = |value: i64| i8::try_from(value).ok();
        let local = (|| {
            let date = Date::new(i16::try_from(at('Y', 0)).ok()?, small(at('M', 1))?, small(at('D', 1))?).ok()?;
            let nanos = i32::try_from(at('f', 0).checked_mul(1_000_000)?).ok()?;
            let time = jiff::civil::Time::new(small(hour)?, small(at('m', 0))?, small(at('s', 0))?, nanos).ok()?;
            date.to_datetime(time).to_zoned(TimeZone::fixed(self.away.unwrap_or(Offset::UTC))).ok()
        })();
        Ok(local.map(|zoned| zoned.timestamp().as_millisecond()))
    }

    /// Reads what a marker stands for; answers what is behind it, or nothing where the text is another.
    fn take<'t>(&mut self, marker: &Marker<'_>, text: &'t str) -> Result<Option<&'t str>, ExpressionError> {
        let behind = match marker.kind {
            'M' if marker.is_name() => {
                let length = |name: &str| marker.width.1.unwrap_or(name.len()).min(name.len());
                let found = MONTHS.iter().position(|name| starts_like(text, &name[..length(name)]));
                found.map(|n| {
                    self.numbers.insert('M', i64::try_from(n).unwrap_or(0) + 1);
                    length(MONTHS[n])
                })
            }
            'P' => {
                self.is_afternoon = Some(starts_like(text, "pm"));
                (starts_like(text, "pm") || starts_like(text, "am")).then_some(2)
            }
            'Z' | 'z' => {
                let name = if marker.kind == 'z' && text.starts_with("GMT") { 3 } else { 0 };
                let end = text[name..].find(|c: char| !c.is_ascii_digit() && !"+-:Z".contains(c));
                let end = end.map_or(text.len(), |end| name + end);
                self.away = offset(&text[name..end]);
                self.away.map(|_| end)
            }
            'Y' | 'M' | 'D' | 'H' | 'h' | 'm' | 's' | 'f' if !marker.is_name() => {
                let digits = text.bytes().take_while(u8::is_ascii_digit).count();
                let most = marker.width.1.or_else(|| Some(marker.form.len()).filter(|length| *length > 1)).unwrap_or(9);
                let end = digits.min(most).min(9);
                // Of a fraction the milliseconds count.
                let millis = || format!("{:0<3}", &text[..end])[..3].to_owned();
                let read = if marker.kind == 'f' && end > 0 { millis() } else { text[..end].to_owned() };
                read.parse().ok().map(|value: i64| {
                    self.numbers.insert(marker.kind, value);
                    end
                })
            }
            _ => return marker.refused(),
        };
        Ok(behind.map(|length| &text[length..]))
    }
}

/// An instant from a text by a picture; none where the text is another.
fn read(text: &str, picture: &str) -> Result<Option<i64>, ExpressionError> {
    let (mut read, mut rest, mut has_markers) = (Read::default(), text, false);
    for part in parts(picture)? {
        let behind = match part {
            Part::Text(text) => rest.strip_prefix(text),
            Part::Marker(marker) => {
                has_markers = true;
                read.take(&Marker::read(marker)?, rest)?
            }
        };
        match behind {
            Some(behind) => rest = behind,
            None => return Ok(None),
        }
    }
    if has_markers && rest.is_empty() { read.instant() } else { Ok(None) }
}

fn starts_like(text: &str, word: &str) -> bool {
    text.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word))
}
