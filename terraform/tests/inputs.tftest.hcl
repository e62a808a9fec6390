# What a person may get wrong is refused before anything is made, by the variable that holds it. A run costs a second of
# reading the provider's schema, so each holds many mistakes, one a variable: all of them have to be found. A variable whose
# rule looks at another one is not asked when that one is wrong.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  region     = "eu-central-1"
  admin_arns = ["arn:aws:iam::123456789012:role/admin"]
  budget     = { monthly_usd = 300, emails = ["studio@example.org"] }
}

run "first_mistakes" {
  command = plan

  variables {
    name               = "background-music-studio" # EKS cuts node groups at 37 characters
    namespace          = "kube-system"
    region             = "eu-central-1a"
    cidr               = "10.20.0.0/24"
    nat                = "two"
    admin_arns         = []
    system_nodes       = { min_nodes = 0 }
    head_nodes         = { max_nodes = 0 }
    cpu_nodes          = { instance_types = [] }
    gpu_nodes          = { instance_types = ["g5.xlarge"] }
    budget             = { monthly_usd = 0, emails = ["studio@example.org"] }
    bucket_prefix      = "a-studio-with-a-name-of-which-nothing-may-ever-be-left-out"
    data_prefix        = "studio-*"
    image_tag          = "latest"
    log_retention_days = 100
    noncurrent_days    = { runs = 0 }
    prices             = { gpu = -1 }
  }

  expect_failures = [
    var.name, var.namespace, var.region, var.cidr, var.nat, var.admin_arns, var.system_nodes, var.head_nodes, var.cpu_nodes,
    var.gpu_nodes, var.budget, var.bucket_prefix, var.data_prefix, var.image_tag, var.log_retention_days,
    var.noncurrent_days, var.prices,
  ]
}

run "second_mistakes" {
  command = plan

  variables {
    name                = "Tonemill"
    region              = "cn-north-1"
    cidr                = "8.8.0.0/16"
    interface_endpoints = ["s3"]
    public_access_cidrs = ["203.0.113.7/32", "0.0.0.0/0"]
    admin_arns          = ["arn:aws:sts::123456789012:assumed-role/admin/me"]
    system_nodes        = { min_nodes = 5, max_nodes = 4 }
    head_nodes          = { instance_types = [] }
    cpu_nodes           = { instance_types = ["m6i.2xlarge", "m6i.4xlarge"] }
    gpu_nodes           = { instance_types = ["g5.xlarge", "m6i.xlarge"] }
    budget              = { monthly_usd = 300, emails = [] }
    bucket_prefix       = "music.example.org"
    data_prefix         = "/studio"
    metrics_disk_gb     = 1
    prices              = { currency = "dollars" }
  }

  expect_failures = [
    var.name, var.region, var.cidr, var.interface_endpoints, var.public_access_cidrs, var.admin_arns,
    var.system_nodes, var.head_nodes, var.cpu_nodes, var.gpu_nodes, var.budget, var.bucket_prefix, var.data_prefix,
    var.metrics_disk_gb, var.prices,
  ]
}

run "third_mistakes" {
  command = plan

  variables {
    kubernetes_version  = "1.36" # with the add-ons and the autoscaler of 1.35
    cidr                = "10.20.0.0"
    zones               = ["eu-central-1a", "eu-central-1a", "eu-central-1b"]
    public_access_cidrs = ["0.0.0.0/1", "128.0.0.0/1"]
    submitter_arns      = ["arn:aws:iam::123456789012:role/admin"]
    bucket_prefix       = "xn--music"
    overlay             = "cpu-large"
    budget              = { monthly_usd = -5, emails = ["nobody"] }
  }

  expect_failures = [
    var.addon_versions, var.chart_versions, var.cidr, var.zones, var.public_access_cidrs, var.submitter_arns,
    var.bucket_prefix, var.overlay, var.budget,
  ]
}

run "fourth_mistakes" {
  command = plan

  variables {
    zones   = ["us-east-1a", "us-east-1b", "us-east-1c"]
    overlay = "gpu-spot" # without GPU nodes
    addon_versions = {
      "aws-ebs-csi-driver"     = "latest"
      "coredns"                = "v1.13.2-eksbuild.3"
      "eks-pod-identity-agent" = "v1.3.10-eksbuild.2"
      "kube-proxy"             = "v1.35.2-eksbuild.4"
      "vpc-cni"                = "v1.21.1-eksbuild.3"
    }
    chart_versions = { "kuberay-operator" = "1.7.0", "cluster-autoscaler-image" = "v1.35.0" }
  }

  expect_failures = [var.zones, var.overlay, var.addon_versions, var.chart_versions]
}

run "fifth_mistakes" {
  command = plan

  variables {
    zones     = ["eu-central-1a", "eu-central-1b"]
    gpu_nodes = { max_nodes = 500 }
  }

  expect_failures = [var.zones, var.gpu_nodes]
}

run "provider_works_in_another_region" {
  command = plan

  variables {
    region = "us-east-1"
  }

  expect_failures = [data.aws_region.current]
}

run "account_without_zone_c" {
  command = plan

  override_data {
    target = data.aws_availability_zones.named
    values = { names = ["eu-central-1a", "eu-central-1b"] }
  }

  expect_failures = [data.aws_availability_zones.named]
}
