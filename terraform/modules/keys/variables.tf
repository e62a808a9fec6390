variable "name" {
  description = "Name of the installation; stands in the aliases of the keys."
  type        = string
}

variable "account_id" {
  description = "Account that the keys belong to."
  type        = string
}

variable "partition" {
  description = "aws, aws-cn or aws-us-gov."
  type        = string
}

variable "region" {
  description = "Region whose CloudWatch Logs may use the platform key."
  type        = string
}
