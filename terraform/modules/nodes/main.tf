locals {
  # One place for what the manifests in k8s/ and the autoscaler have to agree with.
  labels = {
    for key, group in var.groups : key => merge(
      {
        "tonemill.io/pool"     = group.pool
        "tonemill.io/capacity" = group.is_spot ? "spot" : "on-demand"
      },
      group.gpus > 0 ? { "nvidia.com/gpu.present" = "true" } : {},
    )
  }
  taints = {
    for key, group in var.groups : key => merge(
      group.has_taint ? { "tonemill.io/pool" = group.pool } : {},
      group.gpus > 0 ? { "nvidia.com/gpu" = "present" } : {},
    )
  }

  # An empty group has no node to look at: these tags tell the autoscaler what a new one would be.
  scale_from_zero_tags = merge([
    for key, group in var.groups : merge(
      { for label, value in local.labels[key] : "${key} label/${label}" => {
        group = key, tag = "k8s.io/cluster-autoscaler/node-template/label/${label}", value = value
      } },
      { for taint, value in local.taints[key] : "${key} taint/${taint}" => {
        group = key, tag = "k8s.io/cluster-autoscaler/node-template/taint/${taint}", value = "${value}:NoSchedule"
      } },
      { "${key} disk" = {
        group = key, tag = "k8s.io/cluster-autoscaler/node-template/resources/ephemeral-storage", value = "${group.disk_gb}Gi"
      } },
      group.gpus == 0 ? {} : { "${key} gpu" = {
        group = key, tag = "k8s.io/cluster-autoscaler/node-template/resources/nvidia.com/gpu", value = tostring(group.gpus)
      } },
    )
  ]...)
}

resource "aws_launch_template" "this" {
  for_each = var.groups

  name                   = "${var.name}-${each.key}"
  update_default_version = true

  # Tokens only, and one hop: a pod behind its own network namespace cannot take the node's role.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  block_device_mappings {
    device_name = "/dev/xvda"

    ebs {
      volume_type           = "gp3"
      volume_size           = each.value.disk_gb
      encrypted             = true
      delete_on_termination = true
    }
  }

  # default_tags of the provider do not reach what the group starts.
  dynamic "tag_specifications" {
    for_each = toset(["instance", "volume", "network-interface"])

    content {
      resource_type = tag_specifications.key
      tags = {
        Name     = "${var.name}-${each.key}"
        tonemill = var.name
      }
    }
  }
}

resource "aws_eks_node_group" "this" {
  for_each = var.groups

  cluster_name           = var.cluster_name
  node_group_name_prefix = "${var.name}-${each.key}-"
  node_role_arn          = aws_iam_role.node.arn
  subnet_ids             = var.subnet_ids
  version                = var.kubernetes_version
  ami_type               = each.value.gpus > 0 ? "AL2023_x86_64_NVIDIA" : "AL2023_x86_64_STANDARD"
  capacity_type          = each.value.is_spot ? "SPOT" : "ON_DEMAND"
  instance_types         = each.value.instance_types
  labels                 = local.labels[each.key]

  launch_template {
    id      = aws_launch_template.this[each.key].id
    version = aws_launch_template.this[each.key].latest_version
  }

  scaling_config {
    min_size     = each.value.min_nodes
    max_size     = each.value.max_nodes
    desired_size = each.value.min_nodes
  }

  update_config {
    max_unavailable = 1
  }

  node_repair_config {
    enabled = true
  }

  dynamic "taint" {
    for_each = local.taints[each.key]

    content {
      key    = taint.key
      value  = taint.value
      effect = "NO_SCHEDULE"
    }
  }

  lifecycle {
    create_before_destroy = true
    # The number of nodes belongs to the autoscaler.
    ignore_changes = [scaling_config[0].desired_size]
  }

  depends_on = [aws_iam_role_policy_attachment.node]
}

resource "aws_autoscaling_group_tag" "scale_from_zero" {
  for_each = local.scale_from_zero_tags

  autoscaling_group_name = aws_eks_node_group.this[each.value.group].resources[0].autoscaling_groups[0].name

  tag {
    key                 = each.value.tag
    value               = each.value.value
    propagate_at_launch = false
  }
}
