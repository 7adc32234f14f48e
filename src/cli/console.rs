//! Where the AWS console shows a task.

/// Where the environment names another endpoint there is no console for its tasks.
const ENDPOINTS: [&str; 2] = ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_ECS"];

/// The address of a task's page in the console, if it has one.
pub(super) fn task(arn: &str) -> Option<String> {
    let is_elsewhere = ENDPOINTS.iter().any(|name| std::env::var_os(name).is_some_and(|url| !url.is_empty()));
    if is_elsewhere { None } else { address(arn) }
}

/// The address of a task's page in the console of its partition and region, by its ARN
/// (`arn:aws:ecs:region:account:task/cluster/id`); `None` for an ARN of another form.
///
/// Consoles: <https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html>; in China
/// `console.amazonaws.cn`, in GovCloud `console.amazonaws-us-gov.com`.
fn address(arn: &str) -> Option<String> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", partition, "ecs", region, _, task] = parts[..] else { return None };
    let ["task", cluster, id] = task.split('/').collect::<Vec<_>>()[..] else { return None };
    let domain = match partition {
        "aws" => "console.aws.amazon.com",
        "aws-cn" => "console.amazonaws.cn",
        "aws-us-gov" => "console.amazonaws-us-gov.com",
        _ => return None,
    };
    let is_plain = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    let plain = [region, cluster, id].into_iter().all(is_plain);
    plain.then(|| format!("https://{region}.{domain}/ecs/v2/clusters/{cluster}/tasks/{id}?region={region}"))
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
            assert_eq!(address(&arn(partition, region)), Some(expected));
        }
        for wrong in [
            "",
            "0a1b",
            "arn:aws:ecs:eu-west-1:1:task/0a1b",
            "arn:aws:ecs:eu-west-1:1:task/a b/0",
            "arn:x:ecs:r:1:task/a/b",
        ] {
            assert_eq!(address(wrong), None, "{wrong}");
        }
    }
}
