# Each cell's event pipeline, and what the cells share: the same things as `taskwatch setup --fleet` makes, under the same names.

resource "aws_sqs_queue" "events_dlq" {
  # checkov:skip=CKV_AWS_27:SSE-SQS: EventBridge cannot use alias/aws/sqs.
  for_each = local.cells

  name                      = "${each.key}-events-dlq"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
  tags                      = merge(local.tags, { "taskwatch:cell" = each.key })
}

resource "aws_sqs_queue" "events" {
  # checkov:skip=CKV_AWS_27:SSE-SQS: EventBridge cannot use alias/aws/sqs.
  for_each = local.cells

  name                       = "${each.key}-events"
  message_retention_seconds  = 1209600
  receive_wait_time_seconds  = 20
  visibility_timeout_seconds = 60
  sqs_managed_sse_enabled    = true
  redrive_policy             = jsonencode({ deadLetterTargetArn = aws_sqs_queue.events_dlq[each.key].arn, maxReceiveCount = 100 })
  tags                       = merge(local.tags, { "taskwatch:cell" = each.key })
}

data "aws_iam_policy_document" "events" {
  for_each = local.cells

  statement {
    sid       = "TaskwatchEvents"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.events[each.key].arn]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = ["arn:${local.partition}:events:${local.region}:${local.account}:rule/${each.key}-*"]
    }
  }
}

data "aws_iam_policy_document" "events_dlq" {
  for_each = local.cells

  statement {
    sid       = "TaskwatchEvents"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.events_dlq[each.key].arn]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = ["arn:${local.partition}:events:${local.region}:${local.account}:rule/${each.key}-*"]
    }
  }
}

resource "aws_sqs_queue_policy" "events" {
  for_each = local.cells

  queue_url = aws_sqs_queue.events[each.key].url
  policy    = data.aws_iam_policy_document.events[each.key].json
}

resource "aws_sqs_queue_policy" "events_dlq" {
  for_each = local.cells

  queue_url = aws_sqs_queue.events_dlq[each.key].url
  policy    = data.aws_iam_policy_document.events_dlq[each.key].json
}

resource "aws_cloudwatch_event_rule" "events" {
  for_each = local.cells

  name        = "${each.key}-events"
  description = "Task events of the taskwatch cell ${each.key}"
  state       = "ENABLED"
  tags        = merge(local.tags, { "taskwatch:cell" = each.key })

  event_pattern = jsonencode({
    source      = ["aws.ecs", "taskwatch.doctor"]
    detail-type = ["ECS Task State Change"]
    detail = {
      startedBy  = [{ prefix = "${each.key}/" }]
      clusterArn = var.task_clusters
    }
  })

  # Before the rule sends, the queues let it.
  depends_on = [aws_sqs_queue_policy.events, aws_sqs_queue_policy.events_dlq]
}

resource "aws_cloudwatch_event_target" "events" {
  for_each = local.cells

  rule      = aws_cloudwatch_event_rule.events[each.key].name
  target_id = "taskwatch"
  arn       = aws_sqs_queue.events[each.key].arn

  dead_letter_config {
    arn = aws_sqs_queue.events_dlq[each.key].arn
  }

  retry_policy {
    maximum_retry_attempts       = 185
    maximum_event_age_in_seconds = 86400
  }
}

# What others launch: `taskwatch setup --observe`.
resource "aws_cloudwatch_event_rule" "tasks" {
  count = var.observe ? 1 : 0

  name        = "${var.name}-0-tasks"
  description = "Ends of tasks that others launch, for the taskwatch cell ${var.name}-0"
  state       = "ENABLED"
  tags        = merge(local.tags, { "taskwatch:cell" = "${var.name}-0" })

  event_pattern = jsonencode({
    source      = ["aws.ecs"]
    detail-type = ["ECS Task State Change"]
    detail = {
      lastStatus = ["DEPROVISIONING", "STOPPED"]
      group      = [{ anything-but = { prefix = "service:" } }]
      clusterArn = var.task_clusters
      "$or" = [
        { startedBy = [{ exists = false }] },
        { startedBy = [{ anything-but = { prefix = local.own_tasks } }] },
      ]
    }
  })

  depends_on = [aws_sqs_queue_policy.events, aws_sqs_queue_policy.events_dlq]
}

resource "aws_cloudwatch_event_rule" "calls" {
  count = var.observe ? 1 : 0

  name        = "${var.name}-0-calls"
  description = "RunTask calls, by CloudTrail, for the taskwatch cell ${var.name}-0"
  state       = "ENABLED"
  tags        = merge(local.tags, { "taskwatch:cell" = "${var.name}-0" })

  event_pattern = jsonencode({
    source      = ["aws.ecs"]
    detail-type = ["AWS API Call via CloudTrail"]
    detail      = { eventSource = ["ecs.amazonaws.com"], eventName = ["RunTask"] }
  })

  depends_on = [aws_sqs_queue_policy.events, aws_sqs_queue_policy.events_dlq]
}

resource "aws_cloudwatch_event_target" "observed" {
  for_each = toset(var.observe ? ["tasks", "calls"] : [])

  rule      = each.key == "tasks" ? aws_cloudwatch_event_rule.tasks[0].name : aws_cloudwatch_event_rule.calls[0].name
  target_id = "taskwatch"
  arn       = aws_sqs_queue.events["${var.name}-0"].arn

  dead_letter_config {
    arn = aws_sqs_queue.events_dlq["${var.name}-0"].arn
  }

  retry_policy {
    maximum_retry_attempts       = 185
    maximum_event_age_in_seconds = 86400
  }
}

resource "aws_sqs_queue" "requests_dlq" {
  # checkov:skip=CKV_AWS_27:SSE-SQS: EventBridge cannot use alias/aws/sqs.
  name                      = "${var.name}-requests-dlq"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
  tags                      = local.tags
}

resource "aws_sqs_queue" "requests" {
  # checkov:skip=CKV_AWS_27:SSE-SQS: EventBridge cannot use alias/aws/sqs.
  name                       = "${var.name}-requests"
  message_retention_seconds  = 1209600
  receive_wait_time_seconds  = 20
  visibility_timeout_seconds = 60
  sqs_managed_sse_enabled    = true
  redrive_policy             = jsonencode({ deadLetterTargetArn = aws_sqs_queue.requests_dlq.arn, maxReceiveCount = 100 })
  tags                       = local.tags
}

resource "aws_sns_topic" "runs" {
  name              = "${var.name}-runs"
  kms_master_key_id = "alias/aws/sns"
  tags              = local.tags
}
