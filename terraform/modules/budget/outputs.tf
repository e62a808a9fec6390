output "topic_arn" {
  description = "Where alarms are published; subscribe a pager to it."
  value       = aws_sns_topic.alarm.arn
}
