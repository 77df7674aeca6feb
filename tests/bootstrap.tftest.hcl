# terraform test, without credentials: the bucket that bootstrap/ plans.

mock_provider "aws" {}

run "bucket" {
  command = plan

  module {
    source = "./bootstrap"
  }

  variables {
    s3_bucket                             = "trainings"
    noncurrent_versions_expire_after_days = 365
  }

  assert {
    condition     = aws_s3_bucket.trainings.versioning[0].enabled
    error_message = "What is overwritten can be had back."
  }
  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.trainings.block_public_acls,
      aws_s3_bucket_public_access_block.trainings.block_public_policy,
      aws_s3_bucket_public_access_block.trainings.ignore_public_acls,
      aws_s3_bucket_public_access_block.trainings.restrict_public_buckets,
    ])
    error_message = "Nothing is public."
  }
  assert {
    condition     = tolist(aws_s3_bucket.trainings.lifecycle_rule[0].transition)[0].days == 90
    error_message = "Old runs move to cheaper storage."
  }
  assert {
    condition     = tolist(aws_s3_bucket.trainings.lifecycle_rule[0].noncurrent_version_expiration)[0].days == 365
    error_message = "Old versions go when they are told to."
  }
}

run "every_variable_is_checked" {
  command = plan

  module {
    source = "./bootstrap"
  }

  variables {
    s3_bucket                             = "a"
    infrequent_access_after_days          = 29
    kms_key_arn                           = "alias/mine"
    noncurrent_versions_expire_after_days = 0
    tags                                  = { "aws:owner" = "me" }
  }

  expect_failures = [
    var.s3_bucket, var.kms_key_arn, var.infrequent_access_after_days, var.noncurrent_versions_expire_after_days, var.tags,
  ]
}
