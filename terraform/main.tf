# Tonemill on AWS: network -> keys -> cluster -> nodes; buckets and, for each stage, the role that may use them.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {
  lifecycle {
    postcondition {
      condition     = self.id == var.region
      error_message = "The provider works in ${self.id} but region is ${var.region}: buckets and cluster would stand in different regions. Set the provider's region to var.region."
    }
  }
}

# Only asks whether they are there. Choosing from what is available would move the subnets on the day a zone is added or has
# an outage.
data "aws_availability_zones" "named" {
  filter {
    name   = "zone-name"
    values = local.zones
  }

  lifecycle {
    postcondition {
      condition     = length(self.names) == 3
      error_message = "This account has not all of the zones ${join(", ", local.zones)}: name three others in zones (aws ec2 describe-availability-zones --region ${var.region})."
    }
  }
}

locals {
  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition
  zones      = length(var.zones) > 0 ? var.zones : [for letter in ["a", "b", "c"] : "${var.region}${letter}"]

  node_groups = merge(
    {
      system = merge(var.system_nodes, { pool = "system", is_spot = false, gpus = 0, has_taint = false })
      head   = merge(var.head_nodes, { pool = "head", is_spot = false, gpus = 0, has_taint = true, min_nodes = 0 })
      cpu    = merge(var.cpu_nodes, { pool = "cpu", is_spot = true, gpus = 0, has_taint = true, min_nodes = 0 })
    },
    var.gpu_nodes == null ? {} : {
      gpu = merge(var.gpu_nodes, { pool = "gpu", is_spot = true, gpus = var.gpu_nodes.gpus_per_node, has_taint = true, min_nodes = 0 })
    },
    try(var.gpu_nodes.max_on_demand_nodes, 0) == 0 ? {} : {
      gpu-on-demand = merge(var.gpu_nodes, {
        pool      = "gpu"
        is_spot   = false
        gpus      = var.gpu_nodes.gpus_per_node
        has_taint = true
        min_nodes = 0
        max_nodes = var.gpu_nodes.max_on_demand_nodes
      })
    },
  )
}

module "keys" {
  source = "./modules/keys"

  name       = var.name
  account_id = local.account_id
  partition  = local.partition
  region     = var.region
}

module "network" {
  source = "./modules/network"

  name                = var.name
  region              = var.region
  account_id          = local.account_id
  partition           = local.partition
  cidr                = var.cidr
  zones               = local.zones
  nat                 = var.nat
  interface_endpoints = var.interface_endpoints
  log_key_arn         = module.keys.platform_key_arn
  log_retention_days  = var.log_retention_days
}

module "cluster" {
  source = "./modules/cluster"

  name                = var.name
  partition           = local.partition
  kubernetes_version  = var.kubernetes_version
  addon_versions      = var.addon_versions
  subnet_ids          = module.network.private_subnet_ids
  public_access_cidrs = var.public_access_cidrs
  key_arn             = module.keys.platform_key_arn
  log_retention_days  = var.log_retention_days
  admin_arns          = var.admin_arns
  submitter_arns      = var.submitter_arns
}

module "nodes" {
  source = "./modules/nodes"

  name               = var.name
  partition          = local.partition
  cluster_name       = module.cluster.name
  cluster_arn        = module.cluster.arn
  kubernetes_version = var.kubernetes_version
  subnet_ids         = module.network.private_subnet_ids
  addon_versions     = var.addon_versions
  groups             = local.node_groups
}

module "storage" {
  source = "./modules/storage"

  partition         = local.partition
  bucket_prefix     = var.bucket_prefix != "" ? var.bucket_prefix : "${var.name}-${local.account_id}"
  key_arn           = module.keys.data_key_arn
  noncurrent_days   = var.noncurrent_days
  access_log_bucket = var.access_log_bucket
}

module "identities" {
  source = "./modules/identities"

  name             = var.name
  partition        = local.partition
  region           = var.region
  account_id       = local.account_id
  cluster_name     = module.cluster.name
  cluster_arn      = module.cluster.arn
  namespace        = var.namespace
  buckets          = module.storage.names
  prefix           = var.data_prefix
  key_arn          = module.keys.data_key_arn
  development_role = var.development_role
}

module "registry" {
  source = "./modules/registry"

  name    = var.name
  key_arn = module.keys.data_key_arn
}

module "budget" {
  source = "./modules/budget"

  name        = var.name
  account_id  = local.account_id
  partition   = local.partition
  monthly_usd = var.budget.monthly_usd
  emails      = var.budget.emails
  only_tagged = var.budget.only_tagged
  key_arn     = module.keys.platform_key_arn
}

module "charts" {
  source = "./modules/charts"

  cluster_name    = module.cluster.name
  context         = module.cluster.arn
  region          = var.region
  namespace       = var.namespace
  versions        = var.chart_versions
  has_gpus        = var.gpu_nodes != null
  has_monitoring  = var.monitoring
  has_kueue       = var.kueue
  metrics_disk_gb = var.metrics_disk_gb
}
