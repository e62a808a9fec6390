mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name             = "tonemill"
  partition        = "aws"
  region           = "eu-central-1"
  account_id       = "123456789012"
  cluster_name     = "tonemill"
  cluster_arn      = "arn:aws:eks:eu-central-1:123456789012:cluster/tonemill"
  namespace        = "tonemill"
  buckets          = { corpus = "t-corpus", blocks = "t-blocks", runs = "t-runs", catalogue = "t-catalogue" }
  prefix           = ""
  key_arn          = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  development_role = true
}

run "each_stage_reads_and_writes_its_own_buckets" {
  command = plan

  module {
    source = "./modules/identities"
  }

  assert {
    condition = {
      for stage, policy in output.policies : stage => {
        for statement in jsondecode(policy).Statement : statement.Sid => statement.Resource if contains(["Read", "Write"], statement.Sid)
      }
      } == {
      prepare     = { Read = ["arn:aws:s3:::t-corpus/*", "arn:aws:s3:::t-blocks/*"], Write = ["arn:aws:s3:::t-blocks/*"] }
      train       = { Read = ["arn:aws:s3:::t-blocks/*", "arn:aws:s3:::t-runs/*"], Write = ["arn:aws:s3:::t-runs/*"] }
      generate    = { Read = ["arn:aws:s3:::t-runs/*", "arn:aws:s3:::t-catalogue/*"], Write = ["arn:aws:s3:::t-catalogue/*"] }
      development = { Read = ["arn:aws:s3:::t-corpus/*", "arn:aws:s3:::t-blocks/*", "arn:aws:s3:::t-runs/*", "arn:aws:s3:::t-catalogue/*"], Write = ["arn:aws:s3:::t-blocks/*", "arn:aws:s3:::t-runs/*", "arn:aws:s3:::t-catalogue/*"] }
    }
    error_message = "A stage may read or write something else than its stage does."
  }

  assert {
    condition = alltrue(flatten([
      for policy in output.policies : [
        for statement in jsondecode(policy).Statement : [
          for action in statement.Action : contains([
            "s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload",
            "s3:ListMultipartUploadParts", "kms:Decrypt", "kms:GenerateDataKey",
          ], action)
        ]
      ]
    ]))
    error_message = "A stage may do more than list, read, write and delete objects (versions stay, policies stay)."
  }

  assert {
    condition = alltrue(flatten([
      for policy in output.policies : [
        for statement in jsondecode(policy).Statement : [for resource in flatten([statement.Resource]) : !contains(["*", "arn:aws:s3:::*"], resource)]
      ]
    ]))
    error_message = "A stage has a right on everything."
  }
}

run "a_prefix_holds_listing_objects_and_key" {
  command = plan

  module {
    source = "./modules/identities"
  }

  variables {
    prefix           = "studio-a"
    development_role = false
  }

  assert {
    condition     = keys(output.policies) == ["generate", "prepare", "train"]
    error_message = "The development cluster has a role although it was not wanted."
  }

  assert {
    condition = { for statement in jsondecode(output.policies["train"]).Statement : statement.Sid => statement.Resource if contains(["Read", "Write"], statement.Sid) } == {
      Read  = ["arn:aws:s3:::t-blocks/studio-a/*", "arn:aws:s3:::t-runs/studio-a/*"]
      Write = ["arn:aws:s3:::t-runs/studio-a/*"]
    }
    error_message = "Training reaches beyond its prefix."
  }

  assert {
    condition = [for statement in jsondecode(output.policies["train"]).Statement : statement.Condition if statement.Sid == "List"] == [
      { StringLike = { "s3:prefix" = ["studio-a", "studio-a/*"] } }
    ]
    error_message = "Training may list other prefixes."
  }

  assert {
    condition = [for statement in jsondecode(output.policies["prepare"]).Statement : statement.Condition if statement.Sid == "EncryptObjects"] == [{
      StringEquals = { "kms:ViaService" = "s3.eu-central-1.amazonaws.com" }
      StringLike   = { "kms:EncryptionContext:aws:s3:arn" = ["arn:aws:s3:::t-blocks", "arn:aws:s3:::t-blocks/studio-a/*"] }
    }]
    error_message = "The key can be used for other objects than blocks, or not through S3."
  }
}

run "the_autoscaler_only_touches_groups_of_its_cluster" {
  command = plan

  module {
    source = "./modules/identities"
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(output.autoscaler_policy).Statement : alltrue([for action in statement.Action : can(regex(":(Describe|Get)", action))])
      if statement.Resource == "*"
    ])
    error_message = "The autoscaler may change things of the whole account."
  }

  assert {
    condition = [for statement in jsondecode(output.autoscaler_policy).Statement : statement.Condition if contains(statement.Action, "autoscaling:SetDesiredCapacity")] == [
      { StringEquals = { "aws:ResourceTag/k8s.io/cluster-autoscaler/tonemill" = "owned" } }
    ]
    error_message = "The autoscaler may scale groups of other clusters."
  }
}

run "a_role_is_for_named_accounts_of_one_cluster" {
  command = plan

  module {
    source = "./modules/pod_role"
  }

  variables {
    service_accounts = ["tonemill-train"]
  }

  assert {
    condition = jsondecode(aws_iam_role.this.assume_role_policy).Statement[0].Condition.StringEquals == {
      "aws:RequestTag/eks-cluster-arn"            = "arn:aws:eks:eu-central-1:123456789012:cluster/tonemill"
      "aws:RequestTag/kubernetes-namespace"       = "tonemill"
      "aws:RequestTag/kubernetes-service-account" = ["tonemill-train"]
    }
    error_message = "Pods of other accounts, namespaces or clusters could take the role."
  }

  assert {
    condition     = keys(aws_eks_pod_identity_association.this) == ["tonemill-train"] && length(aws_iam_role_policy.this) == 0
    error_message = "The role is bound to others, or has rights that nobody gave."
  }
}
