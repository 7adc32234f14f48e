//! What happened in a simulated world, line by line, and the hash by which two histories are compared.

use std::hash::{DefaultHasher, Hash, Hasher};

/// Lines with their time in milliseconds and the request that they are about.
#[derive(Default)]
pub(super) struct Trace {
    lines: Vec<(u64, Option<usize>, String)>,
    hash: DefaultHasher,
}

impl Trace {
    pub(super) fn note(&mut self, at: u64, request: Option<usize>, line: String) {
        (at, &line).hash(&mut self.hash);
        self.lines.push((at, request, line));
    }

    /// The same for the same history.
    pub(super) fn hash(&self) -> u64 {
        self.hash.finish()
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// What is about one request, and about the cell as a whole while the request was under way.
    pub(super) fn of(&self, request: usize) -> String {
        let about = |line: &&(u64, Option<usize>, String)| line.1 == Some(request);
        let first = self.lines.iter().find(about).map_or(0, |line| line.0);
        let last = self.lines.iter().rfind(about).map_or(0, |line| line.0);
        let kept = self.lines.iter().filter(|(at, about, line)| {
            let of_process = about.is_none() && line.starts_with("process") && (first..=last).contains(at);
            *about == Some(request) || of_process
        });
        kept.map(|(at, _, line)| format!("{:>12.3} {line}\n", *at as f64 / 1000.0)).collect()
    }
}
