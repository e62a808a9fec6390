# The root module put together: what it makes by default, and what comes out of it.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  region     = "eu-central-1"
  admin_arns = ["arn:aws:iam::123456789012:role/admin"]
  budget     = { monthly_usd = 300, emails = ["studio@example.org"] }
}

run "defaults_are_private_and_without_gpus" {
  command = plan

  assert {
    condition     = !module.cluster.public_access && length(module.network.nat_addresses) == 1
    error_message = "By default the API server is public, or there is not one NAT gateway."
  }

  assert {
    condition = { for key, group in output.node_groups : key => [group.labels["tonemill.io/capacity"], group.min_nodes, group.max_nodes] } == {
      system = ["on-demand", 2, 4], head = ["on-demand", 0, 4], cpu = ["spot", 0, 32]
    }
    error_message = "By default there are other node groups than system, head and spot CPUs."
  }

  assert {
    condition     = output.tonemill_cluster.overlay == "cpu-small"
    error_message = "Without GPUs the overlay is not cpu-small."
  }
}

run "the_cluster_file_gets_its_exact_keys" {
  command = plan

  variables {
    gpu_nodes = {}
    prices    = { gpu = 0.53 }
  }

  assert {
    condition     = keys(output.tonemill_cluster) == ["buckets", "context", "image", "name", "namespace", "overlay", "prices", "region", "roles", "token"]
    error_message = "The cluster file would refuse a key, or miss one."
  }

  assert {
    condition     = jsonencode([for key in ["context", "image", "name", "namespace", "overlay", "region", "token"] : output.tonemill_cluster[key]]) == jsonencode(["arn:aws:eks:eu-central-1:123456789012:cluster/tonemill", "123456789012.dkr.ecr.eu-central-1.amazonaws.com/tonemill:0.1.0", "tonemill", "tonemill", "gpu-spot", "eu-central-1", "secret:tonemill-ray-token/auth_token"])
    error_message = "The cluster file would say something wrong."
  }

  assert {
    condition     = output.tonemill_cluster.buckets == { for kind in ["corpus", "blocks", "runs", "catalogue"] : kind => "s3://tonemill-123456789012-${kind}" }
    error_message = "The cluster file would name other buckets."
  }

  assert {
    condition     = keys(output.tonemill_cluster.prices) == ["cpu", "currency", "gpu", "head", "storage_gb_month"] && output.tonemill_cluster.prices.gpu == 0.53 && output.tonemill_cluster.prices.currency == "USD"
    error_message = "The cluster file would reckon with other prices."
  }

  assert {
    condition     = keys(output.tonemill_cluster.roles) == ["development", "generate", "prepare", "train"]
    error_message = "The cluster file would tell of other roles."
  }
}

run "gpus_fall_back_to_on_demand" {
  command = plan

  variables {
    gpu_nodes   = { max_nodes = 16, max_on_demand_nodes = 3 }
    data_prefix = "studio-a"
    overlay     = "kueue"
    kueue       = true
  }

  assert {
    condition = { for key, group in output.node_groups : key => [group.labels["tonemill.io/pool"], group.labels["tonemill.io/capacity"], group.max_nodes] if startswith(key, "gpu") } == {
      gpu = ["gpu", "spot", 16], gpu-on-demand = ["gpu", "on-demand", 3]
    }
    error_message = "GPU work has no on-demand group to fall back to."
  }

  assert {
    condition     = output.tonemill_cluster.buckets.runs == "s3://tonemill-123456789012-runs/studio-a" && output.tonemill_cluster.overlay == "kueue"
    error_message = "The cluster file would name places that the roles may not use."
  }

  assert {
    condition     = contains(keys(output.helm_values), "nvidia-device-plugin") && contains(keys(output.helm_values), "kueue")
    error_message = "GPUs or queues are not made known to Kubernetes."
  }
}
