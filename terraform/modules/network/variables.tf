variable "name" {
  description = "Name of the installation."
  type        = string
}

variable "region" {
  description = "Region, for the names of the endpoints."
  type        = string
}

variable "account_id" {
  description = "Account whose buckets may be written through the S3 endpoint."
  type        = string
}

variable "partition" {
  description = "aws, aws-cn or aws-us-gov."
  type        = string
}

variable "cidr" {
  description = "Address range of the VPC, /16 to /20."
  type        = string
}

variable "zones" {
  description = "Three availability zones."
  type        = list(string)
}

variable "nat" {
  description = "one: a single NAT gateway; per-zone: one in each zone, so that losing a zone stops no other."
  type        = string
}

variable "interface_endpoints" {
  description = "AWS services reached without the NAT gateway, such as ecr.api, ecr.dkr, sts, eks-auth."
  type        = set(string)
}

variable "log_key_arn" {
  description = "Key of the flow logs."
  type        = string
}

variable "log_retention_days" {
  description = "Days that flow logs are kept."
  type        = number
}
