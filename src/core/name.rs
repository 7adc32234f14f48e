//! Names: of runs (a request's name, and behind a slash the index of one of its runs), and those in ARNs.

/// The name of the request that a run of this name is of: all of `name`, or `name` of `name/3`.
pub fn request_of(name: &str) -> &str {
    name.split_once('/').map_or(name, |(request, _)| request)
}

/// The index in a run's name: 3 of `name/3`.
pub fn index_in(name: &str) -> Option<u32> {
    name.split_once('/').and_then(|(_, index)| index.parse().ok())
}

/// The name in an ARN, or the name itself: `family:revision`, a cluster's name.
pub fn in_arn(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or_default()
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
        assert_eq!((index_in("fleet/3"), index_in("fleet"), index_in("fleet/x")), (Some(3), None, None));
        assert_eq!((in_arn("arn:aws:ecs:x:1:task-definition/etl:7"), in_arn("etl:7")), ("etl:7", "etl:7"));
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
