variable "name" {
  description = "Name of the installation."
  type        = string
}

variable "account_id" {
  description = "Account whose costs are watched."
  type        = string
}

variable "partition" {
  description = "aws, aws-cn or aws-us-gov."
  type        = string
}

variable "monthly_usd" {
  description = "US dollars a month."
  type        = number
}

variable "emails" {
  description = "Who is told."
  type        = set(string)
}

variable "only_tagged" {
  description = "Count only what carries the tag tonemill = name, which must be an active cost allocation tag; else the whole account."
  type        = bool
}

variable "key_arn" {
  description = "Key of the alarm topic."
  type        = string
}
