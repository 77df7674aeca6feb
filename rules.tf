# What jobs say for themselves and should not, for the validation of the variables of the same names:
# a text that goes on the sentence about the variable, and is empty where all is well

locals {
  id_pattern   = "^[A-Za-z0-9][A-Za-z0-9._-]*$"
  name_pattern = "^[A-Za-z_][A-Za-z0-9_]*$"

  wrong = {
    for rule, found in {
      artifacts = {
        for id, job in var.jobs : id => job.artifacts
        if try(!alltrue([for glob in job.artifacts : try(length(glob) > 0 && !startswith(glob, "/") && !contains(split("/", glob), ".."), false)]), false)
      }
      checkpoint_command = {
        for id, job in var.jobs : id => job.checkpoint_command
        if try(length(job.checkpoint_command) == 0 || !alltrue([for word in job.checkpoint_command : try(length(word) > 0, false)]), false)
      }
      checkpoint_deadline_seconds = {
        for id, job in var.jobs : id => job.checkpoint_deadline_seconds
        if try(job.checkpoint_deadline_seconds < 1 || floor(job.checkpoint_deadline_seconds) != job.checkpoint_deadline_seconds, false)
      }
      checkpoint_interval_seconds = {
        for id, job in var.jobs : id => job.checkpoint_interval_seconds
        if try(job.checkpoint_interval_seconds < 0 || floor(job.checkpoint_interval_seconds) != job.checkpoint_interval_seconds, false)
      }
      checkpoint_keep = {
        for id, job in var.jobs : id => job.checkpoint_keep
        if try(job.checkpoint_keep < 1 || floor(job.checkpoint_keep) != job.checkpoint_keep, false)
      }
      cloud_init = {
        for id, job in var.jobs : id => [for part in job.cloud_init : try(substr(part, 0, 20), null)]
        if try(!alltrue([for part in job.cloud_init : can(regex("^(#cloud-config|#!)", part))]), false)
      }
      container_name = {
        for id, job in var.jobs : id => job.container_name
        if try(job.container_name != null && !can(regex("^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$", job.container_name)), false)
      }
      environment = {
        for id, job in var.jobs : id => keys(job.environment)
        if try(!alltrue([for name in keys(job.environment) : can(regex(local.name_pattern, name)) && !startswith(name, "DXNN_")]), false)
      }

      # The values themselves are not shown: they may be what they should not be.
      environment_values = {
        for id, job in var.jobs : id => [for name, value in job.environment : "${name}=…" if !can(regex("^[^\\r\\n]*$", value))]
        if try(!alltrue([for value in values(job.environment) : can(regex("^[^\\r\\n]*$", value))]), false)
      }
      extra_volumes = {
        for id, job in var.jobs : id => [for volume in job.extra_volumes : "${volume.device_name} of ${volume.size}"]
        if try(!alltrue([for volume in job.extra_volumes : can(regex("^/dev/(sd|xvd)[b-z]$", volume.device_name)) && floor(volume.size) == volume.size && volume.size >= 1]), false)
      }
      instance_profile = {
        for id, job in var.jobs : id => job.instance_profile
        if try(job.instance_profile != null && !can(regex("^[A-Za-z0-9_+=,.@-]{1,128}$", job.instance_profile)), false)
      }
      instance_types = {
        for id, job in var.jobs : id => job.instance_types
        if try(!(length(job.instance_types) >= 1 && length(job.instance_types) <= 40 && length(distinct(job.instance_types)) == length(job.instance_types) && alltrue([for type in job.instance_types : can(regex("^[a-z0-9-]+[.][a-z0-9-]+$", type))])), false)
      }
      max_failed_runs = {
        for id, job in var.jobs : id => job.max_failed_runs
        if try(job.max_failed_runs < 1 || floor(job.max_failed_runs) != job.max_failed_runs, false)
      }
      max_fruitless_runs = {
        for id, job in var.jobs : id => job.max_fruitless_runs
        if try(job.max_fruitless_runs < 1 || floor(job.max_fruitless_runs) != job.max_fruitless_runs, false)
      }
      max_job_hours = {
        for id, job in var.jobs : id => job.max_job_hours
        if try(job.max_job_hours < 0, false)
      }
      on_upload_failure = {
        for id, job in var.jobs : id => job.on_upload_failure
        if try(job.on_upload_failure != null && !contains(["keep", "terminate"], job.on_upload_failure), false)
      }
      policy_arns = {
        for id, job in var.jobs : id => job.policy_arns
        if try(!alltrue([for arn in job.policy_arns : can(regex("^arn:[a-z-]+:iam::([0-9]{12}|aws):policy/.+$", arn))]), false)
      }
      poll_interval_seconds = {
        for id, job in var.jobs : id => job.poll_interval_seconds
        if try(job.poll_interval_seconds <= 0 || job.poll_interval_seconds > 60, false)
      }
      restore_give_up_seconds = {
        for id, job in var.jobs : id => job.restore_give_up_seconds
        if try(job.restore_give_up_seconds < 0 || floor(job.restore_give_up_seconds) != job.restore_give_up_seconds, false)
      }
      security_group_ids = {
        for id, job in var.jobs : id => job.security_group_ids
        if try(length(job.security_group_ids) > 4 || !alltrue([for id in job.security_group_ids : can(regex("^sg-[0-9a-f]{8,17}$", id))]), false)
      }
      spot_max_price = {
        for id, job in var.jobs : id => job.spot_max_price
        if try(job.spot_max_price <= 0, false)
      }
      stalled_after_seconds = {
        for id, job in var.jobs : id => job.stalled_after_seconds
        if try(job.stalled_after_seconds < 0 || floor(job.stalled_after_seconds) != job.stalled_after_seconds, false)
      }
      trainer_command = {
        for id, job in var.jobs : id => job.trainer_command
        if try(length(job.trainer_command) == 0 || !alltrue([for word in job.trainer_command : try(length(word) > 0, false)]), false)
      }
      trainer_directory = {
        for id, job in var.jobs : id => job.trainer_directory
        if try(!startswith(job.trainer_directory, "/"), false)
      }
      volume_iops = {
        for id, job in var.jobs : id => job.volume_iops
        if try(job.volume_iops < 3000 || floor(job.volume_iops) != job.volume_iops, false)
      }
      volume_size = {
        for id, job in var.jobs : id => job.volume_size
        if try(job.volume_size < 1 || job.volume_size > 16384 || floor(job.volume_size) != job.volume_size, false)
      }
      volume_throughput = {
        for id, job in var.jobs : id => job.volume_throughput
        if try(job.volume_throughput < 125 || floor(job.volume_throughput) != job.volume_throughput, false)
      }
    } : rule => join("", [for id, value in found : "; jobs.${id} has ${jsonencode(value)}"])
  }
}
