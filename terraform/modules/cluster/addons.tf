# What a node needs to become ready. Nodes themselves have no right to touch network interfaces: the CNI's pods have.

module "vpc_cni_role" {
  source = "../pod_role"

  name                = "${var.name}-vpc-cni"
  cluster_name        = aws_eks_cluster.this.name
  cluster_arn         = aws_eks_cluster.this.arn
  namespace           = "kube-system"
  service_accounts    = ["aws-node"]
  managed_policy_arns = { cni = "arn:${var.partition}:iam::aws:policy/AmazonEKS_CNI_Policy" }
}

resource "aws_eks_addon" "pod_identity" {
  cluster_name                = aws_eks_cluster.this.name
  addon_name                  = "eks-pod-identity-agent"
  addon_version               = var.addon_versions["eks-pod-identity-agent"]
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"
}

resource "aws_eks_addon" "kube_proxy" {
  cluster_name                = aws_eks_cluster.this.name
  addon_name                  = "kube-proxy"
  addon_version               = var.addon_versions["kube-proxy"]
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"
}

resource "aws_eks_addon" "vpc_cni" {
  cluster_name                = aws_eks_cluster.this.name
  addon_name                  = "vpc-cni"
  addon_version               = var.addon_versions["vpc-cni"]
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"

  # Without this the NetworkPolicies of the manifests are words. Prefixes: fewer calls to EC2 when many pods start at once.
  configuration_values = jsonencode({
    enableNetworkPolicy = "true"
    env                 = { ENABLE_PREFIX_DELEGATION = "true", WARM_PREFIX_TARGET = "1" }
  })

  depends_on = [aws_eks_addon.pod_identity, module.vpc_cni_role]
}
