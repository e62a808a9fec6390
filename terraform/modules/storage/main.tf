locals {
  kinds = toset(["corpus", "blocks", "runs", "catalogue"])
  arns  = { for kind in local.kinds : kind => "arn:${var.partition}:s3:::${var.bucket_prefix}-${kind}" }
}

resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV_AWS_18: server access logs go where access_log_bucket says; the module makes no fifth bucket for them
  #checkov:skip=CKV_AWS_144: blocks, runs and catalogue can be made again from corpus, order and seed; copies elsewhere are for the owner of the corpus to decide
  #checkov:skip=CKV2_AWS_62: nothing waits for events of objects; jobs list what is committed
  for_each = local.kinds

  bucket = "${var.bucket_prefix}-${each.key}"

  # `terraform destroy` stops at a bucket that holds anything.
  force_destroy = false
}

resource "aws_s3_bucket_ownership_controls" "this" {
  for_each = local.kinds

  bucket = aws_s3_bucket.this[each.key].id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each = local.kinds

  bucket                  = aws_s3_bucket.this[each.key].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_versioning" "this" {
  for_each = local.kinds

  bucket = aws_s3_bucket.this[each.key].id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  for_each = local.kinds

  bucket = aws_s3_bucket.this[each.key].id

  rule {
    # One call to KMS for many objects; a million tracks would otherwise cost more in keys than in storage.
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = var.key_arn
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  for_each = local.kinds

  bucket = aws_s3_bucket.this[each.key].id

  rule {
    id     = "abandoned-uploads"
    status = "Enabled"
    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  # Only what was replaced or deleted goes. No rule here may name `expiration`: a run or a track is kept until somebody
  # deletes it.
  rule {
    id     = "replaced-versions"
    status = "Enabled"
    filter {}

    noncurrent_version_expiration {
      noncurrent_days = var.noncurrent_days[each.key]
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}

resource "aws_s3_bucket_logging" "this" {
  for_each = var.access_log_bucket == null ? toset([]) : local.kinds

  bucket        = aws_s3_bucket.this[each.key].id
  target_bucket = var.access_log_bucket
  target_prefix = "${aws_s3_bucket.this[each.key].id}/"
}

resource "aws_s3_bucket_policy" "this" {
  for_each = local.kinds

  bucket = aws_s3_bucket.this[each.key].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [local.arns[each.key], "${local.arns[each.key]}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
      {
        Sid       = "NoOldTls"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [local.arns[each.key], "${local.arns[each.key]}/*"]
        Condition = { NumericLessThan = { "s3:TlsVersion" = "1.2" } }
      },
      {
        # Who names no encryption gets the bucket's own; who names another is refused.
        Sid       = "NoOtherEncryption"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:PutObject"
        Resource  = "${local.arns[each.key]}/*"
        Condition = {
          Null            = { "s3:x-amz-server-side-encryption" = "false" }
          StringNotEquals = { "s3:x-amz-server-side-encryption" = "aws:kms" }
        }
      },
      {
        Sid       = "NoOtherKey"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:PutObject"
        Resource  = "${local.arns[each.key]}/*"
        Condition = {
          Null            = { "s3:x-amz-server-side-encryption-aws-kms-key-id" = "false" }
          StringNotEquals = { "s3:x-amz-server-side-encryption-aws-kms-key-id" = var.key_arn }
        }
      },
    ]
  })

  depends_on = [aws_s3_bucket_public_access_block.this]
}
