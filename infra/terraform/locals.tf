data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.region

  on_table = var.store == "dynamodb"
  on_efs   = var.store == "efs"
  has_api  = var.api_token_secret_arn != null

  # By name.
  cells = toset([for number in range(local.on_table ? var.cells : 1) : "${var.name}-${number}"])

  # What startedBy of their tasks begins with.
  own_tasks = [for cell in local.cells : "${cell}/"]

  tags = merge(var.tags, { "taskwatch:fleet" = var.name })
}
