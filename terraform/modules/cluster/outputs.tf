output "name" {
  description = "The cluster, once its network add-ons are there: what nodes wait for."
  value       = aws_eks_cluster.this.name
  depends_on  = [aws_eks_addon.vpc_cni, aws_eks_addon.kube_proxy, aws_eks_addon.pod_identity]
}

output "arn" {
  description = "The cluster; also the context that `aws eks update-kubeconfig` writes."
  value       = aws_eks_cluster.this.arn
}

output "endpoint" {
  description = "Address of the API server."
  value       = aws_eks_cluster.this.endpoint
}

output "public_access" {
  description = "Whether the API server is reachable from the internet."
  value       = aws_eks_cluster.this.vpc_config[0].endpoint_public_access
}
