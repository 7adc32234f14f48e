# Who it is. Each action with its reason: docs/iam.md.

data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

resource "aws_iam_role" "task" {
  name_prefix        = "taskwatch-"
  description        = "The taskwatch fleet ${var.name}"
  assume_role_policy = data.aws_iam_policy_document.assume.json
  tags               = local.tags
}

data "aws_iam_policy_document" "fleet" {
  statement {
    sid     = "Receive"
    actions = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"]
    # By name, so that cells which `taskwatch setup --fleet` adds later are served too.
    resources = ["arn:${local.partition}:sqs:${local.region}:${local.account}:${var.name}-*-events", aws_sqs_queue.requests.arn]
  }

  statement {
    sid       = "Order"
    actions   = ["sqs:SendMessage"]
    resources = ["arn:${local.partition}:sqs:${local.region}:${local.account}:${var.name}-*-events"]
  }

  statement {
    sid       = "Refuse"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.requests_dlq.arn]
  }

  statement {
    sid       = "Tell"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.runs.arn]
  }

  statement {
    sid       = "Launch"
    actions   = ["ecs:RunTask"]
    resources = var.task_definitions

    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = var.task_clusters
    }
  }

  statement {
    sid       = "Tag"
    actions   = ["ecs:TagResource"]
    resources = ["arn:${local.partition}:ecs:${local.region}:${local.account}:task/*"]

    condition {
      test     = "StringEquals"
      variable = "ecs:CreateAction"
      values   = ["RunTask"]
    }
  }

  statement {
    sid       = "FollowAndStop"
    actions   = ["ecs:DescribeTasks", "ecs:StopTask"]
    resources = ["arn:${local.partition}:ecs:${local.region}:${local.account}:task/*"]

    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = var.task_clusters
    }
  }

  statement {
    sid       = "Find"
    actions   = ["ecs:ListTasks"]
    resources = ["*"]

    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = var.task_clusters
    }
  }

  statement {
    sid       = "WhichContainersAreEssential"
    actions   = ["ecs:DescribeTaskDefinition"]
    resources = ["*"]
  }

  statement {
    sid       = "ReadLines"
    actions   = ["logs:GetLogEvents"]
    resources = var.task_log_groups
  }

  # A statement needs a resource.
  dynamic "statement" {
    for_each = length(var.task_role_arns) > 0 ? [var.task_role_arns] : []

    content {
      sid       = "PassTheTasksRoles"
      actions   = ["iam:PassRole"]
      resources = var.task_role_arns

      # ecs.amazonaws.com: the role by which ECS makes the EBS volumes of a request.
      condition {
        test     = "StringEquals"
        variable = "iam:PassedToService"
        values   = ["ecs-tasks.amazonaws.com", "ecs.amazonaws.com"]
      }
    }
  }
}

resource "aws_iam_role_policy" "fleet" {
  name   = "fleet"
  role   = aws_iam_role.task.id
  policy = data.aws_iam_policy_document.fleet.json
}

data "aws_iam_policy_document" "observe" {
  count = var.observe ? 1 : 0

  statement {
    sid       = "WhatRulesAndSchedulesLaunch"
    actions   = ["events:ListRules", "events:ListTargetsByRule", "scheduler:ListSchedules", "scheduler:GetSchedule"]
    resources = ["*"]
  }
}

resource "aws_iam_role_policy" "observe" {
  count = var.observe ? 1 : 0

  name   = "observe"
  role   = aws_iam_role.task.id
  policy = data.aws_iam_policy_document.observe[0].json
}

data "aws_iam_policy_document" "table" {
  count = local.on_table ? 1 : 0

  statement {
    sid       = "Runs"
    actions   = ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"]
    resources = [aws_dynamodb_table.runs[0].arn]
  }

  statement {
    sid       = "EndedRuns"
    actions   = ["dynamodb:Query"]
    resources = ["${aws_dynamodb_table.runs[0].arn}/index/ended"]
  }
}

resource "aws_iam_role_policy" "table" {
  count = local.on_table ? 1 : 0

  name   = "table"
  role   = aws_iam_role.task.id
  policy = data.aws_iam_policy_document.table[0].json
}

data "aws_iam_policy_document" "callbacks" {
  count = length(var.callback_arns) > 0 ? 1 : 0

  statement {
    sid       = "CallBack"
    actions   = ["states:SendTask*", "lambda:SendDurableExecutionCallback*"]
    resources = var.callback_arns
  }
}

resource "aws_iam_role_policy" "callbacks" {
  count = length(var.callback_arns) > 0 ? 1 : 0

  name   = "callbacks"
  role   = aws_iam_role.task.id
  policy = data.aws_iam_policy_document.callbacks[0].json
}

data "aws_iam_policy_document" "files" {
  count = local.on_efs ? 1 : 0

  statement {
    sid       = "Files"
    actions   = ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"]
    resources = [aws_efs_file_system.store[0].arn]

    condition {
      test     = "StringEquals"
      variable = "elasticfilesystem:AccessPointArn"
      values   = [aws_efs_access_point.store[0].arn]
    }
  }
}

resource "aws_iam_role_policy" "files" {
  count = local.on_efs ? 1 : 0

  name   = "files"
  role   = aws_iam_role.task.id
  policy = data.aws_iam_policy_document.files[0].json
}

resource "aws_iam_role" "execution" {
  name_prefix        = "taskwatch-"
  description        = "Starts the tasks of the taskwatch fleet ${var.name}: image, logs, secret"
  assume_role_policy = data.aws_iam_policy_document.assume.json
  tags               = local.tags
}

data "aws_iam_policy_document" "logs" {
  statement {
    sid       = "Logs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["arn:${local.partition}:logs:${local.region}:${local.account}:log-group:/taskwatch/${var.name}:*"]
  }
}

resource "aws_iam_role_policy" "logs" {
  name   = "logs"
  role   = aws_iam_role.execution.id
  policy = data.aws_iam_policy_document.logs.json
}

data "aws_iam_policy_document" "image" {
  count = var.image_repository_arn != null ? 1 : 0

  statement {
    sid       = "Token"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  statement {
    sid       = "Pull"
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"]
    resources = [var.image_repository_arn]
  }
}

resource "aws_iam_role_policy" "image" {
  count = var.image_repository_arn != null ? 1 : 0

  name   = "image"
  role   = aws_iam_role.execution.id
  policy = data.aws_iam_policy_document.image[0].json
}

data "aws_iam_policy_document" "secret" {
  count = local.has_api ? 1 : 0

  statement {
    sid       = "ApiToken"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [var.api_token_secret_arn]
  }
}

resource "aws_iam_role_policy" "secret" {
  count = local.has_api ? 1 : 0

  name   = "secret"
  role   = aws_iam_role.execution.id
  policy = data.aws_iam_policy_document.secret[0].json
}
