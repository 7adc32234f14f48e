# The table. Its names and its shape are those of `taskwatch setup --fleet`, which also puts the cells into it.

resource "aws_dynamodb_table" "runs" {
  # checkov:skip=CKV_AWS_119:Encrypted by the key that DynamoDB keeps; a key of one's own costs a call of KMS and a policy that nobody else needs.
  # checkov:skip=CKV2_AWS_16:On demand, so that nothing is to be scaled.
  count = local.on_table ? 1 : 0

  name                        = "taskwatch-${var.name}"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "pk"
  range_key                   = "sk"
  deletion_protection_enabled = true
  tags                        = local.tags

  attribute {
    name = "pk"
    type = "S"
  }

  attribute {
    name = "sk"
    type = "N"
  }

  attribute {
    name = "endedOn"
    type = "S"
  }

  attribute {
    name = "id"
    type = "S"
  }

  global_secondary_index {
    name               = "ended"
    hash_key           = "endedOn"
    range_key          = "id"
    projection_type    = "INCLUDE"
    non_key_attributes = ["status", "queue", "error"]
  }

  ttl {
    attribute_name = "ttl"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = true
  }
}

# The other store. SQLite on NFS has one writer: the service below never has two tasks then, and the store's lock would refuse the second.

resource "aws_efs_file_system" "store" {
  # checkov:skip=CKV_AWS_184:Encrypted by the key that AWS keeps for EFS; a key of one's own costs a policy that nobody else needs.
  count = local.on_efs ? 1 : 0

  encrypted        = true
  performance_mode = "generalPurpose"
  throughput_mode  = "elastic"
  tags             = merge(local.tags, { Name = "taskwatch-${var.name}" })

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_efs_backup_policy" "store" {
  count = local.on_efs ? 1 : 0

  file_system_id = aws_efs_file_system.store[0].id

  backup_policy {
    status = "ENABLED"
  }
}

data "aws_iam_policy_document" "file_system" {
  count = local.on_efs ? 1 : 0

  statement {
    sid       = "OnlyByTheTaskRole"
    actions   = ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = [aws_iam_role.task.arn]
    }

    condition {
      test     = "Bool"
      variable = "elasticfilesystem:AccessedViaMountTarget"
      values   = ["true"]
    }
  }

  statement {
    sid       = "OnlyByTls"
    effect    = "Deny"
    actions   = ["*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_efs_file_system_policy" "store" {
  count = local.on_efs ? 1 : 0

  file_system_id = aws_efs_file_system.store[0].id
  policy         = data.aws_iam_policy_document.file_system[0].json
}

resource "aws_efs_access_point" "store" {
  count = local.on_efs ? 1 : 0

  file_system_id = aws_efs_file_system.store[0].id
  tags           = local.tags

  posix_user {
    uid = 10001
    gid = 10001
  }

  root_directory {
    path = "/taskwatch"

    creation_info {
      owner_uid   = 10001
      owner_gid   = 10001
      permissions = "0750"
    }
  }
}

resource "aws_security_group" "files" {
  count = local.on_efs ? 1 : 0

  name_prefix = "taskwatch-${var.name}-files-"
  description = "Files of the taskwatch cell ${var.name}-0: NFS from its task"
  vpc_id      = var.vpc_id
  tags        = local.tags

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "files" {
  count = local.on_efs ? 1 : 0

  security_group_id            = aws_security_group.files[0].id
  description                  = "NFS from the cell's task"
  ip_protocol                  = "tcp"
  from_port                    = 2049
  to_port                      = 2049
  referenced_security_group_id = aws_security_group.service.id
}

resource "aws_efs_mount_target" "store" {
  for_each = local.on_efs ? toset(var.subnet_ids) : toset([])

  file_system_id  = aws_efs_file_system.store[0].id
  subnet_id       = each.key
  security_groups = [aws_security_group.files[0].id]
}
