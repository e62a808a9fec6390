mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  partition         = "aws"
  bucket_prefix     = "tonemill-123456789012"
  key_arn           = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  noncurrent_days   = { corpus = 90, blocks = 14, runs = 30, catalogue = 90 }
  access_log_bucket = null
}

run "every_bucket_is_closed_and_encrypted" {
  command = plan

  module {
    source = "./modules/storage"
  }

  assert {
    condition     = output.names == { for kind in ["corpus", "blocks", "runs", "catalogue"] : kind => "tonemill-123456789012-${kind}" }
    error_message = "There are other buckets than the four, or they have other names."
  }

  assert {
    condition = length(aws_s3_bucket_public_access_block.this) == 4 && alltrue([
      for block in aws_s3_bucket_public_access_block.this :
      block.block_public_acls && block.block_public_policy && block.ignore_public_acls && block.restrict_public_buckets
    ])
    error_message = "A bucket could be made public."
  }

  assert {
    condition = length(aws_s3_bucket_server_side_encryption_configuration.this) == 4 && alltrue([
      for encryption in aws_s3_bucket_server_side_encryption_configuration.this : alltrue([
        for rule in encryption.rule : rule.bucket_key_enabled && one(rule.apply_server_side_encryption_by_default).sse_algorithm == "aws:kms" && one(rule.apply_server_side_encryption_by_default).kms_master_key_id == var.key_arn
      ])
    ])
    error_message = "A bucket is not encrypted with our key."
  }

  assert {
    condition     = alltrue([for ownership in aws_s3_bucket_ownership_controls.this : ownership.rule[0].object_ownership == "BucketOwnerEnforced"])
    error_message = "Access lists of objects would count in a bucket."
  }

  assert {
    condition     = alltrue([for bucket in aws_s3_bucket.this : !bucket.force_destroy])
    error_message = "terraform destroy would delete what a bucket holds."
  }
}

run "every_bucket_refuses_plain_http_and_other_keys" {
  command = plan

  module {
    source = "./modules/storage"
  }

  assert {
    condition = alltrue([
      for kind, policy in aws_s3_bucket_policy.this : contains(
        [for statement in jsondecode(policy.policy).Statement : jsonencode(statement)],
        jsonencode({
          Sid       = "TlsOnly"
          Effect    = "Deny"
          Principal = "*"
          Action    = "s3:*"
          Resource  = ["arn:aws:s3:::tonemill-123456789012-${kind}", "arn:aws:s3:::tonemill-123456789012-${kind}/*"]
          Condition = { Bool = { "aws:SecureTransport" = "false" } }
        }),
      )
    ])
    error_message = "A bucket answers without TLS."
  }

  assert {
    condition = alltrue(flatten([
      for policy in aws_s3_bucket_policy.this : [for statement in jsondecode(policy.policy).Statement : statement.Effect == "Deny"]
    ]))
    error_message = "A bucket policy gives rights; only roles may."
  }

  assert {
    condition = flatten([
      for policy in aws_s3_bucket_policy.this : [
        for statement in jsondecode(policy.policy).Statement :
        statement.Condition.StringNotEquals["s3:x-amz-server-side-encryption-aws-kms-key-id"]
        if statement.Sid == "NoOtherKey" && statement.Action == "s3:PutObject"
      ]
    ]) == [var.key_arn, var.key_arn, var.key_arn, var.key_arn]
    error_message = "Objects could be written with a key of somebody else."
  }
}

run "nothing_that_is_current_ever_expires" {
  command = plan

  module {
    source = "./modules/storage"
  }

  variables {
    access_log_bucket = "studio-access-logs"
  }

  assert {
    condition     = length(aws_s3_bucket_versioning.this) == 4 && alltrue([for versioning in aws_s3_bucket_versioning.this : versioning.versioning_configuration[0].status == "Enabled"])
    error_message = "What is overwritten in a bucket is gone."
  }

  assert {
    condition = alltrue(flatten([
      for lifecycle in aws_s3_bucket_lifecycle_configuration.this : [
        for rule in lifecycle.rule : length(rule.expiration) == 0 && length(rule.transition) == 0
      ]
    ]))
    error_message = "A rule expires or moves current objects: a run or a track would vanish by itself."
  }

  assert {
    condition = {
      for kind, lifecycle in aws_s3_bucket_lifecycle_configuration.this : kind => flatten([
        for rule in lifecycle.rule : [for expiration in rule.noncurrent_version_expiration : expiration.noncurrent_days]
      ])
    } == { corpus = [90], blocks = [14], runs = [30], catalogue = [90] }
    error_message = "Replaced versions are kept for other times than asked."
  }

  assert {
    condition     = alltrue([for lifecycle in aws_s3_bucket_lifecycle_configuration.this : anytrue([for rule in lifecycle.rule : length(rule.abort_incomplete_multipart_upload) == 1])])
    error_message = "Parts of broken uploads are paid for ever."
  }

  assert {
    condition     = alltrue([for kind, logging in aws_s3_bucket_logging.this : logging.target_bucket == "studio-access-logs"]) && length(aws_s3_bucket_logging.this) == 4
    error_message = "A bucket does not write its access log where asked."
  }
}
