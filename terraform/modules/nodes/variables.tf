variable "name" {
  description = "Name of the installation."
  type        = string
}

variable "partition" {
  description = "aws, aws-cn or aws-us-gov."
  type        = string
}

variable "cluster_name" {
  description = "The EKS cluster."
  type        = string
}

variable "cluster_arn" {
  description = "The EKS cluster, for the trust of the disk driver's role."
  type        = string
}

variable "kubernetes_version" {
  description = "Version of the nodes; that of the control plane."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets."
  type        = list(string)
}

variable "addon_versions" {
  description = "Versions of the EKS add-ons that need nodes: coredns, aws-ebs-csi-driver."
  type        = map(string)
}

variable "groups" {
  description = "Node groups by name. pool and taint are what the manifests select and tolerate; gpus is for the autoscaler."
  type = map(object({
    pool           = string
    instance_types = list(string)
    is_spot        = bool
    min_nodes      = number
    max_nodes      = number
    disk_gb        = number
    gpus           = number
    has_taint      = bool
  }))
}
