//! Whole paths through emulators that others wrote: moto and MiniStack.
//!
//! No emulator plays ECS as ECS is, so that one part is ours (`support::ecs`); queues, bus, topic and every wire format in between are theirs.

use serde_json::json;

use super::support::aws::Aws;
use super::support::emulator::Emulator;

/// What the tests below rely on, so that a new version of the emulator that behaves otherwise is seen here first.
#[tokio::test]
async fn moto_lets_a_test_be_ecs_and_ministack_does_not() {
    let detail = json!({ "taskArn": "arn:aws:ecs:us-east-1:123456789012:task/batch/0", "startedBy": "blue/0" });

    let moto = Emulator::moto();
    Aws::new(&moto.sdk()).put_events(&[detail]).await;

    let ministack = Emulator::ministack();
    let entry = aws_sdk_eventbridge::types::PutEventsRequestEntry::builder()
        .source("aws.ecs")
        .detail_type("ECS Task State Change")
        .detail("{}");
    let refused =
        Aws::new(&ministack.sdk()).events.put_events().entries(entry.build()).send().await.expect("PutEvents");
    assert_eq!(refused.failed_entry_count, 1);
}
