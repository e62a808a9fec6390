# The examples can be planned in an empty account, where no resource has an identity yet, and are what their READMEs reckon
# with.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  region       = "eu-central-1"
  admin_arns   = ["arn:aws:iam::123456789012:role/admin"]
  office_cidrs = ["203.0.113.7/32"]
  email        = "studio@example.org"
}

run "small" {
  command = plan

  module {
    source = "./examples/small"
  }

  assert {
    condition     = output.tonemill_cluster.overlay == "cpu-small" && keys(output.helm_files) == ["cluster-autoscaler.yaml", "install.sh", "kuberay-operator.yaml", "storage-class.yaml"]
    error_message = "The small example is not the small one."
  }

  assert {
    condition = { for key, group in module.tonemill.node_groups : key => [group.min_nodes, group.max_nodes] } == {
      system = [1, 2], head = [0, 2], cpu = [0, 4]
    }
    error_message = "More nodes are always there than the README reckons with."
  }
}

run "gpu" {
  command = plan

  module {
    source = "./examples/gpu"
  }

  assert {
    condition     = output.tonemill_cluster.overlay == "gpu-spot" && keys(output.tonemill_cluster.roles) == ["generate", "prepare", "train"]
    error_message = "The GPU example has another overlay, or a role for everything."
  }

  assert {
    condition = { for key, group in module.tonemill.node_groups : key => [group.min_nodes, group.max_nodes] } == {
      system = [2, 4], head = [0, 4], cpu = [0, 64], gpu = [0, 16], gpu-on-demand = [0, 4]
    }
    error_message = "The GPU example has other groups than its README says."
  }
}
