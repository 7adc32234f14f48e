output "schedule_name" {
  description = "The schedule."
  value       = aws_scheduler_schedule.run.name
}

output "dead_letter_arn" {
  description = "The queue of requests that the requests queue did not take."
  value       = local.dead_letter_arn
}
