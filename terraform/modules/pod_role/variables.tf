variable "name" {
  description = "Name of the role."
  type        = string
}

variable "cluster_name" {
  description = "The EKS cluster."
  type        = string
}

variable "cluster_arn" {
  description = "The EKS cluster; no other one can take the role."
  type        = string
}

variable "namespace" {
  description = "Kubernetes namespace of the pods."
  type        = string
}

variable "service_accounts" {
  description = "Kubernetes service accounts whose pods take the role."
  type        = set(string)
}

variable "policy" {
  description = "What the pods may do, as a JSON policy; null for nothing beside managed_policy_arns."
  type        = string
  default     = null
}

variable "has_policy" {
  description = "Whether policy is set; apart because the policy itself is known only after apply."
  type        = bool
  default     = false
}

variable "managed_policy_arns" {
  description = "Policies of AWS to attach, by a name of your own."
  type        = map(string)
  default     = {}
}
