# The processes.

resource "aws_cloudwatch_log_group" "service" {
  # checkov:skip=CKV_AWS_158:CloudWatch Logs encrypts every group; environment values are masked in every line.
  name              = "/taskwatch/${var.name}"
  retention_in_days = var.log_retention_days
  tags              = local.tags
}

resource "aws_ecs_cluster" "service" {
  name = "taskwatch-${var.name}"
  tags = local.tags

  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_security_group" "service" {
  name_prefix = "taskwatch-${var.name}-"
  description = "Tasks of the taskwatch fleet ${var.name}: out to AWS and its files"
  vpc_id      = var.vpc_id
  tags        = local.tags

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_egress_rule" "aws" {
  security_group_id = aws_security_group.service.id
  description       = "AWS by HTTPS"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_egress_rule" "files" {
  count = local.on_efs ? 1 : 0

  security_group_id            = aws_security_group.service.id
  description                  = "Files by NFS"
  ip_protocol                  = "tcp"
  from_port                    = 2049
  to_port                      = 2049
  referenced_security_group_id = aws_security_group.files[0].id
}

resource "aws_vpc_security_group_ingress_rule" "api" {
  for_each = local.has_api ? toset(var.api_client_security_group_ids) : toset([])

  security_group_id            = aws_security_group.service.id
  description                  = "The API"
  ip_protocol                  = "tcp"
  from_port                    = 7717
  to_port                      = 7717
  referenced_security_group_id = each.key
}

locals {
  # A fleet, or one cell.
  served = local.on_table ? {
    TASKWATCH_FLEET = var.name
    TASKWATCH_STORE = "dynamodb:${aws_dynamodb_table.runs[0].name}"
    } : {
    TASKWATCH_CELL             = "${var.name}-0"
    TASKWATCH_EVENTS_QUEUE_URL = aws_sqs_queue.events["${var.name}-0"].url
    TASKWATCH_STORE            = "file:/data"
  }

  environment = merge(local.served, {
    TASKWATCH_REQUESTS_QUEUE_URL = aws_sqs_queue.requests.url
    TASKWATCH_REQUESTS_DLQ_URL   = aws_sqs_queue.requests_dlq.url
    TASKWATCH_TOPIC_ARN          = aws_sns_topic.runs.arn
    TASKWATCH_RUN_TASK_RATE      = tostring(var.run_task_rate)
    TASKWATCH_LISTEN             = local.has_api ? "0.0.0.0:7717" : "127.0.0.1:7717"
    TASKWATCH_METRICS            = "emf"
    TASKWATCH_LOG                = var.log_filter
    TASKWATCH_LOG_FORMAT         = "json"
  }, var.environment)
}

resource "aws_ecs_task_definition" "service" {
  family                   = "taskwatch-${var.name}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  task_role_arn            = aws_iam_role.task.arn
  execution_role_arn       = aws_iam_role.execution.arn
  tags                     = local.tags

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.cpu_architecture
  }

  dynamic "volume" {
    for_each = aws_efs_file_system.store[*].id

    content {
      name = "store"

      efs_volume_configuration {
        file_system_id     = volume.value
        transit_encryption = "ENABLED"

        authorization_config {
          access_point_id = aws_efs_access_point.store[0].id
          iam             = "ENABLED"
        }
      }
    }
  }

  container_definitions = jsonencode([{
    name                   = "taskwatch"
    image                  = var.image
    essential              = true
    command                = ["serve"]
    user                   = "10001:10001"
    readonlyRootFilesystem = true
    # As long as Fargate lets a process hand its cells over, which takes seconds.
    stopTimeout = 120
    healthCheck = {
      command     = ["CMD", "/usr/local/bin/taskwatch", "healthcheck"]
      interval    = 15
      timeout     = 5
      retries     = 4
      startPeriod = 120
    }
    portMappings = [{ containerPort = 7717, hostPort = 7717, protocol = "tcp" }]
    mountPoints  = [for _ in aws_efs_file_system.store : { sourceVolume = "store", containerPath = "/data", readOnly = false }]
    environment  = [for name, value in local.environment : { name = name, value = value }]
    secrets      = local.has_api ? [{ name = "TASKWATCH_API_TOKEN", valueFrom = var.api_token_secret_arn }] : []
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.service.name
        awslogs-region        = local.region
        awslogs-stream-prefix = "taskwatch"
        # A reader of logs that is slow must not hold the process up.
        mode            = "non-blocking"
        max-buffer-size = "4m"
      }
    }
  }])
}

resource "aws_ecs_service" "service" {
  name             = "taskwatch-${var.name}"
  cluster          = aws_ecs_cluster.service.id
  task_definition  = aws_ecs_task_definition.service.arn
  launch_type      = "FARGATE"
  platform_version = "LATEST"
  desired_count    = local.on_table ? var.processes : 1
  propagate_tags   = "SERVICE"
  tags             = local.tags

  # A new process is there before an old one goes and hands its cells over. On EFS the old one must be gone first.
  deployment_minimum_healthy_percent = local.on_table ? 100 : 0
  deployment_maximum_percent         = local.on_table ? 200 : 100

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    assign_public_ip = var.assign_public_ip
    subnets          = var.subnet_ids
    security_groups  = [aws_security_group.service.id]
  }

  # These must be there before a task starts.
  depends_on = [
    aws_cloudwatch_event_target.events,
    aws_efs_mount_target.store,
    aws_iam_role_policy.files,
    aws_iam_role_policy.fleet,
    aws_iam_role_policy.image,
    aws_iam_role_policy.logs,
    aws_iam_role_policy.secret,
    aws_iam_role_policy.table,
  ]
}
