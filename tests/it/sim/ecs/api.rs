//! The other calls: StopTask, DescribeTasks, ListTasks, DescribeTaskDefinition.

use taskwatch::cell::ports::{CallError, ContainerDefinition, Described};

use super::super::plan::Away;
use super::super::world::State;
use super::containers_of;

impl State {
    pub(in super::super) fn stop_task(&mut self, task_arn: &str, reason: &str) -> Result<(), CallError> {
        let now = self.now();
        let place = self.ecs.by_arn.get(task_arn).copied().filter(|place| self.ecs.tasks[*place].is_known(now));
        let request = place.and_then(|place| self.ecs.tasks[place].request);
        self.note(request, format!("ecs: StopTask {task_arn}: {reason}"));
        self.may_fail()?;
        if self.fault(self.plan.throttled) {
            return Err(CallError::from_exception("ThrottlingException", "Rate exceeded"));
        }
        if self.fault(self.plan.stop_refused) {
            return Err(CallError::from_exception("AccessDeniedException", "not authorized to perform: ecs:StopTask"));
        }
        // The adapter takes "not found" for done: it was stopped long ago.
        let Some(place) = place else { return Ok(()) };
        self.begin_stop(place, reason);
        if self.fault(self.plan.answer_lost) {
            return Err(CallError::Unknown("connection reset".into()));
        }
        Ok(())
    }

    pub(in super::super) fn describe_tasks(&mut self, task_arns: &[String]) -> Result<Described, CallError> {
        self.note(None, format!("ecs: DescribeTasks x{}", task_arns.len()));
        self.may_fail()?;
        if self.fault(self.plan.throttled) {
            return Err(CallError::from_exception("ThrottlingException", "Rate exceeded"));
        }
        if self.away(Away::Describe) {
            return Err(CallError::from_exception("AccessDeniedException", "not authorized: ecs:DescribeTasks"));
        }
        if task_arns.len() > 100 {
            self.violate(None, format!("DescribeTasks for {} tasks", task_arns.len()));
        }
        let (now, start) = (self.now(), self.start);
        let mut described = Described::default();
        for arn in task_arns {
            match self.ecs.of_arn(arn).filter(|task| task.is_known(now) && task.hidden_until <= now) {
                Some(task) => {
                    described.tasks.push(task.described(start, now));
                    self.watch.described(arn, task.version, now);
                }
                None => described.missing.push(arn.clone()),
            }
        }
        Ok(described)
    }

    pub(in super::super) fn tasks_started_by(&mut self, started_by: &str) -> Result<Vec<String>, CallError> {
        self.note(None, format!("ecs: ListTasks {started_by}"));
        self.may_fail()?;
        if self.fault(self.plan.faults.list_fails) {
            return Err(match self.between(0, 2) {
                0 => CallError::from_exception("AccessDeniedException", "not authorized: ecs:ListTasks"),
                1 => CallError::from_exception("ThrottlingException", "Rate exceeded"),
                _ => CallError::Unknown("no answer".into()),
            });
        }
        let now = self.now();
        let places = self.ecs.by_started_by.get(started_by).into_iter().flatten();
        let tasks = places.map(|place| &self.ecs.tasks[*place]);
        Ok(tasks.filter(|task| task.is_known(now) && task.listed_from <= now).map(|task| task.arn.clone()).collect())
    }

    pub(in super::super) fn container_definitions(
        &mut self,
        task_definition: &str,
    ) -> Result<Vec<ContainerDefinition>, CallError> {
        self.may_fail()?;
        let containers = containers_of(task_definition).iter();
        Ok(containers
            .map(|(name, essential)| ContainerDefinition { name: (*name).to_owned(), essential: *essential, log: None })
            .collect())
    }
}
