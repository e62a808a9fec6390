variable "cluster_name" {
  description = "The EKS cluster."
  type        = string
}

variable "context" {
  description = "Context of kubectl that names the cluster."
  type        = string
}

variable "region" {
  description = "Region of the cluster."
  type        = string
}

variable "namespace" {
  description = "Namespace of the Ray clusters, the only one that KubeRay watches."
  type        = string
}

variable "versions" {
  description = "Chart versions, and the image of the cluster autoscaler, whose minor version is that of Kubernetes."
  type        = map(string)
}

variable "has_gpus" {
  description = "Whether there are GPU nodes to make known to Kubernetes."
  type        = bool
}

variable "has_monitoring" {
  description = "Whether Prometheus and Grafana are installed."
  type        = bool
}

variable "has_kueue" {
  description = "Whether Kueue is installed."
  type        = bool
}

variable "metrics_disk_gb" {
  description = "Disk of Prometheus."
  type        = number
}
