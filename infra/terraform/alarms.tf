# What somebody should be woken for, or look at: docs/aws.md.

locals {
  alarm_actions = var.alarm_topic_arn == null ? [] : [var.alarm_topic_arn]

  # Of a fleet; of one cell without a fleet.
  dimensions = local.on_table ? { Fleet = var.name } : { Cell = "${var.name}-0" }
}

resource "aws_cloudwatch_metric_alarm" "events_dlq" {
  for_each = local.cells

  alarm_name          = "taskwatch-${each.key}-events-dlq"
  alarm_description   = "Events did not reach the cell. Their attributes ERROR_CODE and ERROR_MESSAGE say why, and taskwatch doctor."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = aws_sqs_queue.events_dlq[each.key].name }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
  tags                = local.tags
}

resource "aws_cloudwatch_metric_alarm" "oldest_event" {
  for_each = local.cells

  alarm_name          = "taskwatch-${each.key}-oldest-event"
  alarm_description   = "Events wait. Is the cell served (taskwatch fleet), and its store fast enough?"
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateAgeOfOldestMessage"
  dimensions          = { QueueName = aws_sqs_queue.events[each.key].name }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 3
  threshold           = var.oldest_event_seconds
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
  tags                = local.tags
}

resource "aws_cloudwatch_metric_alarm" "delivery" {
  for_each = local.cells

  alarm_name          = "taskwatch-${each.key}-delivery"
  alarm_description   = "EventBridge could not deliver events to the cell's queue (queue policy, queue gone, key)."
  namespace           = "AWS/Events"
  metric_name         = "FailedInvocations"
  dimensions          = { RuleName = aws_cloudwatch_event_rule.events[each.key].name }
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
  tags                = local.tags
}

resource "aws_cloudwatch_metric_alarm" "requests_dlq" {
  alarm_name          = "taskwatch-${var.name}-requests-dlq"
  alarm_description   = "Requests were refused. Their attribute taskwatchError says why."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = aws_sqs_queue.requests_dlq.name }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
  tags                = local.tags
}

# Each cell that is served reports once a minute.
resource "aws_cloudwatch_metric_alarm" "owner" {
  alarm_name          = "taskwatch-${var.name}-owner"
  alarm_description   = "No process serves one of the cells: takeovers take 15 seconds. taskwatch fleet and taskwatch doctor say which, and who lives."
  namespace           = "taskwatch"
  metric_name         = "Ready"
  dimensions          = local.dimensions
  statistic           = "SampleCount"
  period              = 300
  evaluation_periods  = 1
  threshold           = local.on_table ? var.cells * 5 - 2 : 4
  comparison_operator = "LessThanThreshold"
  treat_missing_data  = "breaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
  tags                = local.tags
}

resource "aws_cloudwatch_metric_alarm" "down" {
  alarm_name          = "taskwatch-${var.name}-down"
  alarm_description   = "A cell does not receive from its queues, or its store takes no changes; or no process runs."
  namespace           = "taskwatch"
  metric_name         = "Ready"
  dimensions          = local.dimensions
  statistic           = "Minimum"
  period              = 60
  evaluation_periods  = 5
  threshold           = 1
  comparison_operator = "LessThanThreshold"
  treat_missing_data  = "breaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
  tags                = local.tags
}

resource "aws_cloudwatch_metric_alarm" "takeovers" {
  count = local.on_table ? 1 : 0

  alarm_name          = "taskwatch-${var.name}-takeovers"
  alarm_description   = "A process died, and others took its cells. Its last log lines and its task's stoppedReason say why."
  namespace           = "taskwatch"
  metric_name         = "TakenFromDead"
  dimensions          = { Fleet = var.name }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
  tags                = local.tags
}

resource "aws_cloudwatch_metric_alarm" "table_writes_throttled" {
  count = local.on_table ? 1 : 0

  alarm_name          = "taskwatch-${var.name}-table-writes-throttled"
  alarm_description   = "DynamoDB throttles writes of the table. Nothing is lost, but launches wait; /readyz says which limit it is: the table's, or the account's."
  namespace           = "AWS/DynamoDB"
  metric_name         = "WriteThrottleEvents"
  dimensions          = { TableName = aws_dynamodb_table.runs[0].name }
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 3
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
  tags                = local.tags
}

resource "aws_cloudwatch_metric_alarm" "table_reads_throttled" {
  count = local.on_table ? 1 : 0

  alarm_name          = "taskwatch-${var.name}-table-reads-throttled"
  alarm_description   = "DynamoDB throttles reads of the table. Nothing is lost, but launches wait; /readyz says which limit it is: the table's, or the account's."
  namespace           = "AWS/DynamoDB"
  metric_name         = "ReadThrottleEvents"
  dimensions          = { TableName = aws_dynamodb_table.runs[0].name }
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 3
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
  tags                = local.tags
}

resource "aws_cloudwatch_metric_alarm" "corrections" {
  alarm_name          = "taskwatch-${var.name}-corrections"
  alarm_description   = "DescribeTasks told what events should have. Events get lost: taskwatch doctor shows where."
  namespace           = "taskwatch"
  metric_name         = "Corrections"
  dimensions          = local.dimensions
  statistic           = "Sum"
  period              = 900
  evaluation_periods  = 1
  threshold           = var.corrections_per_15_minutes
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
  tags                = local.tags
}

resource "aws_cloudwatch_metric_alarm" "circuit_breaker" {
  alarm_name          = "taskwatch-${var.name}-circuit-breaker"
  alarm_description   = "A task definition is paused: it fails again and again for one reason. The page, taskwatch watch and GET /v1/limits say what to do."
  namespace           = "taskwatch"
  metric_name         = "OpenCircuitBreakers"
  dimensions          = local.dimensions
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
  tags                = local.tags
}

resource "aws_cloudwatch_metric_alarm" "destinations" {
  alarm_name          = "taskwatch-${var.name}-destinations"
  alarm_description   = "A topic or bus has taken no notification for five minutes. They are kept and sent again. The log names it with its error; taskwatch doctor proves the fleet's topic."
  namespace           = "taskwatch"
  metric_name         = "FailingDestinations"
  dimensions          = local.dimensions
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 5
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
  tags                = local.tags
}

resource "aws_cloudwatch_metric_alarm" "oldest_notification" {
  alarm_name          = "taskwatch-${var.name}-oldest-notification"
  alarm_description   = "Notifications wait, or one is rejected. The log says by which topic or bus and why (taskwatch-…-destinations)."
  namespace           = "taskwatch"
  metric_name         = "AgeOfOldestNotification"
  dimensions          = local.dimensions
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  threshold           = var.oldest_notification_seconds
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
  tags                = local.tags
}

resource "aws_cloudwatch_metric_alarm" "duplicate_cell_name" {
  alarm_name          = "taskwatch-${var.name}-duplicate-cell-name"
  alarm_description   = "Another cell has the name of one of these, and each takes the other's events; the log names the tasks. Give each its own name."
  namespace           = "taskwatch"
  metric_name         = "DuplicateCellNameEvents"
  dimensions          = local.dimensions
  statistic           = "Sum"
  period              = 900
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
  tags                = local.tags
}

# Failed attempts. Where no retry helps, one is enough to call somebody; the others are tried again, and many are a sign.

resource "aws_cloudwatch_metric_alarm" "permanent_failures" {
  alarm_name          = "taskwatch-${var.name}-failures-permanent"
  alarm_description   = "An image or a secret could not be read, or a request or task definition cannot work. taskwatch list --error Taskwatch.Image (.Secrets, .Configuration), then show RUN, says what to do."
  namespace           = "taskwatch"
  metric_name         = "AttemptsFailedPermanent"
  dimensions          = local.dimensions
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
  tags                = local.tags
}

resource "aws_cloudwatch_metric_alarm" "place_failures" {
  alarm_name          = "taskwatch-${var.name}-failures-place"
  alarm_description   = "Many attempts failed for want of capacity, network, disks or instances, or by ECS itself. They are tried again; is there another placement? taskwatch list --error Taskwatch.Capacity (.Network, .Storage, .Host, .Service) says more."
  namespace           = "taskwatch"
  metric_name         = "AttemptsFailedPlace"
  dimensions          = local.dimensions
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  threshold           = var.failures_per_5_minutes
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
  tags                = local.tags
}

resource "aws_cloudwatch_metric_alarm" "application_failures" {
  alarm_name          = "taskwatch-${var.name}-failures-application"
  alarm_description   = "Tasks end by themselves with another exit code than 0, or out of memory. taskwatch list --error Taskwatch.Application, then show RUN, says what to do."
  namespace           = "taskwatch"
  metric_name         = "AttemptsFailedApplication"
  dimensions          = local.dimensions
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  threshold           = var.failures_per_5_minutes
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
  tags                = local.tags
}
