//! What is told about a run's end.
