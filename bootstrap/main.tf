# Versioning, encryption and lifecycle are blocks of the bucket and not resources of their own:
# the provider knows the resources from 4.0 on, and the blocks in 3.39 and, deprecated, in 6.x.
resource "aws_s3_bucket" "trainings" {
  #checkov:skip=CKV_AWS_18:A log of reads would need a second bucket; CloudTrail can keep one
  #checkov:skip=CKV_AWS_144:A checkpoint is used in the region of its instances and worth one run's work
  #checkov:skip=CKV_AWS_145:A key of one's own costs money and requests; kms_key_arn is for who wants it
  #checkov:skip=CKV2_AWS_62:Nothing waits for objects: readers look for _SUCCESS
  bucket = var.s3_bucket
  tags   = var.tags

  versioning {
    enabled = true
  }

  server_side_encryption_configuration {
    rule {
      apply_server_side_encryption_by_default {
        sse_algorithm     = var.kms_key_arn == null ? "AES256" : "aws:kms"
        kms_master_key_id = var.kms_key_arn
      }

      # One request to KMS for many objects.
      bucket_key_enabled = var.kms_key_arn != null
    }
  }

  lifecycle_rule {
    id                                     = "runs"
    enabled                                = true
    abort_incomplete_multipart_upload_days = 7

    transition {
      days          = var.infrequent_access_after_days
      storage_class = "STANDARD_IA"
    }

    dynamic "noncurrent_version_expiration" {
      for_each = var.noncurrent_versions_expire_after_days[*]

      content {
        days = noncurrent_version_expiration.value
      }
    }
  }

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_public_access_block" "trainings" {
  bucket                  = aws_s3_bucket.trainings.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_policy" "trainings" {
  bucket = aws_s3_bucket.trainings.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OnlyTLS"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.trainings.arn, "${aws_s3_bucket.trainings.arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })

  # S3 refuses two changes of a bucket's access at the same time.
  depends_on = [aws_s3_bucket_public_access_block.trainings]
}
