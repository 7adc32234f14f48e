//! What happened to a task and what to do: for any ECS JSON a user has at hand.
