# GPU workers on spot with on-demand behind them, CPU workers on spot, a gateway in each zone, Prometheus and Grafana.

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
    key          = "tonemill/gpu.tfstate"
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = { tonemill = "tonemill-gpu" }
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

variable "submitter_arns" {
  description = "IAM roles or users that send jobs and nothing else."
  type        = set(string)
  default     = []
}

variable "office_cidrs" {
  description = "Address ranges that you reach the API server from; empty with a VPN into the VPC."
  type        = list(string)
  default     = []
}

variable "email" {
  description = "Who hears of the budget alarm."
  type        = string
}

module "tonemill" {
  source = "../.."

  name                = "tonemill-gpu"
  region              = var.region
  admin_arns          = var.admin_arns
  submitter_arns      = var.submitter_arns
  public_access_cidrs = var.office_cidrs
  budget              = { monthly_usd = 3000, emails = [var.email] }

  # Image layers of some gigabytes, pulled by every new worker: through endpoints instead of the gateways.
  nat                 = "per-zone"
  interface_endpoints = ["ecr.api", "ecr.dkr", "eks-auth", "sts"]

  cpu_nodes = { max_nodes = 64 }
  gpu_nodes = { max_nodes = 16, max_on_demand_nodes = 4 }

  # RayJobs only: no role that may do everything.
  development_role = false
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
