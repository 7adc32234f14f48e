//! Writes metrics: each with the samples of all cells under it, as the format wants them.

use std::fmt::Error;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::Unit;

use super::{OfCells, Sample};
use crate::cell::{STEPS, Times};
use crate::fleet::Takeover;

/// A label and its value.
type Label<'a> = (&'a str, &'a str);

/// What is written to, and of which cells.
pub(super) struct Sheet<'s, 'e> {
    pub(super) to: &'s mut DescriptorEncoder<'e>,
    pub(super) cells: &'s OfCells,
}

impl<'s> Sheet<'s, '_> {
    pub(super) fn gauge(&mut self, name: &str, help: &str, of: impl Fn(&Sample) -> f64) -> Result<(), Error> {
        self.plain((name, help, None), ConstGauge::<f64>::TYPE, |one| ConstGauge::new(of(one)))
    }

    pub(super) fn seconds(&mut self, name: &str, help: &str, of: impl Fn(&Sample) -> f64) -> Result<(), Error> {
        self.plain((name, help, Some(&Unit::Seconds)), ConstGauge::<f64>::TYPE, |one| ConstGauge::new(of(one)))
    }

    pub(super) fn counter(&mut self, name: &str, help: &str, of: impl Fn(&Sample) -> u64) -> Result<(), Error> {
        self.plain((name, help, None), ConstCounter::<u64>::TYPE, |one| ConstCounter::new(of(one)))
    }

    fn plain<M: EncodeMetric>(
        &mut self,
        (name, help, unit): (&str, &str, Option<&Unit>),
        kind: MetricType,
        of: impl Fn(&Sample) -> M,
    ) -> Result<(), Error> {
        let cells = self.cells;
        let mut metric = self.to.encode_descriptor(name, help, unit, kind)?;
        for one in &cells.samples {
            encode(&mut metric, cells.labels(one, None), &of(one))?;
        }
        Ok(())
    }

    /// A gauge for each value of a label.
    pub(super) fn gauges(
        &mut self,
        (name, label): (&str, &str),
        help: &str,
        of: impl Fn(&Sample) -> Vec<(String, f64)>,
    ) -> Result<(), Error> {
        let cells = self.cells;
        let mut family = self.to.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for one in &cells.samples {
            for (value, number) in of(one) {
                encode(&mut family, cells.labels(one, Some((label, &value))), &ConstGauge::new(number))?;
            }
        }
        Ok(())
    }

    /// A counter for each value of a label.
    pub(super) fn counters(
        &mut self,
        (name, label): (&str, &str),
        help: &str,
        of: impl Fn(&Sample) -> Vec<(&'static str, u64)>,
    ) -> Result<(), Error> {
        let cells = self.cells;
        let mut family = self.to.encode_descriptor(name, help, None, ConstCounter::<u64>::TYPE)?;
        for one in &cells.samples {
            for (value, number) in of(one) {
                encode(&mut family, cells.labels(one, Some((label, value))), &ConstCounter::new(number))?;
            }
        }
        Ok(())
    }

    /// A counter for each pair of values of two labels.
    pub(super) fn pairs(
        &mut self,
        (name, names): (&str, [&'static str; 2]),
        help: &str,
        of: impl Fn(&Sample) -> Vec<([&'static str; 2], u64)>,
    ) -> Result<(), Error> {
        let cells = self.cells;
        let mut family = self.to.encode_descriptor(name, help, None, ConstCounter::<u64>::TYPE)?;
        for one in &cells.samples {
            for (values, number) in of(one) {
                let mut labels = cells.labels(one, Some((names[0], values[0])));
                labels.push((names[1], values[1]));
                encode(&mut family, labels, &ConstCounter::new(number))?;
            }
        }
        Ok(())
    }

    /// A histogram of seconds for each label; or one without.
    pub(super) fn histograms(
        &mut self,
        name: &str,
        help: &str,
        of: impl Fn(&'s Sample) -> Vec<(Option<Label<'static>>, &'s Times)>,
    ) -> Result<(), Error> {
        let cells = self.cells;
        let mut family = self.to.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
        for one in &cells.samples {
            for (label, times) in of(one) {
                let (sum, count, steps) = steps(times);
                let labels = cells.labels(one, label);
                let mut metric = family.encode_family(&labels)?;
                metric.encode_histogram::<NoLabelSet>(sum, count, &steps, None)?;
            }
        }
        Ok(())
    }

    /// Of every cell of the fleet, whoever serves it, and of every way from 0: the first of a series that begins at 1 is no increase.
    pub(super) fn takeovers(&mut self) -> Result<(), Error> {
        let help =
            "Cells that this process took, by how: first (nobody had served it), handed_over, died (of a dead process)";
        let name = "taskwatch_takeovers";
        let mut family = self.to.encode_descriptor(name, help, None, ConstCounter::<u64>::TYPE)?;
        for (cell, taken) in &self.cells.takeovers {
            for kind in Takeover::ALL {
                let labels = vec![("cell", cell.as_str()), ("kind", kind.as_str())];
                encode(&mut family, labels, &ConstCounter::new(taken.get(&kind).copied().unwrap_or(0)))?;
            }
        }
        Ok(())
    }

    /// The program, and what it serves.
    pub(super) fn build(&mut self) -> Result<(), Error> {
        let labels = [("version", env!("CARGO_PKG_VERSION")), ("cell", self.cells.name.as_str())];
        let help = "Always 1; the labels name the version of the program and the cell";
        let mut info = self.to.encode_descriptor("taskwatch_build", help, None, MetricType::Info)?;
        info.encode_info(&labels.to_vec())
    }
}

impl OfCells {
    fn labels<'a>(&self, one: &'a Sample, label: Option<Label<'a>>) -> Vec<Label<'a>> {
        let cell = self.is_fleet.then(|| ("cell", one.cell.name()));
        cell.into_iter().chain(label).collect()
    }
}

fn encode(family: &mut MetricEncoder<'_>, labels: Vec<Label<'_>>, metric: &impl EncodeMetric) -> Result<(), Error> {
    metric.encode(family.encode_family(&labels)?)
}

fn steps(times: &Times) -> (f64, u64, Vec<(f64, u64)>) {
    let counted = times.steps();
    let mut steps: Vec<(f64, u64)> = STEPS.into_iter().zip(counted.counts).collect();
    steps.push((f64::INFINITY, counted.count - counted.counts.iter().sum::<u64>()));
    (counted.sum_seconds, counted.count, steps)
}
