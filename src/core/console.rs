//! Where AWS's console shows things.
//!
//! Consoles: <https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html>; in China
//! `console.amazonaws.cn`, in GovCloud `console.amazonaws-us-gov.com`.

/// The console of a partition.
fn domain(partition: &str) -> Option<&'static str> {
    match partition {
        "aws" => Some("console.aws.amazon.com"),
        "aws-cn" => Some("console.amazonaws.cn"),
        "aws-us-gov" => Some("console.amazonaws-us-gov.com"),
        _ => None,
    }
}

fn is_plain(part: &str) -> bool {
    !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
}

/// The address of a task's page in the console of its partition and Region, by its ARN
/// (`arn:aws:ecs:region:account:task/cluster/id`); `None` for an ARN of another form.
pub fn task(arn: &str) -> Option<String> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", partition, "ecs", region, _, task] = parts[..] else { return None };
    let ["task", cluster, id] = task.split('/').collect::<Vec<_>>()[..] else { return None };
    let domain = domain(partition)?;
    let plain = [region, cluster, id].into_iter().all(is_plain);
    plain.then(|| format!("https://{region}.{domain}/ecs/v2/clusters/{cluster}/tasks/{id}?region={region}"))
}

/// The address of a log stream in the console of this partition and Region.
pub fn log(partition: &str, region: &str, group: &str, stream: &str) -> Option<String> {
    let domain = domain(partition).filter(|_| is_plain(region))?;
    let (group, stream) = (encoded(group), encoded(stream));
    Some(format!(
        "https://{region}.{domain}/cloudwatch/home?region={region}#logsV2:log-groups/log-group/{group}/log-events/{stream}"
    ))
}

/// As the console of CloudWatch has it: encoded twice, with `$` for the outer `%`.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut all, byte| {
        match byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            true => all.push(char::from(byte)),
            false => all.push_str(&format!("$25{byte:02X}")),
        }
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tasks_page_is_in_the_console_of_its_partition_and_region() {
        let arn = |partition: &str, region: &str| format!("arn:{partition}:ecs:{region}:123456789012:task/batch/0a1b");
        for (partition, region, domain) in [
            ("aws", "eu-west-1", "eu-west-1.console.aws.amazon.com"),
            ("aws-cn", "cn-north-1", "cn-north-1.console.amazonaws.cn"),
            ("aws-us-gov", "us-gov-west-1", "us-gov-west-1.console.amazonaws-us-gov.com"),
        ] {
            let expected = format!("https://{domain}/ecs/v2/clusters/batch/tasks/0a1b?region={region}");
            assert_eq!(task(&arn(partition, region)), Some(expected));
        }
        for wrong in [
            "",
            "0a1b",
            "arn:aws:ecs:eu-west-1:1:task/0a1b",
            "arn:aws:ecs:eu-west-1:1:task/a b/0",
            "arn:x:ecs:r:1:task/a/b",
        ] {
            assert_eq!(task(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_streams_page_has_its_names_encoded_twice() {
        assert_eq!(
            log("aws", "eu-west-1", "/ecs/etl", "ecs/app/0a 1").unwrap(),
            "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#logsV2:log-groups/log-group/\
             $252Fecs$252Fetl/log-events/ecs$252Fapp$252F0a$25201"
        );
        assert_eq!((log("aws-x", "r", "g", "s"), log("aws", "r/../", "g", "s")), (None, None));
    }
}
