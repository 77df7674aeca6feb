variable "s3_bucket" {
  description = "Name of the bucket to make; no other account in the world may have it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.s3_bucket))
    error_message = "s3_bucket should be a bucket's name: 3 to 63 lower-case letters, digits, dots and dashes."
  }
}

variable "kms_key_arn" {
  description = "Customer managed key by which the bucket encrypts; deployments need it as `s3_kms_key_arn`. `null`: S3's own."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.kms_key_arn))
    error_message = "kms_key_arn should be a key's ARN, and not an alias's, such as arn:aws:kms:us-east-1:123456789012:key/…."
  }
}

variable "infrequent_access_after_days" {
  description = "Age in days at which runs move to Standard-IA: cheaper to keep, dearer to read, as quick."
  type        = number
  default     = 90
  nullable    = false

  # S3 moves nothing sooner.
  validation {
    condition     = var.infrequent_access_after_days >= 30 && floor(var.infrequent_access_after_days) == var.infrequent_access_after_days
    error_message = "infrequent_access_after_days should be a whole number, at least 30."
  }
}

variable "noncurrent_versions_expire_after_days" {
  description = "Days for which overwritten and deleted objects can still be had; `null`: for ever."
  type        = number
  default     = null

  validation {
    condition = (
      var.noncurrent_versions_expire_after_days == null ||
      try(var.noncurrent_versions_expire_after_days >= 1 && floor(var.noncurrent_versions_expire_after_days) == var.noncurrent_versions_expire_after_days, false)
    )
    error_message = "noncurrent_versions_expire_after_days should be a whole number, at least 1."
  }
}

variable "tags" {
  description = "Tags of the bucket."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition = length(var.tags) <= 50 && alltrue([
      for key, value in var.tags :
      can(regex("^[\\p{L}\\p{Z}\\p{N}_.:/=+@-]{1,128}$", key)) &&
      can(regex("^[\\p{L}\\p{Z}\\p{N}_.:/=+@-]{0,256}$", value)) &&
      !startswith(lower(key), "aws:")
    ])
    error_message = "tags should be at most 50 keys of 1 to 128 characters with values of up to 256: letters, digits, spaces and _.:/=+-@; aws: is taken."
  }
}
