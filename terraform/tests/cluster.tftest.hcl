mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name                = "tonemill"
  partition           = "aws"
  kubernetes_version  = "1.35"
  addon_versions      = { "vpc-cni" = "v1.21.1-eksbuild.3", "kube-proxy" = "v1.35.2-eksbuild.4", "eks-pod-identity-agent" = "v1.3.10-eksbuild.2" }
  subnet_ids          = ["subnet-a", "subnet-b", "subnet-c"]
  public_access_cidrs = []
  key_arn             = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  log_retention_days  = 365
  admin_arns          = ["arn:aws:iam::123456789012:role/admin"]
  submitter_arns      = ["arn:aws:iam::123456789012:role/composer"]
}

run "private_encrypted_and_logged" {
  command = plan

  module {
    source = "./modules/cluster"
  }

  assert {
    condition     = aws_eks_cluster.this.vpc_config[0].endpoint_private_access && !aws_eks_cluster.this.vpc_config[0].endpoint_public_access
    error_message = "The API server is reachable from the internet although no address was named."
  }

  assert {
    condition     = aws_eks_cluster.this.encryption_config[0].resources == toset(["secrets"]) && aws_eks_cluster.this.encryption_config[0].provider[0].key_arn == var.key_arn
    error_message = "Kubernetes secrets are not wrapped with our key."
  }

  assert {
    condition     = aws_eks_cluster.this.enabled_cluster_log_types == toset(["api", "audit", "authenticator", "controllerManager", "scheduler"]) && aws_cloudwatch_log_group.control_plane.kms_key_id == var.key_arn
    error_message = "A log of the control plane is missing or not encrypted."
  }

  assert {
    condition     = aws_cloudwatch_log_group.control_plane.name == "/aws/eks/${aws_eks_cluster.this.name}/cluster"
    error_message = "EKS would write into a log group of its own, unencrypted and for ever."
  }

  assert {
    condition     = aws_eks_cluster.this.upgrade_policy[0].support_type == "STANDARD" && !aws_eks_cluster.this.bootstrap_self_managed_addons
    error_message = "The cluster would fall into extended support, or start with add-ons that nobody pinned."
  }
}

run "only_the_named_get_in" {
  command = plan

  module {
    source = "./modules/cluster"
  }

  variables {
    public_access_cidrs = ["203.0.113.7/32"]
  }

  assert {
    condition     = aws_eks_cluster.this.access_config[0].authentication_mode == "API" && !aws_eks_cluster.this.access_config[0].bootstrap_cluster_creator_admin_permissions
    error_message = "Somebody gets in without an access entry."
  }

  assert {
    condition     = keys(aws_eks_access_policy_association.admin) == ["arn:aws:iam::123456789012:role/admin"]
    error_message = "Others than admin_arns have the policy of administrators."
  }

  assert {
    condition     = aws_eks_access_entry.submitter["arn:aws:iam::123456789012:role/composer"].kubernetes_groups == toset(["tonemill:submitters"])
    error_message = "A submitter is in another group than tonemill:submitters."
  }

  assert {
    condition     = aws_eks_cluster.this.vpc_config[0].endpoint_public_access && aws_eks_cluster.this.vpc_config[0].public_access_cidrs == toset(["203.0.113.7/32"])
    error_message = "Other addresses than the named one reach the API server."
  }
}

run "the_network_add_on_enforces_policies_with_rights_of_its_own" {
  command = plan

  module {
    source = "./modules/cluster"
  }

  assert {
    condition     = jsondecode(aws_eks_addon.vpc_cni.configuration_values).enableNetworkPolicy == "true"
    error_message = "NetworkPolicies would be accepted and ignored."
  }

  assert {
    condition     = aws_eks_addon.vpc_cni.addon_version == "v1.21.1-eksbuild.3" && aws_eks_addon.kube_proxy.addon_version == "v1.35.2-eksbuild.4" && aws_eks_addon.pod_identity.addon_version == "v1.3.10-eksbuild.2"
    error_message = "An add-on does not have its pinned version."
  }
}
