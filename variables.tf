# What to train

variable "jobs" {
  description = "The jobs by their ids. Whatever a job leaves out is what the variable of the same name says; {} is a whole job. experiment is given to the trainer as --experiment; left out, the launcher takes the job's id."
  type = map(object({
    experiment     = optional(string)
    environment    = optional(map(string))
    instance_types = optional(list(string))
    volume_size    = optional(number)

    container_name               = optional(string)
    restore_from_s3_on_boot      = optional(bool)
    poll_interval_seconds        = optional(number)
    checkpoint_deadline_seconds  = optional(number)
    checkpoint_interval_seconds  = optional(number)
    checkpoint_keep              = optional(number)
    use_rebalance_recommendation = optional(bool)
    auto_terminate               = optional(bool)
    on_upload_failure            = optional(string)
    relaunch_on_interruption     = optional(bool)
    max_fruitless_runs           = optional(number)
    max_failed_runs              = optional(number)
    stalled_after_seconds        = optional(number)
    trainer_command              = optional(list(string))
    trainer_directory            = optional(string)
    checkpoint_command           = optional(list(string))
    artifacts                    = optional(list(string))
  }))
  nullable = false

  validation {
    condition     = alltrue([for job in values(var.jobs) : job != null])
    error_message = "jobs should hold an object for each job; {} takes every default."
  }

  validation {
    condition     = alltrue([for id in keys(var.jobs) : can(regex("^[A-Za-z0-9][A-Za-z0-9._-]*$", id))])
    error_message = "jobs: an id should be letters, digits, dots, dashes and underscores, beginning with a letter or digit."
  }

  # Roles are named after jobs: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
  validation {
    condition     = alltrue([for id in keys(var.jobs) : length("${var.name}-${id}") <= 64])
    error_message = "jobs: \"${var.name}-\" and an id should together have at most 64 characters."
  }

  validation {
    condition     = length(distinct([for id in keys(var.jobs) : lower(id)])) == length(var.jobs)
    error_message = "jobs: ids should differ in more than upper and lower case."
  }

  validation {
    condition = alltrue([
      for experiment in values(var.jobs)[*].experiment : length(experiment) >= 1 && length(experiment) <= 255
      if experiment != null
    ])
    error_message = "experiment should have 1 to 255 characters."
  }
}

variable "environment" {
  description = "Environment variables for every trainer; a job's own of the same name win. They can be read in the launch template: no place for secrets."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition = alltrue(flatten([
      for environment in concat([var.environment], values(var.jobs)[*].environment) : [
        for name in keys(environment) :
        can(regex("^[A-Za-z_][A-Za-z0-9_]*$", name)) && !startswith(name, "DXNN_")
      ] if environment != null
    ]))
    error_message = "environment: a name should be letters, digits and underscores, not beginning with a digit, nor with DXNN_, which are the agent's own."
  }

  validation {
    condition = alltrue(flatten([
      for environment in concat([var.environment], values(var.jobs)[*].environment) : [
        for value in values(environment) : can(regex("^[^\\r\\n]*$", value))
      ] if environment != null
    ]))
    error_message = "environment: a value should be a text without line breaks."
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

# The agent's settings: what every job takes that does not say otherwise

variable "container_name" {
  description = "The trainer's name in the journal, the log and the sentinel; null: the job's id."
  type        = string
  default     = null

  validation {
    condition = alltrue([
      for name in concat([var.container_name], values(var.jobs)[*].container_name) :
      can(regex("^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$", name)) if name != null
    ])
    error_message = "container_name should be letters, digits, dots, dashes and underscores, at most 128, beginning with a letter or digit."
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
    condition = alltrue([
      for seconds in concat([var.poll_interval_seconds], values(var.jobs)[*].poll_interval_seconds) :
      seconds > 0 && seconds <= 60 if seconds != null
    ])
    error_message = "poll_interval_seconds should be more than 0 and at most 60."
  }
}

variable "checkpoint_deadline_seconds" {
  description = "Time a checkpoint may take; at a notice, counted from its detection."
  type        = number
  default     = 60
  nullable    = false

  validation {
    condition = alltrue([
      for seconds in concat([var.checkpoint_deadline_seconds], values(var.jobs)[*].checkpoint_deadline_seconds) :
      seconds >= 1 && floor(seconds) == seconds if seconds != null
    ])
    error_message = "checkpoint_deadline_seconds should be a whole number, at least 1."
  }
}

variable "checkpoint_interval_seconds" {
  description = "Time between periodic checkpoints; 0 turns them off."
  type        = number
  default     = 300
  nullable    = false

  validation {
    condition = alltrue([
      for seconds in concat([var.checkpoint_interval_seconds], values(var.jobs)[*].checkpoint_interval_seconds) :
      seconds >= 0 && floor(seconds) == seconds if seconds != null
    ])
    error_message = "checkpoint_interval_seconds should be a whole number, at least 0; 0 turns periodic checkpoints off."
  }
}

variable "checkpoint_keep" {
  description = "Checkpoints kept on the instance's disk; S3 keeps all."
  type        = number
  default     = 3
  nullable    = false

  validation {
    condition = alltrue([
      for count in concat([var.checkpoint_keep], values(var.jobs)[*].checkpoint_keep) :
      count >= 1 && floor(count) == count if count != null
    ])
    error_message = "checkpoint_keep should be a whole number, at least 1."
  }
}

variable "use_rebalance_recommendation" {
  description = "On a rebalance recommendation, checkpoint and ship, and train on."
  type        = bool
  default     = true
  nullable    = false
}

variable "instance_initiated_shutdown_behavior" {
  description = "What EC2 does when an instance powers itself off."
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
  description = "What becomes of the instance when a finalization failed: keep or terminate."
  type        = string
  default     = "keep"
  nullable    = false

  validation {
    condition = alltrue([
      for choice in concat([var.on_upload_failure], values(var.jobs)[*].on_upload_failure) :
      contains(["keep", "terminate"], choice) if choice != null
    ])
    error_message = "on_upload_failure should be keep or terminate."
  }
}

variable "relaunch_on_interruption" {
  description = "Auto Scaling starts a new instance, which resumes; false: one run and no more."
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
    condition = alltrue([
      for count in concat([var.max_fruitless_runs], values(var.jobs)[*].max_fruitless_runs) :
      count >= 1 && floor(count) == count if count != null
    ])
    error_message = "max_fruitless_runs should be a whole number, at least 1."
  }
}

variable "max_failed_runs" {
  description = "Runs in a row that the trainer itself ended, by crashing or standing still, after which a job is given up."
  type        = number
  default     = 3
  nullable    = false

  validation {
    condition = alltrue([
      for count in concat([var.max_failed_runs], values(var.jobs)[*].max_failed_runs) :
      count >= 1 && floor(count) == count if count != null
    ])
    error_message = "max_failed_runs should be a whole number, at least 1."
  }
}

variable "stalled_after_seconds" {
  description = "A trainer that shows no progress for so long is ended and has failed; 0: never."
  type        = number
  default     = 1800
  nullable    = false

  validation {
    condition = alltrue([
      for seconds in concat([var.stalled_after_seconds], values(var.jobs)[*].stalled_after_seconds) :
      seconds >= 0 && floor(seconds) == seconds if seconds != null
    ])
    error_message = "stalled_after_seconds should be a whole number, at least 0; 0 means never."
  }
}

variable "trainer_command" {
  description = "The trainer, as a list of words; no shell is run."
  type        = list(string)
  default     = ["/opt/dxnn-agent/erlang/bin/dxnn-train"]
  nullable    = false

  validation {
    condition = alltrue([
      for command in concat([var.trainer_command], values(var.jobs)[*].trainer_command) :
      length(command) > 0 && alltrue([for word in command : try(length(word) > 0, false)]) if command != null
    ])
    error_message = "trainer_command should be a list of at least one word, none of them empty."
  }
}

variable "trainer_directory" {
  description = "The trainer's working directory on the instance."
  type        = string
  default     = "/opt/dxnn"
  nullable    = false

  validation {
    condition = alltrue([
      for path in concat([var.trainer_directory], values(var.jobs)[*].trainer_directory) :
      startswith(path, "/") if path != null
    ])
    error_message = "trainer_directory should be an absolute path, such as /opt/dxnn."
  }
}

variable "checkpoint_command" {
  description = "Writes the file named by DXNN_CHECKPOINT_PATH, as a list of words; null: the Erlang node is asked."
  type        = list(string)
  default     = null

  validation {
    condition = alltrue([
      for command in concat([var.checkpoint_command], values(var.jobs)[*].checkpoint_command) :
      length(command) > 0 && alltrue([for word in command : try(length(word) > 0, false)]) if command != null
    ])
    error_message = "checkpoint_command should be a list of at least one word, none of them empty."
  }
}

variable "artifacts" {
  description = "Globs below trainer_directory of what finalize uploads, where it has changed since the run began."
  type        = list(string)
  default     = ["benchmarks/**"]
  nullable    = false

  validation {
    condition = alltrue(flatten([
      for globs in concat([var.artifacts], values(var.jobs)[*].artifacts) : [
        for glob in globs :
        try(length(glob) > 0 && !startswith(glob, "/") && !contains(split("/", glob), ".."), false)
      ] if globs != null
    ]))
    error_message = "artifacts should be globs below trainer_directory, such as benchmarks/**."
  }
}

# The instances

variable "name" {
  description = "First part of every resource's name; the second is the job's id."
  type        = string
  default     = "dxnn"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9._-]{0,61}$", var.name)) && !startswith(var.name, "sg-")
    error_message = "name should be letters, digits, dots, dashes and underscores, at most 62, beginning with a letter or digit, and not with sg-, which EC2 keeps for itself."
  }
}

variable "ami_id" {
  description = "The image; null: the newest dxnn-agent-* of ami_owners for the architecture."
  type        = string
  default     = null

  validation {
    condition     = var.ami_id == null || can(regex("^ami-[0-9a-f]{8,17}$", var.ami_id))
    error_message = "ami_id should be an image's id, such as ami-0123456789abcdef0."
  }
}

variable "ami_owners" {
  description = "Accounts whose images are taken, also for ami_id: self, or account numbers."
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

variable "architecture" {
  description = "Of image and instances: x86_64 or arm64."
  type        = string
  default     = "x86_64"
  nullable    = false

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "architecture should be x86_64 or arm64."
  }
}

variable "instance_types" {
  description = "Types to choose from by price and capacity: the more, the fewer interruptions. null: types of 2 vCPUs from several families."
  type        = list(string)
  default     = null

  # https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-quotas.html has the 40.
  validation {
    condition = alltrue([
      for types in concat([var.instance_types], values(var.jobs)[*].instance_types) :
      length(types) >= 1 && length(types) <= 40 && length(distinct(types)) == length(types) && alltrue([
        for type in types : can(regex("^[a-z0-9-]+[.][a-z0-9-]+$", type))
      ]) if types != null
    ])
    error_message = "instance_types should be 1 to 40 different types, such as c6i.large."
  }
}

variable "volume_size" {
  description = "Size of the root volume in GiB."
  type        = number
  default     = 20
  nullable    = false

  validation {
    condition = alltrue([
      for size in concat([var.volume_size], values(var.jobs)[*].volume_size) :
      size >= 1 && size <= 16384 && floor(size) == size if size != null
    ])
    error_message = "volume_size should be a whole number of GiB from 1 to 16384."
  }
}

variable "tags" {
  description = "Tags of every resource, instance and volume, beside Name."
  type        = map(string)
  default     = {}
  nullable    = false

  # 50 is what EC2 and IAM take: https://docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html
  validation {
    condition = length(var.tags) <= 49 && alltrue([
      for key, value in var.tags :
      can(regex("^[\\p{L}\\p{Z}\\p{N}_.:/=+@-]{1,128}$", key)) &&
      can(regex("^[\\p{L}\\p{Z}\\p{N}_.:/=+@-]{0,256}$", value)) &&
      !startswith(lower(key), "aws:") && lower(key) != "name"
    ])
    error_message = "tags should be at most 49 keys of 1 to 128 characters with values of up to 256: letters, digits, spaces and _.:/=+-@; Name and aws: are taken."
  }
}

# The network, and ways in

variable "subnet_ids" {
  description = "Subnets of one VPC to launch in; []: the default VPC, in all zones. S3, EC2 Auto Scaling and, with ssm_access, Session Manager must be within reach."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for id in var.subnet_ids : can(regex("^subnet-[0-9a-f]{8,17}$", id))])
    error_message = "subnet_ids should be subnets' ids, such as subnet-0123456789abcdef0."
  }
}

variable "ssh_cidr_blocks" {
  description = "Networks from which SSH is let in; []: nothing listens."
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
  description = "EC2 key pair that may log in by SSH; goes with ssh_cidr_blocks."
  type        = string
  default     = null

  validation {
    condition     = var.ssh_key_name == null || can(regex("^[[:print:]]{1,255}$", var.ssh_key_name))
    error_message = "ssh_key_name should be a key pair's name, of 1 to 255 characters."
  }
}

variable "ssm_access" {
  description = "Let Session Manager open shells on the instances."
  type        = bool
  default     = false
  nullable    = false
}
