variable "name" {
  description = "Name of the installation."
  type        = string
}

variable "partition" {
  description = "aws, aws-cn or aws-us-gov."
  type        = string
}

variable "region" {
  description = "Region of the buckets."
  type        = string
}

variable "account_id" {
  description = "Account of the node groups."
  type        = string
}

variable "cluster_name" {
  description = "The EKS cluster."
  type        = string
}

variable "cluster_arn" {
  description = "The EKS cluster."
  type        = string
}

variable "namespace" {
  description = "Kubernetes namespace of the jobs."
  type        = string
}

variable "buckets" {
  description = "Names of the buckets: corpus, blocks, runs, catalogue."
  type        = map(string)
}

variable "prefix" {
  description = "Key prefix inside each bucket that the jobs are held to, without slashes at its ends; empty: the whole bucket."
  type        = string
}

variable "key_arn" {
  description = "Key of the buckets."
  type        = string
}

variable "development_role" {
  description = "Whether the standing development cluster gets a role of its own, with the rights of all three stages."
  type        = bool
}
