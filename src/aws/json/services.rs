//! The services that are called so, as their API models name them.

use super::{Protocol, Service};

/// All of them.
pub(in crate::aws) const ALL: [Service; 9] =
    [ECS, LOGS, CLOUDTRAIL, SERVICE_QUOTAS, EVENTS, SCHEDULER, STEP_FUNCTIONS, LAMBDA, DYNAMODB];

/// Amazon ECS: for members of tasks that the SDK's client does not show.
pub(in crate::aws) const ECS: Service = Service {
    id: "ECS",
    endpoint: "ecs",
    signing: "ecs",
    protocol: Protocol::Target { prefix: "AmazonEC2ContainerServiceV20141113", version: "1.1" },
};
/// CloudWatch Logs.
pub(in crate::aws) const LOGS: Service = Service {
    id: "CloudWatch Logs",
    endpoint: "logs",
    signing: "logs",
    protocol: Protocol::Target { prefix: "Logs_20140328", version: "1.1" },
};
/// CloudTrail.
pub(in crate::aws) const CLOUDTRAIL: Service = Service {
    id: "CloudTrail",
    endpoint: "cloudtrail",
    signing: "cloudtrail",
    protocol: Protocol::Target { prefix: "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101", version: "1.1" },
};
/// Service Quotas.
pub(in crate::aws) const SERVICE_QUOTAS: Service = Service {
    id: "Service Quotas",
    endpoint: "servicequotas",
    signing: "servicequotas",
    protocol: Protocol::Target { prefix: "ServiceQuotasV20190624", version: "1.1" },
};
/// EventBridge: for members of targets.
pub(in crate::aws) const EVENTS: Service = Service {
    id: "EventBridge",
    endpoint: "events",
    signing: "events",
    protocol: Protocol::Target { prefix: "AWSEvents", version: "1.1" },
};
/// EventBridge Scheduler.
pub(in crate::aws) const SCHEDULER: Service =
    Service { id: "Scheduler", endpoint: "scheduler", signing: "scheduler", protocol: Protocol::Rest };
/// Step Functions.
pub(in crate::aws) const STEP_FUNCTIONS: Service = Service {
    id: "SFN",
    endpoint: "states",
    signing: "states",
    protocol: Protocol::Target { prefix: "AWSStepFunctions", version: "1.0" },
};
/// Lambda.
pub(in crate::aws) const LAMBDA: Service =
    Service { id: "Lambda", endpoint: "lambda", signing: "lambda", protocol: Protocol::Rest };
/// DynamoDB.
pub(in crate::aws) const DYNAMODB: Service = Service {
    id: "DynamoDB",
    endpoint: "dynamodb",
    signing: "dynamodb",
    protocol: Protocol::Target { prefix: "DynamoDB_20120810", version: "1.0" },
};
