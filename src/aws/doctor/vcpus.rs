//! How much may run at once: the vCPUs on Fargate, which Service Quotas tells. The rates of launches it does not tell.

use aws_sdk_sqs::error::ProvideErrorMetadata as _;
use serde_json::json;

use super::super::errors;
use super::{Finding, Sdk, Subject};

const CHECK: &str = "vCPUs";
/// "Fargate On-Demand vCPU resource count", "Fargate Spot vCPU resource count" (AWS General Reference, "Amazon Elastic Container
/// Service endpoints and quotas").
const QUOTAS: [(&str, &str); 2] = [("on demand", "L-3032A538"), ("on Spot", "L-36FBB829")];
/// The smallest task on Fargate (Amazon ECS developer guide, "Task CPU and memory").
const LEAST_VCPU: f64 = 0.25;

/// One check for both quotas.
pub(super) async fn finding(sdk: &Sdk, subject: &Subject) -> Finding {
    let mut vcpus = Vec::new();
    for (kind, code) in QUOTAS {
        let call = json!({"ServiceCode": "fargate", "QuotaCode": code});
        match sdk.service_quotas.target("GetServiceQuota", &call).await {
            Ok(answer) => match answer["Quota"]["Value"].as_f64() {
                Some(value) => vcpus.push((kind, value)),
                None => return Finding::skip(CHECK, format!("Service Quotas did not say how many, {kind}")),
            },
            Err(error) if errors::is_denied(error.code().unwrap_or_default()) => {
                let todo = "give the caller servicequotas:GetServiceQuota (docs/iam.md)";
                return Finding::warn(CHECK, "it is not known how many the account may use at once", todo);
            }
            Err(error) => {
                let why = error.code().map_or_else(|| errors::cause(&error), str::to_owned);
                return Finding::skip(CHECK, format!("Service Quotas did not say how many: {why}"));
            }
        }
    }
    judge(&vcpus, subject)
}

fn judge(vcpus: &[(&str, f64)], subject: &Subject) -> Finding {
    let fits = |vcpus: f64| (vcpus / LEAST_VCPU) as usize;
    let found: Vec<String> = vcpus.iter().map(|(kind, n)| format!("{n} {kind}")).collect();
    let least = vcpus.iter().map(|(_, n)| fits(*n)).min().unwrap_or(usize::MAX);
    let found = format!("{} at once, on Fargate: {least} tasks of {LEAST_VCPU} vCPU", found.join(", "));
    if least >= subject.at_once {
        return Finding::ok(CHECK, found);
    }
    let todo = format!(
        "ask Service Quotas for more, or set TASKWATCH_MAX_IN_FLIGHT to what fits: {} may be launched at once, and what is too much is refused and tried again",
        subject.at_once
    );
    Finding::warn(CHECK, found, todo)
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    #[test]
    fn a_quota_of_less_than_what_is_launched_at_once_is_told() {
        let subject = Subject { at_once: 100, ..Subject::default() };
        let few = judge(&[("on demand", 4_000.0), ("on Spot", 6.0)], &subject);
        assert_eq!((few.status, few.found.contains("6 on Spot at once, on Fargate: 24 tasks")), (Status::Warn, true));
        assert!(few.todo.contains("100 may be launched"), "{few:?}");
        assert_eq!(judge(&[("on demand", 25.0), ("on Spot", 25.0)], &subject).status, Status::Ok);
    }
}
