output "groups" {
  description = "What manifests select and tolerate in each group, and how many nodes it may have."
  value = {
    for key, group in var.groups : key => {
      labels    = local.labels[key]
      taints    = local.taints[key]
      min_nodes = group.min_nodes
      max_nodes = group.max_nodes
    }
  }
  depends_on = [aws_eks_node_group.this]
}

output "role_arn" {
  description = "The role of the nodes."
  value       = aws_iam_role.node.arn
}
