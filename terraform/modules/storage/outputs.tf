output "names" {
  description = "The four buckets: corpus, blocks, runs, catalogue."
  value       = { for kind, bucket in aws_s3_bucket.this : kind => bucket.bucket }
  depends_on  = [aws_s3_bucket_policy.this]
}
