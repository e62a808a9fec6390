# Needs no provider: values and a script made of text.

variables {
  cluster_name = "tonemill"
  context      = "arn:aws:eks:eu-central-1:123456789012:cluster/tonemill"
  region       = "eu-central-1"
  namespace    = "tonemill"
  versions = {
    "cluster-autoscaler"       = "9.59.0"
    "cluster-autoscaler-image" = "v1.35.0"
    "kube-prometheus-stack"    = "81.6.2"
    "kuberay-operator"         = "1.7.0"
    "kueue"                    = "0.18.3"
    "nvidia-device-plugin"     = "0.19.3"
  }
  has_gpus        = true
  has_monitoring  = true
  has_kueue       = true
  metrics_disk_gb = 50
}

run "every_chart_is_pinned_and_stands_on_system_nodes" {
  command = plan

  module {
    source = "./modules/charts"
  }

  assert {
    condition = { for name, chart in output.values : name => chart.version } == {
      "cluster-autoscaler" = "9.59.0", "kube-prometheus-stack" = "81.6.2", "kuberay-operator" = "1.7.0", "kueue" = "0.18.3", "nvidia-device-plugin" = "0.19.3"
    }
    error_message = "A chart is missing or has another version than the pinned one."
  }

  assert {
    condition     = yamldecode(output.values["kuberay-operator"].values).watchNamespace == ["tonemill"] && yamldecode(output.values["kuberay-operator"].values).nodeSelector == { "tonemill.io/pool" = "system" }
    error_message = "KubeRay watches other namespaces than ours, or runs on a node that goes away."
  }

  assert {
    condition = yamldecode(yamldecode(output.values["cluster-autoscaler"].values).expanderPriorities) == {
      "10" = [".*"], "50" = ["-tonemill-(cpu|gpu)-[0-9]"]
    }
    error_message = "The autoscaler does not ask spot groups first."
  }

  assert {
    condition = [
      for group in ["eks-tonemill-gpu-20261122101112130000000001-aabb", "eks-tonemill-cpu-20261122101112130000000002-ccdd", "eks-tonemill-gpu-on-demand-20261122101112130000000003-eeff"] :
      can(regex(yamldecode(yamldecode(output.values["cluster-autoscaler"].values).expanderPriorities)["50"][0], group))
    ] == [true, true, false]
    error_message = "The priorities take an on-demand group for spot, or do not know a spot group."
  }

  assert {
    condition     = yamldecode(output.values["kube-prometheus-stack"].values).grafana.admin.existingSecret == "grafana-admin"
    error_message = "Grafana would start with the password that everybody knows."
  }

  assert {
    condition     = yamldecode(output.files["storage-class.yaml"]).parameters.encrypted == "true"
    error_message = "Disks of pods are not encrypted."
  }
}

run "the_script_installs_in_order_what_was_chosen" {
  command = plan

  module {
    source = "./modules/charts"
  }

  assert {
    condition     = join(" ", flatten(regexall("helm upgrade --install ([a-z-]+) ", output.files["install.sh"]))) == "kube-prometheus-stack cluster-autoscaler nvidia-device-plugin kuberay-operator kueue"
    error_message = "Charts come in another order than what they need of each other."
  }

  assert {
    condition     = length(regexall("--version [0-9]+\\.[0-9]+\\.[0-9]+ ", output.files["install.sh"])) == 5
    error_message = "The script installs a chart without a version."
  }
}

run "a_small_cluster_gets_two_charts" {
  command = plan

  module {
    source = "./modules/charts"
  }

  variables {
    has_gpus       = false
    has_monitoring = false
    has_kueue      = false
  }

  assert {
    condition     = keys(output.files) == ["cluster-autoscaler.yaml", "install.sh", "kuberay-operator.yaml", "storage-class.yaml"]
    error_message = "Files of charts that were not chosen."
  }

  assert {
    condition     = !strcontains(output.files["install.sh"], "monitoring") && !strcontains(output.files["install.sh"], "KUEUE") && !yamldecode(output.values["kuberay-operator"].values).metrics.serviceMonitor.enabled
    error_message = "Something waits for monitoring that is not there."
  }
}
