variable "name" {
  description = "Of the schedule, and the beginning of its runs' names."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_.-]{1,64}$", var.name))
    error_message = "The name has 1 to 64 characters of A-Z a-z 0-9 _ . -"
  }
}

variable "schedule_expression" {
  description = "cron(…), rate(…) or at(…)"
  type        = string
}

variable "timezone" {
  description = "Of the schedule expression."
  type        = string
  default     = "UTC"
}

variable "request" {
  description = "The run request (docs/requests.md), as an object. It gets a name with the scheduled time in it, unless it has one: a message that is delivered twice is one run."
  type        = any
}

variable "requests_queue_arn" {
  description = "The output requests_queue_arn of the fleet's module."
  type        = string
}

variable "retry_policy" {
  description = "How long EventBridge Scheduler tries to send the request."
  type = object({
    maximum_retry_attempts       = optional(number, 185)
    maximum_event_age_in_seconds = optional(number, 86400)
  })
  default = {}
}

variable "dead_letter_arn" {
  description = "ARN of a queue for requests that the requests queue did not take. Null: a queue is made."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of everything that takes tags."
  type        = map(string)
  default     = {}
}
