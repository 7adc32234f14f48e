// The words of the contract: statuses and classes, in the order in which they are shown.

export const STATUSES = ["QUEUED", "STARTING", "RUNNING", "PENDING_RETRY", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"];
/** Those of runs that ended without reaching their goal: they can be redriven. */
export const FAILED = ["FAILED", "TIMED_OUT", "ABORTED"];

export const CLASSES = [
  "Application", "Capacity", "Network", "Image", "Storage", "Secrets", "Host", "Spot", "Service", "Configuration", "Throttled", "Stopped",
].map((name) => `Taskwatch.${name}`);

/** Other names that a failure can be found by. */
export const NAMES = [
  ...CLASSES, "Taskwatch.Transient", "Taskwatch.Elsewhere", "Taskwatch.Permanent", "Taskwatch.TaskLost", "Taskwatch.StartTimeout",
  "Taskwatch.RunTimeout", "TaskFailedToStart", "EssentialContainerExited", "CannotPullContainerError", "ResourceInitializationError",
  "OutOfMemoryError", "SpotInterruption",
];
