# What to train

variable "jobs" {
  description = "The jobs by their ids. Whatever a job leaves out is what the variable of the same name says; `{}` is a whole job. `experiment` is given to the trainer as `--experiment`; left out, the launcher takes the job's id."
  type = map(object({
    experiment         = optional(string)
    environment        = optional(map(string))
    instance_types     = optional(list(string))
    spot               = optional(bool)
    spot_max_price     = optional(number)
    volume_size        = optional(number)
    volume_iops        = optional(number)
    volume_throughput  = optional(number)
    public_ip_address  = optional(bool)
    security_group_ids = optional(list(string))
    instance_profile   = optional(string)
    policy_arns        = optional(list(string))
    cloud_init         = optional(list(string))

    extra_volumes = optional(list(object({
      device_name = string
      size        = number
      iops        = optional(number)
      throughput  = optional(number)
    })))

    container_name               = optional(string)
    restore_from_s3_on_boot      = optional(bool)
    poll_interval_seconds        = optional(number)
    checkpoint_deadline_seconds  = optional(number)
    checkpoint_interval_seconds  = optional(number)
    checkpoint_keep              = optional(number)
    use_rebalance_recommendation = optional(bool)
    auto_terminate               = optional(bool)
    on_upload_failure            = optional(string)
    restore_give_up_seconds      = optional(number)
    relaunch_on_interruption     = optional(bool)
    max_fruitless_runs           = optional(number)
    max_failed_runs              = optional(number)
    max_job_hours                = optional(number)
    stalled_after_seconds        = optional(number)
    trainer_command              = optional(list(string))
    trainer_directory            = optional(string)
    checkpoint_command           = optional(list(string))
    artifacts                    = optional(list(string))
  }))
  nullable = false

  validation {
    condition     = alltrue([for job in values(var.jobs) : job != null])
    error_message = "jobs should hold an object for each job, where {} takes every default%{for id, job in var.jobs}%{if job == null}; jobs.${id} is null%{endif}%{endfor}."
  }

  validation {
    condition     = alltrue([for id in keys(var.jobs) : can(regex(local.id_pattern, id))])
    error_message = "jobs: an id should be letters, digits, dots, dashes and underscores, beginning with a letter or digit%{for id in keys(var.jobs)}%{if !can(regex(local.id_pattern, id))}; there is ${jsonencode(id)}%{endif}%{endfor}."
  }

  validation {
    condition     = alltrue([for id in keys(var.jobs) : length(var.name) + 1 + length(id) <= 64])
    error_message = "jobs: ${var.name}, a dash and an id should together have at most 64 characters%{for id in keys(var.jobs)}%{if length(var.name) + 1 + length(id) > 64}; there is ${id}%{endif}%{endfor}."
  }

  # IAM's names do not differ by case alone.
  validation {
    condition     = length(distinct([for id in keys(var.jobs) : lower(id)])) == length(var.jobs)
    error_message = "jobs: ids should differ in more than upper and lower case%{for ids in values({ for id in keys(var.jobs) : lower(id) => id... })}%{if length(ids) > 1}; there are ${jsonencode(ids)}%{endif}%{endfor}."
  }

  validation {
    condition = alltrue([
      for job in values(var.jobs) : try(length(job.experiment) >= 1 && length(job.experiment) <= 255, true)
    ])
    error_message = "experiment should have 1 to 255 characters%{for id, job in var.jobs}%{if !try(length(job.experiment) >= 1 && length(job.experiment) <= 255, true)}; jobs.${id} has ${length(job.experiment)}%{endif}%{endfor}."
  }
}

variable "environment" {
  description = "Environment variables for every trainer; a job's own of the same name win. They can be read in the launch template: no place for secrets."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name in keys(var.environment) : can(regex(local.name_pattern, name)) && !startswith(name, "DXNN_")]) && local.wrong.environment == ""
    error_message = "environment: a name should be letters, digits and underscores, not beginning with a digit, nor with DXNN_, which are the agent's own${local.wrong.environment}."
  }

  validation {
    condition     = alltrue([for value in values(var.environment) : can(regex("^[^\\r\\n]*$", value))]) && local.wrong.environment_values == ""
    error_message = "environment: a value should be a text without line breaks${local.wrong.environment_values}."
  }
}

# Where its results go

variable "s3_bucket" {
  description = "Bucket for checkpoints and results, such as bootstrap/ makes."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.s3_bucket))
    error_message = "s3_bucket should be a bucket's name: 3 to 63 lower-case letters, digits, dots and dashes."
  }
}

variable "s3_bucket_lookup" {
  description = "Let each plan see that the bucket is there, and in this region; `false` for one of another account that does not show itself to whoever applies."
  type        = bool
  default     = true
  nullable    = false
}

variable "s3_prefix" {
  description = "Key prefix above all jobs; may be empty."
  type        = string
  default     = "dxnn"
  nullable    = false

  validation {
    condition     = can(regex("^([A-Za-z0-9!_.*'()-]+(/[A-Za-z0-9!_.*'()-]+)*)?$", var.s3_prefix))
    error_message = "s3_prefix should be a key prefix without a slash at either end, such as dxnn or team/dxnn."
  }
}

variable "s3_kms_key_arn" {
  description = "Customer managed key by which the bucket encrypts, as `bootstrap/`'s `kms_key_arn`: the roles may use it. `null`: S3's own."
  type        = string
  default     = null

  validation {
    condition     = var.s3_kms_key_arn == null || can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.s3_kms_key_arn))
    error_message = "s3_kms_key_arn should be a key's ARN, and not an alias's, such as arn:aws:kms:us-east-1:123456789012:key/…."
  }
}

# The agent's settings: what every job takes that does not say otherwise

variable "container_name" {
  description = "The trainer's name in the journal, the log and the sentinel; `null`: the job's id."
  type        = string
  default     = null

  validation {
    condition     = (var.container_name == null || can(regex("^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$", var.container_name))) && local.wrong.container_name == ""
    error_message = "container_name should be letters, digits, dots, dashes and underscores, at most 128, beginning with a letter or digit${local.wrong.container_name}."
  }
}

variable "restore_from_s3_on_boot" {
  description = "Go on from the newest checkpoint of the job that verifies."
  type        = bool
  default     = true
  nullable    = false
}

variable "poll_interval_seconds" {
  description = "How often the metadata service is asked for a notice."
  type        = number
  default     = 2
  nullable    = false

  validation {
    condition     = var.poll_interval_seconds > 0 && var.poll_interval_seconds <= 60 && local.wrong.poll_interval_seconds == ""
    error_message = "poll_interval_seconds should be more than 0 and at most 60${local.wrong.poll_interval_seconds}."
  }
}

variable "checkpoint_deadline_seconds" {
  description = "Time a checkpoint may take; at a notice, counted from its detection."
  type        = number
  default     = 60
  nullable    = false

  validation {
    condition     = var.checkpoint_deadline_seconds >= 1 && floor(var.checkpoint_deadline_seconds) == var.checkpoint_deadline_seconds && local.wrong.checkpoint_deadline_seconds == ""
    error_message = "checkpoint_deadline_seconds should be a whole number, at least 1${local.wrong.checkpoint_deadline_seconds}."
  }
}

variable "checkpoint_interval_seconds" {
  description = "Time between periodic checkpoints; 0 turns them off."
  type        = number
  default     = 300
  nullable    = false

  validation {
    condition     = var.checkpoint_interval_seconds >= 0 && floor(var.checkpoint_interval_seconds) == var.checkpoint_interval_seconds && local.wrong.checkpoint_interval_seconds == ""
    error_message = "checkpoint_interval_seconds should be a whole number, at least 0, which turns periodic checkpoints off${local.wrong.checkpoint_interval_seconds}."
  }
}

variable "checkpoint_keep" {
  description = "Checkpoints kept on the instance's disk; S3 keeps all."
  type        = number
  default     = 3
  nullable    = false

  validation {
    condition     = var.checkpoint_keep >= 1 && floor(var.checkpoint_keep) == var.checkpoint_keep && local.wrong.checkpoint_keep == ""
    error_message = "checkpoint_keep should be a whole number, at least 1${local.wrong.checkpoint_keep}."
  }
}

variable "use_rebalance_recommendation" {
  description = "On a rebalance recommendation, checkpoint and ship, and train on."
  type        = bool
  default     = true
  nullable    = false
}

variable "instance_initiated_shutdown_behavior" {
  description = "What EC2 does when an instance powers itself off; anything else is an error."
  type        = string
  default     = "terminate"
  nullable    = false

  validation {
    condition     = var.instance_initiated_shutdown_behavior == "terminate"
    error_message = "instance_initiated_shutdown_behavior should be terminate: a stopped instance would be paid for and never train again."
  }
}

variable "auto_terminate" {
  description = "Power off after a finalization that succeeded."
  type        = bool
  default     = true
  nullable    = false
}

variable "on_upload_failure" {
  description = "What becomes of the instance when a finalization failed: `keep` it, which goes on being paid for, or `terminate` it."
  type        = string
  default     = "keep"
  nullable    = false

  validation {
    condition     = contains(["keep", "terminate"], var.on_upload_failure) && local.wrong.on_upload_failure == ""
    error_message = "on_upload_failure should be keep or terminate${local.wrong.on_upload_failure}."
  }
}

variable "restore_give_up_seconds" {
  description = "How long a boot whose history can't be read or verified goes on trying before the job is given up; 0: for ever."
  type        = number
  default     = 3600
  nullable    = false

  validation {
    condition     = var.restore_give_up_seconds >= 0 && floor(var.restore_give_up_seconds) == var.restore_give_up_seconds && local.wrong.restore_give_up_seconds == ""
    error_message = "restore_give_up_seconds should be a whole number, at least 0, which means for ever${local.wrong.restore_give_up_seconds}."
  }
}

variable "relaunch_on_interruption" {
  description = "Auto Scaling starts a new instance, which resumes; `false`: one run and no more."
  type        = bool
  default     = true
  nullable    = false
}

variable "max_fruitless_runs" {
  description = "Runs in a row without a new checkpoint after which a job is given up."
  type        = number
  default     = 3
  nullable    = false

  validation {
    condition     = var.max_fruitless_runs >= 1 && floor(var.max_fruitless_runs) == var.max_fruitless_runs && local.wrong.max_fruitless_runs == ""
    error_message = "max_fruitless_runs should be a whole number, at least 1${local.wrong.max_fruitless_runs}."
  }
}

variable "max_failed_runs" {
  description = "Runs in a row that the trainer itself ended, by crashing or standing still, after which a job is given up."
  type        = number
  default     = 3
  nullable    = false

  validation {
    condition     = var.max_failed_runs >= 1 && floor(var.max_failed_runs) == var.max_failed_runs && local.wrong.max_failed_runs == ""
    error_message = "max_failed_runs should be a whole number, at least 1${local.wrong.max_failed_runs}."
  }
}

variable "max_job_hours" {
  description = "Hours of all machines of a job together after which it is saved and given up; 0: no limit."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.max_job_hours >= 0 && local.wrong.max_job_hours == ""
    error_message = "max_job_hours should be at least 0, which means no limit${local.wrong.max_job_hours}."
  }
}

variable "stalled_after_seconds" {
  description = "A trainer that shows no progress for so long is ended and has failed; 0: never."
  type        = number
  default     = 1800
  nullable    = false

  validation {
    condition     = var.stalled_after_seconds >= 0 && floor(var.stalled_after_seconds) == var.stalled_after_seconds && local.wrong.stalled_after_seconds == ""
    error_message = "stalled_after_seconds should be a whole number, at least 0, which means never${local.wrong.stalled_after_seconds}."
  }
}

variable "trainer_command" {
  description = "The trainer, as a list of words: any program of the image; no shell is run."
  type        = list(string)
  default     = ["/opt/dxnn-agent/erlang/bin/dxnn-train"]
  nullable    = false

  validation {
    condition     = length(var.trainer_command) > 0 && alltrue([for word in var.trainer_command : try(length(word) > 0, false)]) && local.wrong.trainer_command == ""
    error_message = "trainer_command should be a list of at least one word, none of them empty${local.wrong.trainer_command}."
  }
}

variable "trainer_directory" {
  description = "The trainer's working directory on the instance."
  type        = string
  default     = "/opt/dxnn"
  nullable    = false

  validation {
    condition     = startswith(var.trainer_directory, "/") && local.wrong.trainer_directory == ""
    error_message = "trainer_directory should be an absolute path, such as /opt/dxnn${local.wrong.trainer_directory}."
  }
}

variable "checkpoint_command" {
  description = "Writes the file named by `DXNN_CHECKPOINT_PATH`, as a list of words; `null`: the Erlang node is asked."
  type        = list(string)
  default     = null

  validation {
    condition     = try(length(var.checkpoint_command) > 0 && alltrue([for word in var.checkpoint_command : try(length(word) > 0, false)]), var.checkpoint_command == null) && local.wrong.checkpoint_command == ""
    error_message = "checkpoint_command should be a list of at least one word, none of them empty${local.wrong.checkpoint_command}."
  }
}

variable "artifacts" {
  description = "Globs below `trainer_directory` of what `finalize` uploads, where it has changed since the run began."
  type        = list(string)
  default     = ["benchmarks/**"]
  nullable    = false

  validation {
    condition     = alltrue([for glob in var.artifacts : try(length(glob) > 0 && !startswith(glob, "/") && !contains(split("/", glob), ".."), false)]) && local.wrong.artifacts == ""
    error_message = "artifacts should be globs below trainer_directory, such as benchmarks/**${local.wrong.artifacts}."
  }
}

# The image

variable "ami_id" {
  description = "The image; `null`: the newest of `ami_owners` that is called `image_name`, looked up by each plan."
  type        = string
  default     = null

  validation {
    condition     = var.ami_id == null || can(regex("^ami-[0-9a-f]{8,17}$", var.ami_id))
    error_message = "ami_id should be an image's id, such as ami-0123456789abcdef0."
  }
}

variable "ami_owners" {
  description = "Accounts whose images are taken, also for `ami_id`: self, or account numbers."
  type        = list(string)
  default     = ["self"]
  nullable    = false

  validation {
    condition = length(var.ami_owners) > 0 && alltrue([
      for owner in var.ami_owners : can(regex("^(self|[0-9]{12})$", owner))
    ])
    error_message = "ami_owners should be a list of at least one account: self, or a number of 12 digits."
  }
}

variable "image_name" {
  description = "What the image was baked as: Packer's variable of the same name. One for each trainer keeps their images apart."
  type        = string
  default     = "dxnn-agent"
  nullable    = false

  # Of the 128 characters of an image's name, version, architecture and time need the rest.
  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9._-]{2,63}$", var.image_name))
    error_message = "image_name should be 3 to 64 letters, digits, dots, dashes and underscores, beginning with a letter or digit, such as dxnn-agent."
  }
}

variable "architecture" {
  description = "Of image and instances: `x86_64` or `arm64`."
  type        = string
  default     = "x86_64"
  nullable    = false

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "architecture should be x86_64 or arm64."
  }
}

# The instances

variable "name" {
  description = "First part of every resource's name, the second being the job's id; deployments in one account and region need different ones."
  type        = string
  default     = "dxnn"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9._-]{0,61}$", var.name)) && !startswith(var.name, "sg-")
    error_message = "name should be letters, digits, dots, dashes and underscores, at most 62, beginning with a letter or digit, and not with sg-, which EC2 keeps for itself."
  }
}

# https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-quotas.html has the 40.

variable "instance_types" {
  description = "Types to choose from by price and capacity: the more, the fewer interruptions. `null`: types of 2 vCPUs from several families, as far as the region has them."
  type        = list(string)
  default     = null

  validation {
    condition     = try(length(var.instance_types) >= 1 && length(var.instance_types) <= 40 && length(distinct(var.instance_types)) == length(var.instance_types) && alltrue([for type in var.instance_types : can(regex("^[a-z0-9-]+[.][a-z0-9-]+$", type))]), var.instance_types == null) && local.wrong.instance_types == ""
    error_message = "instance_types should be 1 to 40 different types, such as c6i.large${local.wrong.instance_types}."
  }
}

variable "spot" {
  description = "Run on Spot; `false`: on demand, by the first of `instance_types` that has capacity, for a job that must not wait."
  type        = bool
  default     = true
  nullable    = false
}

variable "spot_max_price" {
  description = "The most that an hour of Spot may cost, in US dollars; `null`: the price on demand."
  type        = number
  default     = null

  validation {
    condition     = try(var.spot_max_price > 0, var.spot_max_price == null) && local.wrong.spot_max_price == ""
    error_message = "spot_max_price should be more than 0${local.wrong.spot_max_price}."
  }
}

variable "volume_size" {
  description = "Size of the root volume in GiB; at least the image's."
  type        = number
  default     = 20
  nullable    = false

  validation {
    condition     = var.volume_size >= 1 && var.volume_size <= 16384 && floor(var.volume_size) == var.volume_size && local.wrong.volume_size == ""
    error_message = "volume_size should be a whole number of GiB from 1 to 16384${local.wrong.volume_size}."
  }
}

# https://docs.aws.amazon.com/ebs/latest/userguide/general-purpose.html

variable "volume_iops" {
  description = "Operations a second of the root volume; `null`: the 3000 that cost nothing."
  type        = number
  default     = null

  validation {
    condition     = try(var.volume_iops >= 3000 && floor(var.volume_iops) == var.volume_iops, var.volume_iops == null) && local.wrong.volume_iops == ""
    error_message = "volume_iops should be a whole number, at least 3000${local.wrong.volume_iops}."
  }
}

variable "volume_throughput" {
  description = "MiB a second of the root volume; `null`: the 125 that cost nothing."
  type        = number
  default     = null

  validation {
    condition     = try(var.volume_throughput >= 125 && floor(var.volume_throughput) == var.volume_throughput, var.volume_throughput == null) && local.wrong.volume_throughput == ""
    error_message = "volume_throughput should be a whole number, at least 125${local.wrong.volume_throughput}."
  }
}

variable "extra_volumes" {
  description = "Empty volumes beside the root, by device and size in GiB, which go with the instance; `cloud_init` formats and mounts them."
  type = list(object({
    device_name = string
    size        = number
    iops        = optional(number)
    throughput  = optional(number)
  }))
  default  = []
  nullable = false

  validation {
    condition     = alltrue([for volume in var.extra_volumes : can(regex("^/dev/(sd|xvd)[b-z]$", volume.device_name)) && floor(volume.size) == volume.size && volume.size >= 1]) && local.wrong.extra_volumes == ""
    error_message = "extra_volumes should have devices such as /dev/sdf and whole numbers of GiB${local.wrong.extra_volumes}."
  }
}

variable "volume_kms_key_arn" {
  description = "Customer managed key by which volumes are encrypted, of which Auto Scaling's service-linked role needs a grant; `null`: EBS's own."
  type        = string
  default     = null

  validation {
    condition     = var.volume_kms_key_arn == null || can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.volume_kms_key_arn))
    error_message = "volume_kms_key_arn should be a key's ARN, and not an alias's, such as arn:aws:kms:us-east-1:123456789012:key/…."
  }
}

variable "cloud_init" {
  description = "Parts of user data of your own, which cloud-init takes before the agent's: each a text that begins with `#cloud-config` or `#!`."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for part in var.cloud_init : can(regex("^(#cloud-config|#!)", part))]) && local.wrong.cloud_init == ""
    error_message = "cloud_init should be texts that begin with #cloud-config or #!${local.wrong.cloud_init}."
  }
}

variable "tags" {
  description = "Tags of every resource, instance, volume, network interface and Spot request, beside `Name`, `dxnn:job`, `dxnn:deployment` and the provider's `default_tags`."
  type        = map(string)
  default     = {}
  nullable    = false

  # 50 is what EC2 and IAM take: https://docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html
  validation {
    condition = length(var.tags) <= 47 && alltrue([
      for key, value in var.tags :
      can(regex("^[\\p{L}\\p{Z}\\p{N}_.:/=+@-]{1,128}$", key)) &&
      can(regex("^[\\p{L}\\p{Z}\\p{N}_.:/=+@-]{0,256}$", value)) &&
      !can(regex("^(aws:|dxnn:|name$)", lower(key)))
    ])
    error_message = "tags should be at most 47 keys of 1 to 128 characters with values of up to 256: letters, digits, spaces and _.:/=+-@; Name, dxnn: and aws: are taken."
  }
}

# What an instance may do

variable "role_path" {
  description = "Path of the roles and instance profiles."
  type        = string
  default     = "/"
  nullable    = false

  validation {
    condition     = can(regex("^/([A-Za-z0-9_+=,.@-]+/)*$", var.role_path)) && length(var.role_path) <= 128
    error_message = "role_path should begin and end with a slash, such as /training/, and have at most 128 characters."
  }
}

variable "permissions_boundary_arn" {
  description = "Policy that bounds what the roles may do; `null`: none."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^arn:[a-z-]+:iam::([0-9]{12}|aws):policy/.+$", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn should be a policy's ARN, such as arn:aws:iam::123456789012:policy/boundary."
  }
}

variable "policy_arns" {
  description = "Policies that a job's role gets beside its own."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.policy_arns : can(regex("^arn:[a-z-]+:iam::([0-9]{12}|aws):policy/.+$", arn))]) && local.wrong.policy_arns == ""
    error_message = "policy_arns should be policies' ARNs, such as arn:aws:iam::123456789012:policy/prices${local.wrong.policy_arns}."
  }
}

variable "instance_profile" {
  description = "Name of an instance profile of your own, instead of a role for each job; it has to allow what the module's would. `null`: a role for each job."
  type        = string
  default     = null

  validation {
    condition     = (var.instance_profile == null || can(regex("^[A-Za-z0-9_+=,.@-]{1,128}$", var.instance_profile))) && local.wrong.instance_profile == ""
    error_message = "instance_profile should be an instance profile's name, of 1 to 128 letters, digits and _+=,.@-${local.wrong.instance_profile}."
  }
}

# The network, and ways in

variable "subnet_ids" {
  description = "Subnets of one VPC to launch in; `[]`: the default VPC, in all zones. S3 and EC2 Auto Scaling must be within reach."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for id in var.subnet_ids : can(regex("^subnet-[0-9a-f]{8,17}$", id))])
    error_message = "subnet_ids should be subnets' ids, such as subnet-0123456789abcdef0."
  }
}

variable "public_ip_address" {
  description = "Give instances a public address, or none; `null`: as the subnet says."
  type        = bool
  default     = null
}

variable "security_group_ids" {
  description = "Security groups of your own that instances get beside the job's."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(var.security_group_ids) <= 4 && alltrue([for id in var.security_group_ids : can(regex("^sg-[0-9a-f]{8,17}$", id))]) && local.wrong.security_group_ids == ""
    error_message = "security_group_ids should be at most 4 security groups' ids, such as sg-0123456789abcdef0${local.wrong.security_group_ids}."
  }
}

variable "egress" {
  description = "What may go out: by default HTTPS to everywhere. DNS, time and metadata of the VPC need no rule; a DNS server or a proxy of your own does. `[]` leaves it to `security_group_ids`."
  type = list(object({
    description      = string
    protocol         = optional(string, "tcp")
    from_port        = number
    to_port          = number
    cidr_blocks      = optional(list(string), [])
    ipv6_cidr_blocks = optional(list(string), [])
    prefix_list_ids  = optional(list(string), [])
    security_groups  = optional(list(string), [])
  }))
  default = [{
    description      = "HTTPS: S3 and EC2 Auto Scaling"
    from_port        = 443
    to_port          = 443
    cidr_blocks      = ["0.0.0.0/0"]
    ipv6_cidr_blocks = ["::/0"]
  }]
  nullable = false

  validation {
    condition = alltrue([
      for rule in var.egress :
      try(length(concat(rule.cidr_blocks, rule.ipv6_cidr_blocks, rule.prefix_list_ids, rule.security_groups)) > 0, false) &&
      try(rule.from_port <= rule.to_port, false)
    ])
    error_message = "egress: a rule should have ports from low to high, and say where to by cidr_blocks, ipv6_cidr_blocks, prefix_list_ids or security_groups."
  }
}

variable "ssh_cidr_blocks" {
  description = "Networks from which SSH is let in; `[]`: nothing listens. Goes with `ssh_key_name`."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition = alltrue([
      for block in var.ssh_cidr_blocks : try(cidrsubnet(block, 0, 0) == block && !endswith(block, "/0"), false)
    ])
    error_message = "ssh_cidr_blocks should be networks by their first address, such as 203.0.113.0/24 or 2001:db8::/48, and not everybody's."
  }

  validation {
    condition     = (length(var.ssh_cidr_blocks) > 0) == (var.ssh_key_name != null)
    error_message = "ssh_cidr_blocks and ssh_key_name should be given together or not at all."
  }
}

variable "ssh_key_name" {
  description = "EC2 key pair that may log in by SSH; goes with `ssh_cidr_blocks`."
  type        = string
  default     = null

  validation {
    condition     = var.ssh_key_name == null || can(regex("^[[:print:]]{1,255}$", var.ssh_key_name))
    error_message = "ssh_key_name should be a key pair's name, of 1 to 255 characters."
  }
}

# Who is told

variable "alert_topic_arn" {
  description = "SNS topic that is told when a job has waited for capacity for an hour, and when it has it; `null`: nobody."
  type        = string
  default     = null

  validation {
    condition     = var.alert_topic_arn == null || can(regex("^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+$", var.alert_topic_arn))
    error_message = "alert_topic_arn should be a topic's ARN, such as arn:aws:sns:us-east-1:123456789012:alerts."
  }
}
