locals {
  names = { for id in keys(var.jobs) : id => "${var.name}-${id}" }

  # Where a job's runs lie in the bucket, and the same as a policy's pattern: s3_prefix may hold a
  # star, which there would stand for anything.
  prefixes = { for id in keys(var.jobs) : id => var.s3_prefix == "" ? "${id}/" : "${var.s3_prefix}/${id}/" }
  patterns = { for id, prefix in local.prefixes : id => "${replace(prefix, "*", "$${*}")}*" }

  # Of much the same speed, older ones too: the more pools, the rarer the interruptions.
  usual_instance_types = {
    x86_64 = ["c5.large", "c6i.large", "m5.large", "m6i.large", "r5.large", "r6i.large"]
    arm64  = ["c6g.large", "c7g.large", "m6g.large", "m7g.large", "r6g.large", "r7g.large"]
  }
  instance_types = {
    for id, job in var.jobs :
    id => coalesce(job.instance_types, var.instance_types, local.usual_instance_types[var.architecture])
  }

  settings = {
    for id, job in var.jobs : id => {
      s3_bucket                            = var.s3_bucket
      s3_prefix                            = var.s3_prefix
      job_id                               = id
      container_name                       = coalesce(job.container_name, var.container_name, id)
      restore_from_s3_on_boot              = coalesce(job.restore_from_s3_on_boot, var.restore_from_s3_on_boot)
      poll_interval_seconds                = coalesce(job.poll_interval_seconds, var.poll_interval_seconds)
      checkpoint_deadline_seconds          = coalesce(job.checkpoint_deadline_seconds, var.checkpoint_deadline_seconds)
      checkpoint_interval_seconds          = coalesce(job.checkpoint_interval_seconds, var.checkpoint_interval_seconds)
      checkpoint_keep                      = coalesce(job.checkpoint_keep, var.checkpoint_keep)
      use_rebalance_recommendation         = coalesce(job.use_rebalance_recommendation, var.use_rebalance_recommendation)
      instance_initiated_shutdown_behavior = var.instance_initiated_shutdown_behavior
      auto_terminate                       = coalesce(job.auto_terminate, var.auto_terminate)
      on_upload_failure                    = coalesce(job.on_upload_failure, var.on_upload_failure)
      relaunch_on_interruption             = coalesce(job.relaunch_on_interruption, var.relaunch_on_interruption)
      max_fruitless_runs                   = coalesce(job.max_fruitless_runs, var.max_fruitless_runs)
      max_failed_runs                      = coalesce(job.max_failed_runs, var.max_failed_runs)
      stalled_after_seconds                = coalesce(job.stalled_after_seconds, var.stalled_after_seconds)
      trainer_command = concat(
        coalesce(job.trainer_command, var.trainer_command),
        job.experiment == null ? [] : ["--experiment", job.experiment],
      )
      trainer_directory  = coalesce(job.trainer_directory, var.trainer_directory)
      checkpoint_command = try(coalesce(job.checkpoint_command, var.checkpoint_command), null)
      artifacts          = coalesce(job.artifacts, var.artifacts)
    }
  }

  # JSON's texts, numbers and lists are TOML's too; it has no null.
  agent_toml = {
    for id, settings in local.settings :
    id => join("", [for key, value in settings : "${key} = ${jsonencode(value)}\n" if value != null])
  }

  # systemd.exec(5), EnvironmentFile=: within quotes, a backslash goes before \ " $ and `, in that
  # order below.
  trainer_env = {
    for id, job in var.jobs : id => join("", [
      for name, value in merge(var.environment, job.environment) :
      format("%s=\"%s\"\n", name, replace(value, "/([\\x5c\\x22\\x24\\x60])/", "\\$1"))
    ])
  }

  # https://cloudinit.readthedocs.io/en/latest/reference/modules.html#write-files
  cloud_config = {
    for id in keys(var.jobs) : id => {
      write_files = concat(
        [{ path = "/etc/dxnn/agent.toml", permissions = "0644", content = local.agent_toml[id] }],
        local.trainer_env[id] == "" ? [] : [
          { path = "/etc/dxnn/trainer.env", permissions = "0600", content = local.trainer_env[id] },
        ],
      )
    }
  }
  user_data = {
    for id, config in local.cloud_config : id => base64encode("#cloud-config\n${yamlencode(config)}")
  }
}

data "aws_partition" "current" {}

data "aws_caller_identity" "current" {}

# The image

data "aws_ami_ids" "image" {
  owners = var.ami_owners

  dynamic "filter" {
    for_each = var.ami_id != null ? { image-id = var.ami_id } : {
      name         = "dxnn-agent-*"
      architecture = var.architecture
      state        = "available"
    }

    content {
      name   = filter.key
      values = [filter.value]
    }
  }

  lifecycle {
    postcondition {
      condition = length(self.ids) > 0
      error_message = (
        var.ami_id != null
        ? "ami_id: ${join(" and ", var.ami_owners)} has no image ${coalesce(var.ami_id, "-")} in this region; ami_owners should name the account it belongs to."
        : "${join(" and ", var.ami_owners)} has no image dxnn-agent-* for ${var.architecture} in this region: bake one with packer build packer/."
      )
    }
  }
}

data "aws_ami" "image" {
  owners = var.ami_owners

  filter {
    name   = "image-id"
    values = [data.aws_ami_ids.image.ids[0]] # the newest
  }

  lifecycle {
    postcondition {
      condition     = self.architecture == var.architecture
      error_message = "ami_id: ${self.id} is for ${self.architecture}; architecture should say so."
    }
  }
}

data "aws_ec2_instance_type" "wanted" {
  for_each = toset(flatten(values(local.instance_types)))

  instance_type = each.key

  lifecycle {
    postcondition {
      condition     = contains(self.supported_architectures, var.architecture)
      error_message = "instance_types: ${each.key} runs ${join(" and ", self.supported_architectures)}; it should run ${var.architecture}, as architecture says."
    }
  }
}

# The network

data "aws_availability_zones" "all" {
  #checkov:skip=CKV_AWS_394:A zone that AWS adds is one more place to find capacity in
  state = "available"

  # Leaves out local zones, which have no default subnets.
  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

# Counted, not by id: the ids of subnets that the same apply makes are not known yet.
data "aws_subnet" "named" {
  count = length(var.subnet_ids)

  id = var.subnet_ids[count.index]
}

# DNS, time and metadata need no rule: security groups do not filter them.
resource "aws_security_group" "instances" {
  name        = var.name
  description = "DXNN training instances"
  vpc_id      = try(data.aws_subnet.named[0].vpc_id, null)
  tags        = merge(var.tags, { Name = var.name })

  egress {
    description      = "HTTPS: S3 and EC2 Auto Scaling"
    protocol         = "tcp"
    from_port        = 443
    to_port          = 443
    cidr_blocks      = ["0.0.0.0/0"]
    ipv6_cidr_blocks = ["::/0"]
  }

  # Always given: rules that are merely left out stay.
  ingress = [
    for port in length(var.ssh_cidr_blocks) > 0 ? [22] : [] : {
      description      = "SSH from ssh_cidr_blocks"
      protocol         = "tcp"
      from_port        = port
      to_port          = port
      cidr_blocks      = [for block in var.ssh_cidr_blocks : block if !strcontains(block, ":")]
      ipv6_cidr_blocks = [for block in var.ssh_cidr_blocks : block if strcontains(block, ":")]
      prefix_list_ids  = []
      security_groups  = []
      self             = false
    }
  ]

  lifecycle {
    precondition {
      condition     = length(distinct(data.aws_subnet.named[*].vpc_id)) <= 1
      error_message = "subnet_ids should be subnets of one VPC; these are of ${join(" and ", distinct(data.aws_subnet.named[*].vpc_id))}."
    }
  }
}

# What a job may do: each has a role of its own, so that it can't touch another's checkpoints

resource "aws_iam_role" "job" {
  for_each = var.jobs

  name        = local.names[each.key]
  description = "DXNN training job ${each.key}"
  tags        = var.tags

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
  for_each = var.jobs

  name = "job"
  role = aws_iam_role.job[each.key].name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid      = "OwnRuns"
          Effect   = "Allow"
          Action   = ["s3:GetObject", "s3:PutObject"]
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
          Resource = "arn:${data.aws_partition.current.partition}:autoscaling:*:${data.aws_caller_identity.current.account_id}:autoScalingGroup:*:autoScalingGroupName/${local.names[each.key]}"
        },
        {
          Sid      = "FindOwnGroup"
          Effect   = "Allow"
          Action   = "autoscaling:DescribeAutoScalingInstances"
          Resource = "*" # it knows no resources
        },
      ],
      # Less than the managed policy, which may also read every parameter of the account.
      !var.ssm_access ? [] : [
        {
          Sid    = "SessionManager"
          Effect = "Allow"
          Action = [
            "ssm:UpdateInstanceInformation",
            "ssmmessages:CreateControlChannel",
            "ssmmessages:CreateDataChannel",
            "ssmmessages:OpenControlChannel",
            "ssmmessages:OpenDataChannel",
          ]
          Resource = "*" # they know no resources
        },
      ],
    )
  })
}

resource "aws_iam_instance_profile" "job" {
  for_each = var.jobs

  name = local.names[each.key]
  role = aws_iam_role.job[each.key].name
  tags = var.tags
}

# The jobs

resource "aws_launch_template" "job" {
  for_each = var.jobs

  name                                 = local.names[each.key]
  update_default_version               = true
  image_id                             = data.aws_ami.image.id
  instance_type                        = local.instance_types[each.key][0] # the group chooses from all of them
  instance_initiated_shutdown_behavior = var.instance_initiated_shutdown_behavior
  key_name                             = var.ssh_key_name
  user_data                            = local.user_data[each.key]
  vpc_security_group_ids               = [aws_security_group.instances.id]
  tags                                 = merge(var.tags, { Name = local.names[each.key] })

  iam_instance_profile {
    name = aws_iam_instance_profile.job[each.key].name
  }

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  block_device_mappings {
    device_name = data.aws_ami.image.root_device_name

    ebs {
      volume_type           = "gp3"
      volume_size           = coalesce(each.value.volume_size, var.volume_size)
      encrypted             = true
      delete_on_termination = true
    }
  }

  dynamic "tag_specifications" {
    for_each = ["instance", "volume"]

    content {
      resource_type = tag_specifications.value
      tags          = merge(var.tags, { Name = local.names[each.key] })
    }
  }

  lifecycle {
    # Else every launch would fail, where only the group's activities tell.
    precondition {
      condition = alltrue([
        for device in data.aws_ami.image.block_device_mappings :
        coalesce(each.value.volume_size, var.volume_size) >= try(tonumber(device.ebs["volume_size"]), 0)
        if device.device_name == data.aws_ami.image.root_device_name
      ])
      error_message = "volume_size: ${each.key}'s should be at least that of the image ${data.aws_ami.image.id}."
    }

    precondition {
      # In Base64, which tells bytes where length() tells characters.
      condition     = length(local.user_data[each.key]) <= 16384 / 3 * 4
      error_message = "jobs: what ${each.key} has in settings and environment should fit into EC2's 16 KiB of user data."
    }
  }
}

resource "aws_autoscaling_group" "job" {
  for_each = var.jobs

  name                      = local.names[each.key]
  min_size                  = 0
  max_size                  = 1
  desired_capacity          = 1
  protect_from_scale_in     = true
  capacity_rebalance        = false
  health_check_type         = "EC2"
  wait_for_capacity_timeout = "0"  # Spot capacity may take its time
  force_delete              = true # or the protected instance would keep the group for ever
  availability_zones        = length(var.subnet_ids) > 0 ? null : data.aws_availability_zones.all.names
  vpc_zone_identifier       = length(var.subnet_ids) > 0 ? var.subnet_ids : null
  suspended_processes       = local.settings[each.key].relaunch_on_interruption ? [] : ["ReplaceUnhealthy"]

  mixed_instances_policy {
    instances_distribution {
      on_demand_base_capacity                  = 0
      on_demand_percentage_above_base_capacity = 0
      spot_allocation_strategy                 = "price-capacity-optimized"
    }

    launch_template {
      launch_template_specification {
        launch_template_id = aws_launch_template.job[each.key].id
        version            = aws_launch_template.job[each.key].latest_version
      }

      dynamic "override" {
        for_each = local.instance_types[each.key]

        content {
          instance_type = data.aws_ec2_instance_type.wanted[override.value].instance_type
        }
      }
    }
  }

  # Instances and volumes get theirs from the launch template.
  dynamic "tag" {
    for_each = merge(var.tags, { Name = local.names[each.key] })

    content {
      key                 = tag.key
      value               = tag.value
      propagate_at_launch = false
    }
  }

  # An instance needs its rights from its first second to its last, also in destroy.
  depends_on = [aws_iam_role_policy.job]

  lifecycle {
    # The agent sets it to 0 when the job is done; an apply should not start it again.
    ignore_changes = [desired_capacity]
  }
}
