//! Names: of runs (a request's name, and behind a slash the index of one of its runs), and those in ARNs.

use super::pattern;

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

/// The family of a task definition, by its name or ARN, with or without a revision.
pub fn family_of(definition: &str) -> &str {
    in_arn(definition).split(':').next().unwrap_or_default()
}

/// The Region in an ARN, `arn:partition:service:region:…`.
pub fn region_in_arn(arn: &str) -> Option<&str> {
    arn.split(':').nth(3)
}

/// Whether `wanted` stands for a run of this name: its own name does, and so does its request's, and so does a pattern that
/// fits one of them.
pub fn stands_for(wanted: &str, name: &str) -> bool {
    let fits = |name: &str| if pattern::is_pattern(wanted) { pattern::fits(wanted, name) } else { wanted == name };
    fits(name) || fits(request_of(name))
}

/// Whether a task definition, by its name or ARN, is the `wanted` one: `family:revision`, or a `family` for every revision.
pub fn is_of_definition(wanted: &str, definition: &str) -> bool {
    let (wanted, definition) = (in_arn(wanted), in_arn(definition));
    if wanted.contains(':') { wanted == definition } else { family_of(definition) == wanted }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_fits_a_runs_name_or_its_requests() {
        for (pattern, name, fits) in [
            ("night*", "nightly", true),
            ("*ight*", "nightly/3", true),
            ("nightly", "nightly-2", false),
            ("nightly-?", "nightly-2", true),
            ("nightly-?", "nightly-22", false),
            ("n*y", "nightly/3", true),
            ("*/3", "nightly/3", true),
        ] {
            assert_eq!(stands_for(pattern, name), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn a_family_stands_for_its_revisions() {
        let arn = "arn:aws:ecs:x:1:task-definition/etl:7";
        for (wanted, definition, fits) in [
            ("etl", "etl:7", true),
            ("etl", arn, true),
            (arn, "etl:7", true),
            ("etl:7", arn, true),
            ("etl:7", "etl", false),
            ("etl", "etl", true),
            ("et", "etl:7", false),
        ] {
            assert_eq!(is_of_definition(wanted, definition), fits, "{wanted} {definition}");
        }
    }

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
