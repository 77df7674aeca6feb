# What a job may do: each has a role of its own, so that it can't touch another's checkpoints

locals {
  # IAM's names are the account's, whatever the region, and have at most 64 characters.
  longest    = 64 - length("-${data.aws_region.current.id}")
  role_names = { for id, name in local.names : id => "${local.short_names[id]}-${data.aws_region.current.id}" }
  short_names = {
    for id, name in local.names : id => length(name) <= local.longest ? name : (
      "${substr(name, 0, local.longest - 9)}-${substr(sha256(name), 0, 8)}"
    )
  }

  given_profiles    = { for id, job in var.jobs : id => try(coalesce(job.instance_profile, var.instance_profile), null) }
  instance_profiles = { for id, profile in local.given_profiles : id => profile == null ? local.role_names[id] : profile }
  roles             = { for id, profile in local.given_profiles : id => local.role_names[id] if profile == null }

  # s3_prefix may hold a star, which in a policy would stand for anything.
  patterns = { for id, prefix in local.prefixes : id => "${replace(prefix, "*", "$${*}")}*" }

  attached_policies = merge([
    for id in keys(local.roles) : {
      for number, arn in coalesce(var.jobs[id].policy_arns, var.policy_arns) : "${id}/${number}" => { id = id, arn = arn }
    }
  ]...)
}

# What a machine that trains can't do without. Where it changes, the machine has to save and go before
# its policy does: policy and security group, which waits for the machine, are replaced.
resource "terraform_data" "rights" {
  for_each = var.jobs

  input = [
    var.role_path, local.instance_profiles[each.key], var.s3_bucket, local.prefixes[each.key], var.s3_kms_key_arn,
  ]
}

resource "aws_iam_role" "job" {
  for_each = local.roles

  name                 = each.value
  path                 = var.role_path
  permissions_boundary = var.permissions_boundary_arn
  description          = "DXNN training job ${each.key}"
  tags                 = local.tags[each.key]

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ec2.${data.aws_partition.current.dns_suffix}" }
    }]
  })
}

resource "aws_iam_role_policy" "job" {
  for_each = local.roles

  name = "job"
  role = aws_iam_role.job[each.key].name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid      = "OwnRuns"
          Effect   = "Allow"
          Action   = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"]
          Resource = "arn:${data.aws_partition.current.partition}:s3:::${var.s3_bucket}/${local.patterns[each.key]}"
        },
        {
          Sid       = "ListOwnRuns"
          Effect    = "Allow"
          Action    = "s3:ListBucket"
          Resource  = "arn:${data.aws_partition.current.partition}:s3:::${var.s3_bucket}"
          Condition = { StringLike = { "s3:prefix" = [local.patterns[each.key]] } }
        },
        {
          Sid      = "EndOwnGroup"
          Effect   = "Allow"
          Action   = "autoscaling:SetDesiredCapacity"
          Resource = "arn:${data.aws_partition.current.partition}:autoscaling:${data.aws_region.current.id}:${data.aws_caller_identity.current.account_id}:autoScalingGroup:*:autoScalingGroupName/${local.names[each.key]}"
        },
        {
          Sid      = "FindOwnGroup"
          Effect   = "Allow"
          Action   = "autoscaling:DescribeAutoScalingInstances"
          Resource = "*" # it knows no resources
        },
      ],
      [
        for key in var.s3_kms_key_arn[*] : {
          Sid      = "KeyOfTheBucket"
          Effect   = "Allow"
          Action   = ["kms:GenerateDataKey", "kms:Decrypt"]
          Resource = key
        }
      ],
    )
  })

  lifecycle {
    replace_triggered_by = [terraform_data.rights[each.key]]
  }
}

resource "aws_iam_role_policy_attachment" "job" {
  for_each = local.attached_policies

  role       = aws_iam_role.job[each.value.id].name
  policy_arn = each.value.arn
}

resource "aws_iam_instance_profile" "job" {
  for_each = local.roles

  name = each.value
  path = var.role_path
  role = aws_iam_role.job[each.key].name
  tags = local.tags[each.key]
}
