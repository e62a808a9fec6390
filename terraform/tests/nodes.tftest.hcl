mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name               = "tonemill"
  partition          = "aws"
  cluster_name       = "tonemill"
  cluster_arn        = "arn:aws:eks:eu-central-1:123456789012:cluster/tonemill"
  kubernetes_version = "1.35"
  subnet_ids         = ["subnet-a", "subnet-b", "subnet-c"]
  addon_versions     = { "coredns" = "v1.13.2-eksbuild.3", "aws-ebs-csi-driver" = "v1.57.1-eksbuild.1" }
  groups = {
    system = { pool = "system", instance_types = ["t3.large"], is_spot = false, min_nodes = 2, max_nodes = 4, disk_gb = 50, gpus = 0, has_taint = false }
    gpu    = { pool = "gpu", instance_types = ["g6.xlarge", "g5.xlarge"], is_spot = true, min_nodes = 0, max_nodes = 8, disk_gb = 150, gpus = 1, has_taint = true }
  }
}

run "no_pod_can_take_the_role_of_its_node" {
  command = plan

  module {
    source = "./modules/nodes"
  }

  assert {
    condition = alltrue([
      for template in aws_launch_template.this :
      template.metadata_options[0].http_tokens == "required" && template.metadata_options[0].http_put_response_hop_limit == 1
    ])
    error_message = "The metadata service answers without a token, or to pods."
  }

  assert {
    condition     = keys(aws_iam_role_policy_attachment.node) == ["AmazonEC2ContainerRegistryPullOnly", "AmazonEKSWorkerNodePolicy", "AmazonSSMManagedInstanceCore"]
    error_message = "Nodes have rights that belong to pods."
  }
}

run "disks_are_encrypted_and_nodes_private" {
  command = plan

  module {
    source = "./modules/nodes"
  }

  assert {
    condition     = alltrue([for template in aws_launch_template.this : template.block_device_mappings[0].ebs[0].encrypted == "true" && template.block_device_mappings[0].ebs[0].volume_type == "gp3"])
    error_message = "A disk is not encrypted."
  }

  assert {
    condition     = alltrue([for template in aws_launch_template.this : length(template.network_interfaces) == 0 && template.key_name == null])
    error_message = "A node could get a public address or an SSH key."
  }

  assert {
    condition     = alltrue([for group in aws_eks_node_group.this : group.subnet_ids == toset(["subnet-a", "subnet-b", "subnet-c"]) && length(group.remote_access) == 0])
    error_message = "A node group stands outside of the private subnets or is open to SSH."
  }
}

run "gpu_nodes_start_from_zero_and_are_kept_for_gpu_work" {
  command = plan

  module {
    source = "./modules/nodes"
  }

  assert {
    condition     = aws_eks_node_group.this["gpu"].capacity_type == "SPOT" && aws_eks_node_group.this["gpu"].ami_type == "AL2023_x86_64_NVIDIA" && aws_eks_node_group.this["gpu"].scaling_config[0].min_size == 0
    error_message = "The GPU group is not spot from zero with drivers."
  }

  assert {
    condition     = { for taint in aws_eks_node_group.this["gpu"].taint : taint.key => "${taint.value}:${taint.effect}" } == { "nvidia.com/gpu" = "present:NO_SCHEDULE", "tonemill.io/pool" = "gpu:NO_SCHEDULE" }
    error_message = "Work without a GPU could occupy a GPU node."
  }

  assert {
    condition = { for tag in aws_autoscaling_group_tag.scale_from_zero : tag.tag[0].key => tag.tag[0].value if strcontains(tag.tag[0].key, "gpu") } == {
      "k8s.io/cluster-autoscaler/node-template/label/nvidia.com/gpu.present" = "true"
      "k8s.io/cluster-autoscaler/node-template/resources/nvidia.com/gpu"     = "1"
      "k8s.io/cluster-autoscaler/node-template/taint/nvidia.com/gpu"         = "present:NoSchedule"
    }
    error_message = "From zero the autoscaler could not know that the group has GPUs."
  }

  assert {
    condition     = length(output.groups["system"].taints) == 0 && output.groups["system"].labels == { "tonemill.io/pool" = "system", "tonemill.io/capacity" = "on-demand" }
    error_message = "The system nodes do not take what every cluster needs."
  }
}
