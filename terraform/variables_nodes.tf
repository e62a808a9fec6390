# Types of one group must have the same number of processors, memory and GPUs: the autoscaler reckons with the first. The
# defaults fit the pods of k8s/overlays/gpu-spot; those of cpu-small fit half of each.

variable "system_nodes" {
  description = "On-demand nodes of CoreDNS, the operators, the autoscaler and monitoring. Never scaled to zero."
  type = object({
    instance_types = optional(list(string), ["t3.large", "t3a.large"])
    min_nodes      = optional(number, 2)
    max_nodes      = optional(number, 4)
    disk_gb        = optional(number, 50)
  })
  default = {}

  validation {
    condition     = length(var.system_nodes.instance_types) > 0 && length(distinct([for type in var.system_nodes.instance_types : try(split(".", type)[1], "")])) == 1
    error_message = "system_nodes.instance_types needs at least one type, all of one size, such as [\"t3.large\", \"t3a.large\"]."
  }

  validation {
    condition     = var.system_nodes.min_nodes >= 1 && var.system_nodes.max_nodes >= var.system_nodes.min_nodes
    error_message = "system_nodes needs 1 <= min_nodes <= max_nodes: without a system node no other one is ever started."
  }

  validation {
    condition     = var.system_nodes.disk_gb >= 20
    error_message = "system_nodes.disk_gb is ${var.system_nodes.disk_gb}: the system image alone takes 20."
  }
}

variable "head_nodes" {
  description = "On-demand nodes of Ray heads: a head that is taken away loses its job."
  type = object({
    instance_types = optional(list(string), ["m6i.xlarge", "m6a.xlarge", "m7i.xlarge"])
    max_nodes      = optional(number, 4)
    disk_gb        = optional(number, 100)
  })
  default = {}

  validation {
    condition     = length(var.head_nodes.instance_types) > 0 && length(distinct([for type in var.head_nodes.instance_types : try(split(".", type)[1], "")])) == 1
    error_message = "head_nodes.instance_types needs at least one type, all of one size, such as [\"m6i.xlarge\", \"m6a.xlarge\"]."
  }

  validation {
    condition     = var.head_nodes.max_nodes >= 1 && var.head_nodes.disk_gb >= 50
    error_message = "head_nodes needs max_nodes >= 1 (a job without a head cannot start) and disk_gb >= 50 (the image takes 10 and is unpacked beside itself)."
  }
}

variable "cpu_nodes" {
  description = "Spot nodes of CPU workers, from 0."
  type = object({
    instance_types = optional(list(string), ["m6i.2xlarge", "m6a.2xlarge", "m7i.2xlarge", "m7a.2xlarge"])
    max_nodes      = optional(number, 32)
    disk_gb        = optional(number, 100)
  })
  default = {}

  validation {
    condition     = length(var.cpu_nodes.instance_types) > 0 && length(distinct([for type in var.cpu_nodes.instance_types : try(split(".", type)[1], "")])) == 1
    error_message = "cpu_nodes.instance_types needs at least one type, all of one size, such as [\"m6i.2xlarge\", \"m7i.2xlarge\"]; several types find spot capacity more often."
  }

  validation {
    condition     = var.cpu_nodes.max_nodes >= 1 && var.cpu_nodes.max_nodes <= 128 && var.cpu_nodes.disk_gb >= 50
    error_message = "cpu_nodes needs max_nodes from 1 to 128 and disk_gb >= 50."
  }
}

variable "gpu_nodes" {
  description = "Nodes of GPU workers, from 0: spot, and a group of the same types on demand that is used when spot has none. null: no GPUs."
  type = object({
    instance_types      = optional(list(string), ["g6.xlarge", "g5.xlarge", "g4dn.xlarge"])
    gpus_per_node       = optional(number, 1)
    max_nodes           = optional(number, 8)
    max_on_demand_nodes = optional(number, 2)
    disk_gb             = optional(number, 150)
  })
  default = null

  validation {
    condition     = var.gpu_nodes == null ? true : length(var.gpu_nodes.instance_types) >= 2 && length(distinct([for type in var.gpu_nodes.instance_types : try(split(".", type)[1], "")])) == 1
    error_message = "gpu_nodes.instance_types needs at least two types, all of one size, such as [\"g6.xlarge\", \"g5.xlarge\"]: one type alone is often sold out on spot."
  }

  validation {
    condition     = var.gpu_nodes == null ? true : alltrue([for type in var.gpu_nodes.instance_types : can(regex("^(g[4-9]|p[3-9])[a-z0-9]*\\.", type))])
    error_message = "gpu_nodes.instance_types holds a type without an NVIDIA GPU; such types begin with g4dn, g5, g6, p4 or p5."
  }

  validation {
    condition     = var.gpu_nodes == null ? true : var.gpu_nodes.max_nodes >= 1 && var.gpu_nodes.max_nodes <= 32 && var.gpu_nodes.max_on_demand_nodes >= 0 && var.gpu_nodes.gpus_per_node >= 1 && var.gpu_nodes.disk_gb >= 100
    error_message = "gpu_nodes needs max_nodes from 1 to 32, max_on_demand_nodes >= 0, gpus_per_node >= 1 and disk_gb >= 100 (CUDA images are large)."
  }
}

variable "monitoring" {
  description = "Whether the charts include Prometheus and Grafana; they take 2 GB of a system node's memory."
  type        = bool
  default     = true
}

variable "kueue" {
  description = "Whether the charts include Kueue, which queues jobs by quota; for the overlay of that name."
  type        = bool
  default     = false
}

variable "metrics_disk_gb" {
  description = "Disk of Prometheus."
  type        = number
  default     = 50

  validation {
    condition     = var.metrics_disk_gb >= 10
    error_message = "metrics_disk_gb is ${var.metrics_disk_gb}: Prometheus needs 10 at least."
  }
}

variable "chart_versions" {
  description = "Versions of the Helm charts, and the autoscaler's image, which follows kubernetes_version."
  type        = map(string)
  default = {
    "cluster-autoscaler"       = "9.59.0"
    "cluster-autoscaler-image" = "v1.35.0"
    "kube-prometheus-stack"    = "81.6.2"
    "kuberay-operator"         = "1.7.0"
    "kueue"                    = "0.18.3"
    "nvidia-device-plugin"     = "0.19.3"
  }

  validation {
    condition     = startswith(lookup(var.chart_versions, "kuberay-operator", ""), "1.7.")
    error_message = "chart_versions[\"kuberay-operator\"] must be 1.7.x: the manifests in k8s/ are checked against its schemas."
  }

  validation {
    condition     = startswith(lookup(var.chart_versions, "cluster-autoscaler-image", ""), "v${var.kubernetes_version}.")
    error_message = "chart_versions[\"cluster-autoscaler-image\"] must have the minor version of kubernetes_version (v${var.kubernetes_version}.x)."
  }

  validation {
    condition     = length(setsubtract(["cluster-autoscaler", "kube-prometheus-stack", "kueue", "nvidia-device-plugin"], keys(var.chart_versions))) == 0
    error_message = "chart_versions lacks a chart: name cluster-autoscaler, kube-prometheus-stack, kuberay-operator, kueue and nvidia-device-plugin."
  }
}
