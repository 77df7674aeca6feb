locals {
  names = { for id in keys(var.jobs) : id => "${var.name}-${id}" }

  # Where a job's runs lie in the bucket.
  prefixes = { for id in keys(var.jobs) : id => var.s3_prefix == "" ? "${id}/" : "${var.s3_prefix}/${id}/" }

  tags = {
    for id, name in local.names :
    id => merge(var.tags, { Name = name, "dxnn:job" = id, "dxnn:deployment" = var.name })
  }

  # Provider 3.39 knows no tags of network interfaces; from 6.0 on this data source has a region.
  # EC2 refuses tags of a Spot request where there is none.
  tagged = {
    for id, spot in local.spot : id => concat(
      ["instance", "volume"],
      contains(keys(data.aws_region.current), "region") ? ["network-interface"] : [],
      spot ? ["spot-instances-request"] : [],
    )
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
      restore_give_up_seconds              = coalesce(job.restore_give_up_seconds, var.restore_give_up_seconds)
      relaunch_on_interruption             = coalesce(job.relaunch_on_interruption, var.relaunch_on_interruption)
      max_fruitless_runs                   = coalesce(job.max_fruitless_runs, var.max_fruitless_runs)
      max_failed_runs                      = coalesce(job.max_failed_runs, var.max_failed_runs)
      max_job_hours                        = coalesce(job.max_job_hours, var.max_job_hours)
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
  cloud_init = { for id, job in var.jobs : id => coalesce(job.cloud_init, var.cloud_init) }
  user_data = {
    for id, config in local.cloud_config : id => base64encode(
      length(local.cloud_init[id]) == 0 ? "#cloud-config\n${yamlencode(config)}" :
      # https://cloudinit.readthedocs.io/en/latest/explanation/format.html: parts in their order; what
      # two of them list is listed one after the other, where else the agent's files would be lost.
      "#cloud-config-archive\n${yamlencode(concat(local.cloud_init[id], [
        "#cloud-config\n${yamlencode(merge(config, { merge_how = "dict(recurse_list,no_replace)+list(append)" }))}",
      ]))}"
    )
  }

  security_groups = {
    for id, job in var.jobs :
    id => concat([aws_security_group.job[id].id], coalesce(job.security_group_ids, var.security_group_ids))
  }

  # The root is the image's own device.
  volumes = {
    for id, job in var.jobs : id => concat(
      [{
        device_name = data.aws_ami.image.root_device_name
        size        = coalesce(job.volume_size, var.volume_size)
        iops        = try(coalesce(job.volume_iops, var.volume_iops), null)
        throughput  = try(coalesce(job.volume_throughput, var.volume_throughput), null)
      }],
      coalesce(job.extra_volumes, var.extra_volumes),
    )
  }
  public_ip_addresses = {
    for id, job in var.jobs : id => job.public_ip_address == null ? var.public_ip_address : job.public_ip_address
  }

  spot        = { for id, job in var.jobs : id => coalesce(job.spot, var.spot) }
  spot_prices = { for id, job in var.jobs : id => try(coalesce(job.spot_max_price, var.spot_max_price), null) }
}

data "aws_partition" "current" {}

data "aws_caller_identity" "current" {}

data "aws_region" "current" {}

# A bucket that is not there fails here: Terraform shows the name below, which is the variable's.
data "aws_s3_bucket" "s3_bucket" {
  count = var.s3_bucket_lookup ? 1 : 0

  bucket = var.s3_bucket

  lifecycle {
    postcondition {
      # Its attribute region is the provider's own from 6.0 on; us-east-1's name may have none in it.
      condition = data.aws_region.current.id == try(
        regex("[.]s3[.-]([a-z]+-[a-z-]+-[0-9]+)[.]", self.bucket_regional_domain_name)[0], "us-east-1"
      )
      error_message = "s3_bucket: ${var.s3_bucket} is in another region, at ${self.bucket_regional_domain_name}; it should be in ${data.aws_region.current.id}, as the instances are."
    }
  }
}

resource "aws_launch_template" "job" {
  for_each = var.jobs

  name                                 = local.names[each.key]
  update_default_version               = true
  image_id                             = data.aws_ami.image.id
  instance_type                        = local.instance_types[each.key][0] # the group chooses from all of them
  instance_initiated_shutdown_behavior = var.instance_initiated_shutdown_behavior
  key_name                             = var.ssh_key_name
  user_data                            = local.user_data[each.key]
  vpc_security_group_ids               = local.public_ip_addresses[each.key] == null ? local.security_groups[each.key] : null
  tags                                 = local.tags[each.key]

  iam_instance_profile {
    name = local.instance_profiles[each.key]
  }

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  # Only an interface can say whether it has a public address, and then it names the groups, too.
  dynamic "network_interfaces" {
    for_each = local.public_ip_addresses[each.key][*]

    content {
      associate_public_ip_address = network_interfaces.value
      delete_on_termination       = true
      device_index                = 0
      security_groups             = local.security_groups[each.key]
    }
  }

  dynamic "block_device_mappings" {
    for_each = local.volumes[each.key]

    content {
      device_name = block_device_mappings.value.device_name

      ebs {
        volume_type           = "gp3"
        volume_size           = block_device_mappings.value.size
        iops                  = block_device_mappings.value.iops
        throughput            = block_device_mappings.value.throughput
        encrypted             = true
        kms_key_id            = var.volume_kms_key_arn
        delete_on_termination = true
      }
    }
  }

  dynamic "tag_specifications" {
    for_each = local.tagged[each.key]

    content {
      resource_type = tag_specifications.value
      tags          = aws_security_group.job[each.key].tags_all # the provider's default_tags, too
    }
  }

  lifecycle {
    # Else every launch would fail, where only the group's activities tell.
    precondition {
      condition = alltrue([
        for device in data.aws_ami.image.block_device_mappings :
        local.volumes[each.key][0].size >= try(tonumber(device.ebs["volume_size"]), 0)
        if device.device_name == data.aws_ami.image.root_device_name
      ])
      error_message = "volume_size: jobs.${each.key} has ${local.volumes[each.key][0].size}; it should have at least as many GiB as the image ${data.aws_ami.image.id}."
    }

    precondition {
      # In Base64, which tells bytes where length() tells characters.
      condition     = length(local.user_data[each.key]) <= 16384 / 3 * 4
      error_message = "jobs: what ${each.key} has in settings, environment and cloud_init should fit into EC2's 16 KiB of user data."
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
  availability_zones        = length(var.subnet_ids) > 0 ? null : keys(data.aws_subnet.default_or_set_subnet_ids)
  vpc_zone_identifier       = length(var.subnet_ids) > 0 ? var.subnet_ids : null
  suspended_processes       = local.settings[each.key].relaunch_on_interruption ? [] : ["ReplaceUnhealthy"]
  enabled_metrics           = var.alert_topic_arn == null ? [] : local.metrics

  mixed_instances_policy {
    instances_distribution {
      on_demand_base_capacity                  = 0
      on_demand_percentage_above_base_capacity = local.spot[each.key] ? 0 : 100
      spot_allocation_strategy                 = "price-capacity-optimized"
      spot_max_price                           = local.spot_prices[each.key] == null ? "" : tostring(local.spot_prices[each.key])
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

  # What is launched gets its own from the launch template.
  dynamic "tag" {
    for_each = aws_security_group.job[each.key].tags_all

    content {
      key                 = tag.key
      value               = tag.value
      propagate_at_launch = false
    }
  }

  lifecycle {
    # The agent sets it to 0 when the job is done; an apply should not start it again.
    ignore_changes = [desired_capacity]

    # A machine can't change its security group for one of another VPC, nor its rights: it saves and
    # goes, and the next one starts where it ended.
    replace_triggered_by = [aws_security_group.job[each.key].id]
  }
}

# Who is told that a job waits

locals {
  metrics = ["GroupDesiredCapacity", "GroupInServiceInstances"]
}

resource "aws_cloudwatch_metric_alarm" "waiting" {
  for_each = var.alert_topic_arn == null ? {} : var.jobs

  alarm_name          = "${local.names[each.key]}-waiting"
  alarm_description   = "The job ${each.key} has had no machine for an hour: aws autoscaling describe-scaling-activities --auto-scaling-group-name ${aws_autoscaling_group.job[each.key].name}"
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  evaluation_periods  = 12
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.alert_topic_arn]
  ok_actions          = [var.alert_topic_arn]
  tags                = local.tags[each.key]

  metric_query {
    id          = "waiting"
    label       = "Machines that are wanted and not there"
    expression  = "desired - there"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = zipmap(["desired", "there"], local.metrics)

    content {
      id = metric_query.key

      metric {
        namespace   = "AWS/AutoScaling"
        metric_name = metric_query.value
        dimensions  = { AutoScalingGroupName = aws_autoscaling_group.job[each.key].name }
        period      = 300
        stat        = "Maximum"
      }
    }
  }
}
