variable "name" {
  description = "Name of the cluster."
  type        = string
}

variable "partition" {
  description = "aws, aws-cn or aws-us-gov."
  type        = string
}

variable "kubernetes_version" {
  description = "Kubernetes version of the control plane, such as 1.35."
  type        = string
}

variable "addon_versions" {
  description = "Versions of the EKS add-ons that must be there before the first node: vpc-cni, kube-proxy, eks-pod-identity-agent."
  type        = map(string)
}

variable "subnet_ids" {
  description = "Private subnets of the control plane's network interfaces."
  type        = list(string)
}

variable "public_access_cidrs" {
  description = "Address ranges that reach the API server from the internet; empty: only the VPC does."
  type        = list(string)
}

variable "key_arn" {
  description = "Key of Kubernetes secrets and of the control plane's logs."
  type        = string
}

variable "log_retention_days" {
  description = "Days that the control plane's logs are kept."
  type        = number
}

variable "admin_arns" {
  description = "IAM roles or users that may do everything in the cluster."
  type        = set(string)
}

variable "submitter_arns" {
  description = "IAM roles or users that only get the Kubernetes group tonemill:submitters."
  type        = set(string)
}
