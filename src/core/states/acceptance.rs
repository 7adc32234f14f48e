//! What a request is evaluated with: an instant, an id, and what follows from them.

use std::cell::{Cell, RefCell};

use rand::prelude::{RngCore, SeedableRng, SmallRng};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::core::time::Timestamp;

/// The moment at which a request is accepted: what `$$`, `States.UUID` and `States.MathRandom` are evaluated with.
#[derive(Clone, Debug)]
pub struct Acceptance {
    /// The instant: `$$.Execution.StartTime` and `$$.State.EnteredTime`.
    pub now: Timestamp,
    /// Where chance comes from; its text is the name of a request without one that uses `$$.Execution.Name`.
    pub id: Uuid,
    /// The name that a request without one will have, where it is known already.
    pub default_name: Option<String>,
}

impl Acceptance {
    /// At this instant, under this id.
    pub fn new(now: Timestamp, id: Uuid) -> Self {
        Self { now, id, default_name: None }
    }

    /// The same, for a request that has this name unless it brings one.
    #[must_use]
    pub fn named(self, default_name: &str) -> Self {
        Self { default_name: Some(default_name.to_owned()), ..self }
    }
}

/// The execution that a machine's expressions see: the run, in Step Functions' words.
pub(in crate::core) struct Execution {
    context: Map<String, Value>,
    /// `UUID` and `MathRandom` draw from it.
    pub(in crate::core) chance: Chance,
    pub(in crate::core) now: Timestamp,
}

/// What Step Functions knows of a machine beside its definition.
#[derive(Default)]
pub(in crate::core) struct MachineNames {
    /// `$$.StateMachine.Id`.
    pub(in crate::core) arn: Option<String>,
    /// `$$.Execution.RoleArn`.
    pub(in crate::core) role: Option<String>,
}

impl Execution {
    pub(in crate::core) fn new(at: &Acceptance, name: &str, input: &Value, machine: &MachineNames) -> Self {
        // ARNs have eight parts, and people split them: a machine that has none gets one of account 0.
        let arn = machine.arn.as_deref().unwrap_or("arn:aws:states:local:000000000000:stateMachine:taskwatch");
        let execution = format!("{}:{name}", arn.replacen(":stateMachine:", ":execution:", 1));
        let mut context = json!({
            "Execution": {"Id": execution, "Input": input, "Name": name, "RedriveCount": 0, "StartTime": at.now},
            "StateMachine": {"Id": arn, "Name": arn.rsplit(':').next().unwrap_or_default()},
        });
        if let Some(role) = &machine.role {
            context["Execution"]["RoleArn"] = role.as_str().into();
        }
        let context = match context {
            Value::Object(context) => context,
            _ => Map::new(),
        };
        Self { context, chance: Chance::new(at.id), now: at.now }
    }

    /// One that ends at this instant.
    pub(in crate::core) fn of_context(context: Map<String, Value>, seed: Uuid, now: Timestamp) -> Self {
        Self { context, chance: Chance::new(seed), now }
    }

    /// The context object, without the state.
    pub(in crate::core) const fn context(&self) -> &Map<String, Value> {
        &self.context
    }

    /// The context object in this state.
    pub(in crate::core) fn in_state(&self, name: &str) -> Value {
        let mut context = self.context.clone();
        context.insert("State".into(), json!({"EnteredTime": self.now, "Name": name, "RetryCount": 0}));
        Value::Object(context)
    }
}

/// Chance from a seed, and whether anything that differs from one acceptance to the next was used.
#[derive(Debug)]
pub(in crate::core) struct Chance {
    generator: RefCell<SmallRng>,
    used: Cell<bool>,
}

impl Chance {
    pub(super) fn new(seed: Uuid) -> Self {
        let (high, low) = seed.as_u64_pair();
        Self { generator: RefCell::new(SmallRng::seed_from_u64(high ^ low.rotate_left(32))), used: Cell::new(false) }
    }

    /// The next number.
    pub(super) fn next(&self) -> u64 {
        self.differs();
        self.generator.borrow_mut().next_u64()
    }

    /// Notes that a value was used which another acceptance would not give.
    pub(in crate::core) fn differs(&self) {
        self.used.set(true);
    }

    /// Whether the same document would give something else at another acceptance.
    pub(in crate::core) fn is_used(&self) -> bool {
        self.used.get()
    }
}
