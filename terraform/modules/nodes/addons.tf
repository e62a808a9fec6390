# Add-ons that are pods of their own: EKS calls them ready only once a node runs them.

module "ebs_csi_role" {
  source = "../pod_role"

  name                = "${var.name}-ebs-csi"
  cluster_name        = var.cluster_name
  cluster_arn         = var.cluster_arn
  namespace           = "kube-system"
  service_accounts    = ["ebs-csi-controller-sa"]
  managed_policy_arns = { ebs = "arn:${var.partition}:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy" }
}

resource "aws_eks_addon" "coredns" {
  cluster_name                = var.cluster_name
  addon_name                  = "coredns"
  addon_version               = var.addon_versions["coredns"]
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"
  configuration_values        = jsonencode({ nodeSelector = { "tonemill.io/pool" = "system" } })

  depends_on = [aws_eks_node_group.this]
}

resource "aws_eks_addon" "ebs_csi" {
  cluster_name                = var.cluster_name
  addon_name                  = "aws-ebs-csi-driver"
  addon_version               = var.addon_versions["aws-ebs-csi-driver"]
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"
  configuration_values        = jsonencode({ controller = { nodeSelector = { "tonemill.io/pool" = "system" } } })

  depends_on = [aws_eks_node_group.this, module.ebs_csi_role]
}
