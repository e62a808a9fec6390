# One role a stage. Each may read what its stage reads and write what its stage writes, and nothing else in the account.
# The scheduler and Kubernetes' own pods have none.

locals {
  stages = merge(
    {
      prepare  = { reads = ["corpus"], writes = ["blocks"], service_accounts = ["tonemill-prepare"] }
      train    = { reads = ["blocks"], writes = ["runs"], service_accounts = ["tonemill-train"] }
      generate = { reads = ["runs"], writes = ["catalogue"], service_accounts = ["tonemill-generate"] }
    },
    var.development_role ? {
      development = {
        reads            = ["corpus"]
        writes           = ["blocks", "runs", "catalogue"]
        service_accounts = ["tonemill-head", "tonemill-worker"]
      }
    } : {},
  )

  bucket_arns = { for kind, bucket in var.buckets : kind => "arn:${var.partition}:s3:::${bucket}" }
  object_arns = { for kind, arn in local.bucket_arns : kind => var.prefix == "" ? "${arn}/*" : "${arn}/${var.prefix}/*" }

  policies = {
    for stage, rights in local.stages : stage => jsonencode({
      Version = "2012-10-17"
      Statement = [
        # Asked for an object that is not there, S3 answers 404 only to who may list its key, else 403: so jobs may list what
        # they read and write, and no more.
        merge(
          {
            Sid      = "List"
            Effect   = "Allow"
            Action   = ["s3:ListBucket"]
            Resource = [for kind in concat(rights.reads, rights.writes) : local.bucket_arns[kind]]
          },
          var.prefix == "" ? {} : { Condition = { StringLike = { "s3:prefix" = [var.prefix, "${var.prefix}/*"] } } },
        ),
        {
          Sid      = "Read"
          Effect   = "Allow"
          Action   = ["s3:GetObject"]
          Resource = [for kind in concat(rights.reads, rights.writes) : local.object_arns[kind]]
        },
        {
          # Deleting leaves a version behind that no job can delete.
          Sid      = "Write"
          Effect   = "Allow"
          Action   = ["s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
          Resource = [for kind in rights.writes : local.object_arns[kind]]
        },
        {
          # The encryption context of S3 is the bucket (with a bucket key) or the object: so the key opens these buckets only.
          Sid      = "DecryptObjects"
          Effect   = "Allow"
          Action   = ["kms:Decrypt"]
          Resource = var.key_arn
          Condition = {
            StringEquals = { "kms:ViaService" = "s3.${var.region}.amazonaws.com" }
            StringLike = {
              "kms:EncryptionContext:aws:s3:arn" = flatten([
                for kind in concat(rights.reads, rights.writes) : [local.bucket_arns[kind], local.object_arns[kind]]
              ])
            }
          }
        },
        {
          Sid      = "EncryptObjects"
          Effect   = "Allow"
          Action   = ["kms:GenerateDataKey"]
          Resource = var.key_arn
          Condition = {
            StringEquals = { "kms:ViaService" = "s3.${var.region}.amazonaws.com" }
            StringLike = {
              "kms:EncryptionContext:aws:s3:arn" = flatten([
                for kind in rights.writes : [local.bucket_arns[kind], local.object_arns[kind]]
              ])
            }
          }
        },
      ]
    })
  }
}

module "stage" {
  source   = "../pod_role"
  for_each = local.stages

  name             = "${var.name}-${each.key}"
  cluster_name     = var.cluster_name
  cluster_arn      = var.cluster_arn
  namespace        = var.namespace
  service_accounts = each.value.service_accounts
  has_policy       = true
  policy           = local.policies[each.key]
}
