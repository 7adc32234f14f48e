variable "name" {
  description = "Name of the fleet. Its cells are NAME-0, NAME-1, …, the prefixes of every startedBy. It can never be changed for runs that are in flight."
  type        = string
  default     = "blue"

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,53}$", var.name))
    error_message = "The name has 1 to 53 characters of A-Z a-z 0-9 - _."
  }
}

variable "cells" {
  description = "How many cells. More later by a higher number; never fewer, for a cell keeps its runs."
  type        = number
  default     = 4

  validation {
    condition     = var.cells >= 1 && var.cells <= 256 && floor(var.cells) == var.cells
    error_message = "A fleet has 1 to 256 cells: each has a rule on the default bus, which takes 300."
  }
}

variable "processes" {
  description = "How many processes share the cells. When one dies, the others go on with its cells within 15 seconds."
  type        = number
  default     = 2

  validation {
    condition     = var.processes >= 1 && floor(var.processes) == var.processes
    error_message = "At least one process."
  }
}

variable "store" {
  description = "Where runs are kept. dynamodb: in the table taskwatch-NAME, by any number of processes. efs: in SQLite on EFS, one cell (NAME-0) that one process serves."
  type        = string
  default     = "dynamodb"

  validation {
    condition     = contains(["dynamodb", "efs"], var.store)
    error_message = "The store is dynamodb or efs."
  }
}

variable "task_clusters" {
  description = "ARNs of the clusters that it launches into. The rules let in, and the role may launch into, no other."
  type        = list(string)
}

variable "task_definitions" {
  description = "What it may launch, as ARNs with any revision, such as arn:aws:ecs:eu-west-1:123456789012:task-definition/etl:*"
  type        = list(string)
}

variable "task_log_groups" {
  description = "ARNs of the tasks' log groups, of which it may read lines."
  type        = list(string)
  default     = ["arn:aws:logs:*:*:log-group:/ecs/*"]
}

variable "observe" {
  description = "Whether the first cell observes what others launch (docs/observe.md). Refused launches need a CloudTrail trail."
  type        = bool
  default     = false
}

variable "callback_arns" {
  description = "ARNs of state machines and durable functions that it may answer."
  type        = list(string)
  default     = []
}

variable "task_role_arns" {
  description = "ARNs of the task roles and execution roles of those task definitions, and of the role for their EBS volumes (iam:PassRole)."
  type        = list(string)
  default     = []
}

variable "image" {
  description = "The image made from infra/Dockerfile, best by its digest."
  type        = string
}

variable "image_repository_arn" {
  description = "ARN of the ECR repository that the image is in. Null for an image that anybody may pull."
  type        = string
  default     = null
}

variable "cpu" {
  description = "Of a process, in CPU units."
  type        = number
  default     = 512
}

variable "memory" {
  description = "Of a process in MiB, as Fargate combines it with cpu."
  type        = number
  default     = 1024
}

variable "cpu_architecture" {
  description = "ARM64 or X86_64."
  type        = string
  default     = "ARM64"
}

variable "run_task_rate" {
  description = "TASKWATCH_RUN_TASK_RATE: tasks placed a second, by the whole fleet."
  type        = number
  default     = 20
}

variable "environment" {
  description = "More settings of taskwatch serve, by their names (docs/settings.md)."
  type        = map(string)
  default     = {}
}

variable "log_filter" {
  description = "TASKWATCH_LOG"
  type        = string
  default     = "info"
}

variable "log_retention_days" {
  description = "How long CloudWatch keeps the logs."
  type        = number
  default     = 365
}

variable "vpc_id" {
  description = "The VPC of the subnets."
  type        = string
}

variable "subnet_ids" {
  description = "Two or more, in several Availability Zones, with a way to ECS, SQS, SNS, DynamoDB, ECR and CloudWatch Logs (NAT, or VPC endpoints)."
  type        = list(string)
}

variable "assign_public_ip" {
  description = "True only in subnets without NAT and endpoints."
  type        = bool
  default     = false
}

variable "api_token_secret_arn" {
  description = "ARN of the Secrets Manager secret whose text is the API's bearer token. Null: the API listens on loopback only, and requests come by the queue."
  type        = string
  default     = null
}

variable "api_client_security_group_ids" {
  description = "Security groups that may reach the API on port 7717, where api_token_secret_arn is given."
  type        = list(string)
  default     = []
}

variable "alarm_topic_arn" {
  description = "ARN of the topic that alarms go to. Null, they only show."
  type        = string
  default     = null
}

variable "oldest_event_seconds" {
  description = "An event that waits longer raises an alarm."
  type        = number
  default     = 120
}

variable "oldest_notification_seconds" {
  description = "A notification that waits longer raises an alarm."
  type        = number
  default     = 600
}

variable "failures_per_5_minutes" {
  description = "So many failed attempts of one class in 5 minutes raise an alarm (of an image, a secret or a configuration, one does)."
  type        = number
  default     = 20
}

variable "corrections_per_15_minutes" {
  description = "So many lost events, found by DescribeTasks, raise an alarm."
  type        = number
  default     = 10
}

variable "tags" {
  description = "Tags of everything that takes tags."
  type        = map(string)
  default     = {}
}
