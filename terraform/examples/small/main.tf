# CPU only: one small system node that is always there, everything else from zero. README.md has the sums.

terraform {
  required_version = ">= 1.11, < 2.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.95, < 7.0"
    }
  }

  # Bucket and region come from `terraform init -backend-config=...`; the lock is an object beside the state.
  backend "s3" {
    key          = "tonemill/small.tfstate"
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = { tonemill = "tonemill-small" }
  }
}

variable "region" {
  description = "AWS region."
  type        = string
  default     = "eu-central-1"
}

variable "admin_arns" {
  description = "IAM roles or users that administer the cluster."
  type        = set(string)
}

variable "office_cidrs" {
  description = "Address ranges that you reach the API server from."
  type        = list(string)
}

variable "email" {
  description = "Who hears of the budget alarm."
  type        = string
}

module "tonemill" {
  source = "../.."

  name                = "tonemill-small"
  region              = var.region
  admin_arns          = var.admin_arns
  public_access_cidrs = var.office_cidrs
  budget              = { monthly_usd = 200, emails = [var.email] }

  system_nodes = { instance_types = ["t3.medium", "t3a.medium"], min_nodes = 1, max_nodes = 2, disk_gb = 30 }
  head_nodes   = { instance_types = ["m6i.large", "m6a.large", "m7i.large"], max_nodes = 2, disk_gb = 60 }
  cpu_nodes    = { instance_types = ["m6i.xlarge", "m6a.xlarge", "m7i.xlarge", "m7a.xlarge"], max_nodes = 4, disk_gb = 80 }

  # Prometheus wants more memory than the one node has.
  monitoring         = false
  log_retention_days = 30
  prices             = { head = 0.115, cpu = 0.10 }
}

output "tonemill_cluster" {
  description = "For `terraform output -json | tonemill cluster add`."
  value       = module.tonemill.tonemill_cluster
}

output "kubeconfig_command" {
  description = "Run this to reach the cluster with kubectl."
  value       = module.tonemill.kubeconfig_command
}

output "image_repository" {
  description = "Where the image is pushed to."
  value       = module.tonemill.image_repository
}

output "helm_files" {
  description = "What Helm installs; ../../README.md has the line that writes these files."
  value       = module.tonemill.helm_files
}
