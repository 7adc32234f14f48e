//! Which Regions can be.
//!
//! AWS adds Regions more often than we release, so their pattern decides, not a list: an area and a part of it, as in `eu-west-1` or
//! `us-gov-east-1` (AWS General Reference, "Regional endpoints"). What is misspelt does not fit it.

/// What stands before the part: areas, and those of partitions of their own.
const AREAS: [&str; 18] = [
    "af", "ap", "ca", "cn", "eu", "eu-isoe", "eusc", "eusc-de", "il", "me", "mx", "sa", "us", "us-gov", "us-iso",
    "us-isob", "us-isof", "us-isog",
];
const PARTS: [&str; 9] =
    ["central", "east", "north", "northeast", "northwest", "south", "southeast", "southwest", "west"];

/// Whether there can be a Region of this name.
pub(super) fn can_be(region: &str) -> bool {
    let Some((place, number)) = region.rsplit_once('-') else { return false };
    let Some((area, part)) = place.rsplit_once('-') else { return false };
    number.len() == 1 && number.bytes().all(|b| b.is_ascii_digit()) && AREAS.contains(&area) && PARTS.contains(&part)
}

#[cfg(test)]
mod tests {
    use super::can_be;

    #[test]
    fn regions_are_told_from_misspelt_ones() {
        for region in [
            "us-east-1",
            "eu-central-2",
            "ap-southeast-7",
            "us-gov-west-1",
            "cn-northwest-1",
            "eusc-de-east-1",
            "mx-central-1",
        ] {
            assert!(can_be(region), "{region}");
        }
        for region in [
            "",
            "us-esat-1",
            "us-east",
            "us-east-1a",
            "us_east_1",
            "eu-wset-1",
            "useast-1",
            "US-EAST-1",
            "nowhere",
            "eu-west-11",
        ] {
            assert!(!can_be(region), "{region}");
        }
    }
}
