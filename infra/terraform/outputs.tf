output "fleet" {
  description = "TASKWATCH_FLEET; null with store = \"efs\"."
  value       = local.on_table ? var.name : null
}

output "store" {
  description = "TASKWATCH_STORE."
  value       = local.served["TASKWATCH_STORE"]
}

output "setup_command" {
  description = "Puts the cells into the table. Run it once, and again after cells was raised."
  value = local.on_table ? join(" ", [
    "taskwatch setup --fleet ${var.name} --cells ${var.cells} --store dynamodb:taskwatch-${var.name}",
    "--cluster ${join(",", var.task_clusters)}",
  ]) : null
}

output "events_queue_urls" {
  description = "The events queue of each cell."
  value       = { for cell, queue in aws_sqs_queue.events : cell => queue.url }
}

output "requests_queue_url" {
  description = "TASKWATCH_REQUESTS_QUEUE_URL."
  value       = aws_sqs_queue.requests.url
}

output "requests_queue_arn" {
  description = "For the submodule scheduled-run."
  value       = aws_sqs_queue.requests.arn
}

output "requests_dlq_url" {
  description = "TASKWATCH_REQUESTS_DLQ_URL."
  value       = aws_sqs_queue.requests_dlq.url
}

output "topic_arn" {
  description = "Notifications; subscribe to it."
  value       = aws_sns_topic.runs.arn
}

output "task_role_arn" {
  description = "The processes' role."
  value       = aws_iam_role.task.arn
}

output "log_group_name" {
  description = "The processes' logs."
  value       = aws_cloudwatch_log_group.service.name
}

output "security_group_id" {
  description = "The security group of the processes."
  value       = aws_security_group.service.id
}
