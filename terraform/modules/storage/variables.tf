variable "partition" {
  description = "aws, aws-cn or aws-us-gov."
  type        = string
}

variable "bucket_prefix" {
  description = "What the names of the four buckets begin with."
  type        = string
}

variable "key_arn" {
  description = "Key of all objects."
  type        = string
}

variable "noncurrent_days" {
  description = "Days that a replaced or deleted object can be brought back, by bucket. Current objects stay for ever."
  type        = map(number)
}

variable "access_log_bucket" {
  description = "An existing bucket for S3 server access logs; null for none."
  type        = string
}
