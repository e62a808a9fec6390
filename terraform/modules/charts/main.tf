# What goes into the cluster with Helm. Terraform does not install it: a provider that needs the cluster it is making cannot
# plan an empty account. It writes the values instead, and one script with the order.

locals {
  on_system_nodes = { "tonemill.io/pool" = "system" }

  all_charts = {
    "kube-prometheus-stack" = {
      wanted     = var.has_monitoring
      order      = 1
      chart      = "prometheus-community/kube-prometheus-stack"
      version    = var.versions["kube-prometheus-stack"]
      namespace  = "monitoring"
      repository = "prometheus-community"
      values     = local.monitoring_values
    }
    "cluster-autoscaler" = {
      wanted     = true
      order      = 2
      chart      = "autoscaler/cluster-autoscaler"
      version    = var.versions["cluster-autoscaler"]
      namespace  = "kube-system"
      repository = "autoscaler"
      values     = local.autoscaler_values
    }
    "nvidia-device-plugin" = {
      wanted     = var.has_gpus
      order      = 3
      chart      = "nvdp/nvidia-device-plugin"
      version    = var.versions["nvidia-device-plugin"]
      namespace  = "kube-system"
      repository = "nvdp"
      values     = local.device_plugin_values
    }
    "kuberay-operator" = {
      wanted     = true
      order      = 4
      chart      = "kuberay/kuberay-operator"
      version    = var.versions["kuberay-operator"]
      namespace  = "kuberay-system"
      repository = "kuberay"
      values     = local.kuberay_values
    }
    "kueue" = {
      wanted = var.has_kueue
      order  = 5
      # Published as an OCI artefact only; install.sh asks for its address.
      chart      = "\"$KUEUE_CHART\""
      version    = var.versions["kueue"]
      namespace  = "kueue-system"
      repository = null
      values     = local.kueue_values
    }
  }
  charts = { for name, chart in local.all_charts : name => chart if chart.wanted }

  # Prometheus' kinds have to be there before monitors of others are.
  by_order = { for name, chart in local.charts : chart.order => merge(chart, { name = name }) }
  in_order = [for order in sort(keys(local.by_order)) : local.by_order[order]]

  kuberay_values = {
    nodeSelector   = local.on_system_nodes
    watchNamespace = [var.namespace]
    resources = {
      requests = { cpu = "100m", memory = "256Mi" }
      limits   = { memory = "512Mi" }
    }
    metrics = { enabled = true, serviceMonitor = { enabled = var.has_monitoring } }
  }

  # Spot first. A group that got no node for eight minutes is left alone for a while and the next priority is asked:
  # this is how GPU work falls back to on-demand.
  autoscaler_values = {
    cloudProvider = "aws"
    awsRegion     = var.region
    autoDiscovery = { clusterName = var.cluster_name }
    image         = { tag = var.versions["cluster-autoscaler-image"] }
    nodeSelector  = local.on_system_nodes
    rbac          = { serviceAccount = { name = "cluster-autoscaler" } }
    extraArgs = {
      expander                    = "priority,least-waste"
      max-node-provision-time     = "8m"
      scale-down-unneeded-time    = "5m"
      skip-nodes-with-system-pods = false
    }
    # As text, because the autoscaler wants numbers for keys and yamlencode quotes them. Node groups carry a date after their
    # name, which tells gpu from gpu-on-demand.
    expanderPriorities = <<-EOT
      10:
        - .*
      50:
        - -${var.cluster_name}-(cpu|gpu)-[0-9]
    EOT
    resources = {
      requests = { cpu = "100m", memory = "300Mi" }
      limits   = { memory = "600Mi" }
    }
  }

  device_plugin_values = {
    nodeSelector = { "nvidia.com/gpu.present" = "true" }
    tolerations = [
      { key = "nvidia.com/gpu", operator = "Exists", effect = "NoSchedule" },
      { key = "tonemill.io/pool", operator = "Exists", effect = "NoSchedule" },
    ]
  }

  monitoring_values = {
    # The control plane is EKS's own; there is nothing of it to scrape.
    kubeControllerManager = { enabled = false }
    kubeScheduler         = { enabled = false }
    kubeEtcd              = { enabled = false }
    kubeProxy             = { enabled = false }
    prometheusOperator    = { nodeSelector = local.on_system_nodes }
    kube-state-metrics    = { nodeSelector = local.on_system_nodes }
    alertmanager          = { alertmanagerSpec = { nodeSelector = local.on_system_nodes } }
    prometheus = {
      prometheusSpec = {
        nodeSelector  = local.on_system_nodes
        retention     = "30d"
        retentionSize = "${floor(var.metrics_disk_gb * 0.85)}GB"
        # Monitors and rules of all namespaces count, whoever installed them.
        podMonitorSelectorNilUsesHelmValues     = false
        serviceMonitorSelectorNilUsesHelmValues = false
        ruleSelectorNilUsesHelmValues           = false
        storageSpec = {
          volumeClaimTemplate = {
            spec = {
              storageClassName = "tonemill-gp3"
              accessModes      = ["ReadWriteOnce"]
              resources        = { requests = { storage = "${var.metrics_disk_gb}Gi" } }
            }
          }
        }
      }
    }
    grafana = {
      nodeSelector = local.on_system_nodes
      # install.sh makes it with a random password; the chart's own default is known to everybody.
      admin   = { existingSecret = "grafana-admin", userKey = "admin-user", passwordKey = "admin-password" }
      sidecar = { dashboards = { enabled = true, searchNamespace = "ALL" } }
    }
  }

  # Its own defaults already queue RayJobs and RayClusters.
  kueue_values = { controllerManager = { nodeSelector = local.on_system_nodes } }

  storage_class = {
    apiVersion           = "storage.k8s.io/v1"
    kind                 = "StorageClass"
    metadata             = { name = "tonemill-gp3" }
    provisioner          = "ebs.csi.aws.com"
    parameters           = { type = "gp3", encrypted = "true" }
    volumeBindingMode    = "WaitForFirstConsumer"
    reclaimPolicy        = "Delete"
    allowVolumeExpansion = true
  }
}
