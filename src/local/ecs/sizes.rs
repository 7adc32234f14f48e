//! How large tasks may be (developer guide, "Task size"), in CPU units and MiB.

use super::body::Body;
use super::definitions::ContainerDefinition;
use super::errors::client;
use crate::local::wire::ApiError;

/// Fargate's sizes: CPU units, and the least, the most and the step of memory. 256 has its own three.
const FARGATE: [(i64, i64, i64, i64); 6] = [
    (512, 1024, 4096, 1024),
    (1024, 2048, 8192, 1024),
    (2048, 4096, 16_384, 1024),
    (4096, 8192, 30_720, 1024),
    (8192, 16_384, 61_440, 4096),
    (16_384, 32_768, 122_880, 8192),
];

/// Whether Fargate has this size.
pub(super) fn fargate(cpu: i64, memory: i64) -> bool {
    if cpu == 256 {
        return [512, 1024, 2048].contains(&memory);
    }
    FARGATE.iter().any(|(units, least, most, step)| {
        *units == cpu && (*least..=*most).contains(&memory) && (memory - least) % step == 0
    })
}

/// `1024`, `1 vCPU` or `.5 vcpu`.
pub(super) fn cpu(body: Body<'_>) -> Result<Option<i64>, ApiError> {
    size(body, "cpu", "vcpu")
}

/// `2048`, `2 GB` or `2gb`.
pub(super) fn memory(body: Body<'_>) -> Result<Option<i64>, ApiError> {
    size(body, "memory", "gb")
}

fn size(body: Body<'_>, member: &str, unit: &str) -> Result<Option<i64>, ApiError> {
    let Some(text) = body.text(member)? else { return Ok(None) };
    let lower = text.trim().to_ascii_lowercase();
    let units = match lower.strip_suffix(unit) {
        Some(number) => number.trim().parse::<f64>().ok().map(|n| (n * 1024.0) as i64),
        None => lower.parse().ok(),
    };
    let wrong = || client(format!("Invalid '{member}' setting for task."));
    units.filter(|n| (1..=1_048_576).contains(n)).map(Some).ok_or_else(wrong)
}

/// Task and containers together.
pub(super) fn check(
    containers: &[ContainerDefinition],
    fargate_wanted: bool,
    cpu: Option<i64>,
    memory: Option<i64>,
) -> Result<(), ApiError> {
    if fargate_wanted {
        for (name, given) in [("cpu", cpu), ("memory", memory)] {
            if given.is_none() {
                return Err(client(format!("Fargate requires that '{name}' be defined at the task level.")));
            }
        }
    }
    if let (true, Some(cpu), Some(memory)) = (fargate_wanted, cpu, memory)
        && !fargate(cpu, memory)
    {
        return Err(client(format!(
            "No Fargate configuration exists for given values: {cpu} CPU, {memory} memory. See the Amazon ECS documentation for the valid values."
        )));
    }
    for container in containers {
        let name = &container.name;
        if memory.is_none() && container.memory.is_none() && container.memory_reservation.is_none() {
            return Err(client(format!(
                "Invalid setting for container '{name}'. At least one of 'memory' or 'memoryReservation' must be specified."
            )));
        }
        if container.memory.zip(memory).is_some_and(|(own, most)| own > most) {
            return Err(client(format!("The 'memory' setting for container '{name}' is greater than for the task.")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sizes_are_read_in_either_unit() {
        let of = |cpu_text: &str, memory_text: &str| {
            let body = json!({"cpu": cpu_text, "memory": memory_text});
            let body = Body::of(&body).unwrap();
            (cpu(body).ok().flatten(), memory(body).ok().flatten())
        };
        assert_eq!(of("256", "512"), (Some(256), Some(512)));
        assert_eq!(of("1 vCPU", "2 GB"), (Some(1024), Some(2048)));
        assert_eq!(of(".25vcpu", "0.5GB"), (Some(256), Some(512)));
        assert_eq!(of("many", "-1"), (None, None));
    }

    #[test]
    fn fargate_has_its_own_sizes() {
        for (cpu, memory, there) in [
            (256, 512, true),
            (256, 4096, false),
            (512, 512, false),
            (1024, 3072, true),
            (8192, 20_480, true),
            (8192, 17_408, false),
            (300, 1024, false),
        ] {
            assert_eq!(fargate(cpu, memory), there, "{cpu} {memory}");
        }
    }
}
