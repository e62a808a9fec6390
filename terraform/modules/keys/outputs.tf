output "platform_key_arn" {
  description = "Key of Kubernetes secrets, logs and alarms."
  value       = aws_kms_key.platform.arn
}

output "data_key_arn" {
  description = "Key of buckets and images."
  value       = aws_kms_key.data.arn
}
