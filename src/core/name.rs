//! Names of runs: a request's name, and behind a slash the index of one of its runs.

/// The name of the request that a run of this name is of: all of `name`, or `name` of `name/3`.
pub fn request_of(name: &str) -> &str {
    name.split_once('/').map_or(name, |(request, _)| request)
}

/// Whether `wanted` stands for a run of this name: its own name does, and so does its request's.
pub fn stands_for(wanted: &str, name: &str) -> bool {
    wanted == name || wanted == request_of(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_requests_or_that_of_one_of_its_runs() {
        assert_eq!((request_of("fleet/3"), request_of("fleet"), request_of("")), ("fleet", "fleet", ""));
        for (wanted, name, expected) in [
            ("fleet", "fleet/3", true),
            ("fleet/3", "fleet/3", true),
            ("fleet/3", "fleet", false),
            ("fl", "fleet", false),
        ] {
            assert_eq!(stands_for(wanted, name), expected, "{wanted} {name}");
        }
    }
}
