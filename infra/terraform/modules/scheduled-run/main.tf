# A scheduled ECS task that is retried and told about: an EventBridge schedule that sends a run request to a requests queue.

data "aws_caller_identity" "current" {}

locals {
  dead_letter_arn = var.dead_letter_arn == null ? aws_sqs_queue.dlq[0].arn : var.dead_letter_arn

  # The scheduled time in the name. Scheduler puts it in by its text, of which jsonencode writes the brackets as \u003c and \u003e.
  request = jsonencode(merge({ name = "${var.name}-<aws.scheduler.scheduled-time>" }, var.request))
  input   = replace(replace(local.request, "\\u003c", "<"), "\\u003e", ">")
}

resource "aws_sqs_queue" "dlq" {
  # checkov:skip=CKV_AWS_27:Encrypted by SSE-SQS.
  count = var.dead_letter_arn == null ? 1 : 0

  name_prefix               = "${replace(substr(var.name, 0, 40), ".", "-")}-dlq-"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
  tags                      = var.tags
}

data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["scheduler.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

resource "aws_iam_role" "schedule" {
  name_prefix        = "taskwatch-schedule-"
  description        = "The schedule ${var.name} sends run requests"
  assume_role_policy = data.aws_iam_policy_document.assume.json
  tags               = var.tags
}

data "aws_iam_policy_document" "send" {
  statement {
    actions   = ["sqs:SendMessage"]
    resources = [var.requests_queue_arn, local.dead_letter_arn]
  }
}

resource "aws_iam_role_policy" "send" {
  name   = "send"
  role   = aws_iam_role.schedule.id
  policy = data.aws_iam_policy_document.send.json
}

resource "aws_scheduler_schedule" "run" {
  # checkov:skip=CKV_AWS_297:EventBridge Scheduler encrypts by its own key; a run request holds no secret.
  name                         = var.name
  description                  = "Sends a run request to taskwatch"
  schedule_expression          = var.schedule_expression
  schedule_expression_timezone = var.timezone

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = var.requests_queue_arn
    role_arn = aws_iam_role.schedule.arn
    input    = local.input

    retry_policy {
      maximum_retry_attempts       = var.retry_policy.maximum_retry_attempts
      maximum_event_age_in_seconds = var.retry_policy.maximum_event_age_in_seconds
    }

    dead_letter_config {
      arn = local.dead_letter_arn
    }
  }
}
