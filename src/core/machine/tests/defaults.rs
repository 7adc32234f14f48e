//! What a request without `retry` has repeated.

use super::*;

#[test]
fn by_default_a_lost_task_is_repeated_only_if_it_was_never_seen() {
    for (heard_of, expected) in [(false, Status::PendingRetry), (true, Status::Failed)] {
        let mut case = Case::new(RunSpec { retry: RetryPolicy::standard(), ..spec(Goal::Stopped, 0) });
        case.place(0, "t");
        if heard_of {
            case.see(1, "t", 1, Verdict::Starting);
        }
        case.give(8000, Input::Missing { task_arn: "t".into() });
        let lost = case.0.failure().expect("why");
        assert_eq!((lost.error.as_str(), case.0.status), ("Taskwatch.TaskLost", expected));
    }
}

#[test]
fn by_default_an_attempt_out_of_time_is_repeated_only_if_it_never_ran() {
    for (verdict, expected) in [(Verdict::Starting, Status::PendingRetry), (Verdict::Running, Status::TimedOut)] {
        let retry = RetryPolicy::standard();
        let mut case = Case::new(RunSpec { retry, attempt_timeout_seconds: Some(60), ..spec(Goal::Stopped, 0) });
        case.place(0, "t");
        case.see(1, "t", 2, verdict);
        assert!(matches!(&case.give(60, Input::Due)[..], [Effect::StopTask { .. }]));
        case.see(61, "t", 5, failed("UserInitiated"));
        let timed_out = case.0.failure().expect("why");
        assert!(timed_out.names.iter().any(|name| name == "Taskwatch.RunTimeout"), "{timed_out:?}");
        assert_eq!(case.0.status, expected);
    }
}

#[test]
fn by_default_a_spot_interruption_is_repeated_and_the_programs_own_end_is_not() {
    let own_end = Failure { names: vec!["Taskwatch.Application".into()], ..failure("X", Transience::Application) };
    let spot = Failure { names: vec!["Taskwatch.Spot".into()], ..failure("X", Transience::Elsewhere) };
    for (ended, expected) in [(own_end, Status::Failed), (spot, Status::PendingRetry)] {
        let mut case = Case::new(RunSpec { retry: RetryPolicy::standard(), ..spec(Goal::Stopped, 0) });
        case.place(0, "t");
        case.see(1, "t", 2, Verdict::Running);
        case.see(9, "t", 3, Verdict::Failed(Box::new(ended)));
        assert_eq!(case.0.status, expected);
    }
}
