output "tonemill_cluster" {
  description = "What the cluster file says of this installation: terraform output -json | tonemill cluster add"
  value = {
    name      = var.name
    context   = module.cluster.arn
    namespace = var.namespace
    image     = "${module.registry.url}:${var.image_tag}"
    overlay   = coalesce(var.overlay, var.kueue ? "kueue" : var.gpu_nodes != null ? "gpu-spot" : "cpu-small")
    region    = var.region
    token     = "secret:tonemill-ray-token/auth_token"
    buckets = {
      for kind, bucket in module.storage.names : kind => var.data_prefix == "" ? "s3://${bucket}" : "s3://${bucket}/${var.data_prefix}"
    }
    prices = var.prices
    roles  = module.identities.role_arns
  }
}

output "kubeconfig_command" {
  description = "Run this to reach the cluster with kubectl."
  value       = "aws eks update-kubeconfig --region ${var.region} --name ${module.cluster.name}"
}

output "image_repository" {
  description = "Where the image is pushed to, without a tag."
  value       = module.registry.url
}

output "node_groups" {
  description = "Labels, taints and limits of the node groups, as the manifests have to select and tolerate them."
  value       = module.nodes.groups
}

output "helm_values" {
  description = "Chart, version, namespace and values of what Helm installs."
  value       = module.charts.values
}

output "helm_files" {
  description = "The same as files, with install.sh; terraform/README.md has the line that writes them."
  value       = module.charts.files
}

output "nat_addresses" {
  description = "Public addresses that the workers are seen with, for allow lists of others."
  value       = module.network.nat_addresses
}

output "alarm_topic_arn" {
  description = "SNS topic of the budget alarm."
  value       = module.budget.topic_arn
}
