# terraform test, without credentials: what the module plans, by a pretended provider.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws", dns_suffix = "amazonaws.com" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_availability_zones" {
    defaults = { names = ["us-east-1a", "us-east-1b"] }
  }
  mock_data "aws_ami_ids" {
    defaults = { ids = ["ami-0123456789abcdef0", "ami-00000000000000001"] }
  }
  mock_data "aws_ami" {
    defaults = { id = "ami-0123456789abcdef0", architecture = "x86_64", root_device_name = "/dev/xvda" }
  }
  mock_data "aws_ec2_instance_type" {
    defaults = { supported_architectures = ["x86_64"] }
  }
  mock_data "aws_subnet" {
    defaults = { vpc_id = "vpc-0123456789abcdef0" }
  }
}

variables {
  s3_bucket = "trainings"
  jobs      = { xor = {} }
}

run "one_job" {
  command = plan

  assert {
    condition     = aws_autoscaling_group.job["xor"].name == "dxnn-xor"
    error_message = "A group is named after the deployment and the job."
  }
  assert {
    condition = (
      aws_autoscaling_group.job["xor"].max_size == 1 && aws_autoscaling_group.job["xor"].min_size == 0 &&
      aws_autoscaling_group.job["xor"].desired_capacity == 1 && aws_autoscaling_group.job["xor"].protect_from_scale_in
    )
    error_message = "A group is of one, may be none, and keeps its instance when it is scaled in."
  }
  assert {
    condition     = aws_autoscaling_group.job["xor"].mixed_instances_policy[0].instances_distribution[0].on_demand_percentage_above_base_capacity == 0
    error_message = "Every instance is a Spot instance."
  }
  assert {
    condition     = length(aws_autoscaling_group.job["xor"].mixed_instances_policy[0].launch_template[0].override) == 6
    error_message = "A job that names no types has several."
  }
  assert {
    condition     = aws_launch_template.job["xor"].instance_initiated_shutdown_behavior == "terminate"
    error_message = "An instance that powers itself off is terminated."
  }
  assert {
    condition = (
      aws_launch_template.job["xor"].metadata_options[0].http_tokens == "required" &&
      aws_launch_template.job["xor"].metadata_options[0].http_put_response_hop_limit == 1
    )
    error_message = "The metadata service takes IMDSv2 only, from the instance itself only."
  }
  assert {
    condition     = length(aws_security_group.instances.ingress) == 0 && length(aws_security_group.instances.egress) == 1
    error_message = "Nothing listens, and one port goes out."
  }
  assert {
    condition     = yamldecode(base64decode(aws_launch_template.job["xor"].user_data)).write_files[0].path == "/etc/dxnn/agent.toml"
    error_message = "The settings are where the agent looks for them."
  }
  assert {
    condition = strcontains(
      yamldecode(base64decode(aws_launch_template.job["xor"].user_data)).write_files[0].content,
      "job_id = \"xor\"\n",
    )
    error_message = "The settings name the job."
  }
  assert {
    condition     = length(yamldecode(base64decode(aws_launch_template.job["xor"].user_data)).write_files) == 1
    error_message = "Without environment there is no trainer.env."
  }
  assert {
    condition     = output.jobs["xor"].results == "s3://trainings/dxnn/xor/"
    error_message = "Results lie below prefix and job."
  }
}

run "a_job_says_otherwise" {
  command = plan

  variables {
    checkpoint_keep = 5
    environment     = { SEED = "1", MODE = "fast" }
    jobs = {
      plain = {}
      other = {
        experiment      = "b"
        checkpoint_keep = 7
        auto_terminate  = false
        instance_types  = ["m5.large"]
        volume_size     = 40
        environment     = { SEED = "say \"$2\"" }

        relaunch_on_interruption = false
      }
    }
  }

  assert {
    condition = strcontains(
      yamldecode(base64decode(aws_launch_template.job["plain"].user_data)).write_files[0].content,
      "checkpoint_keep = 5\n",
    )
    error_message = "A job takes what the deployment says."
  }
  assert {
    condition = alltrue([for line in [
      "auto_terminate = false",
      "checkpoint_keep = 7",
      "trainer_command = [\"/opt/dxnn-agent/erlang/bin/dxnn-train\",\"--experiment\",\"b\"]",
      ] : contains(
      split("\n", yamldecode(base64decode(aws_launch_template.job["other"].user_data)).write_files[0].content), line
    )])
    error_message = "A job's own word beats the deployment's."
  }
  assert {
    condition     = yamldecode(base64decode(aws_launch_template.job["other"].user_data)).write_files[1].content == "MODE=\"fast\"\nSEED=\"say \\\"\\$2\\\"\"\n"
    error_message = "The environment is quoted as systemd reads it; a job's own value wins."
  }
  assert {
    condition     = aws_launch_template.job["other"].block_device_mappings[0].ebs[0].volume_size == 40
    error_message = "A job has its own volume."
  }
  assert {
    condition = (
      length(aws_autoscaling_group.job["plain"].suspended_processes) == 0 &&
      contains(aws_autoscaling_group.job["other"].suspended_processes, "ReplaceUnhealthy")
    )
    error_message = "Only a job of one run has its replacement suspended."
  }
}

run "a_role_reaches_its_own_job" {
  command = plan

  variables {
    s3_prefix = "team*"
    jobs      = { a = {}, b = {} }
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.job["a"].policy).Statement[0].Resource == "arn:aws:s3:::trainings/team$${*}/a/*"
    error_message = "A role reads and writes its own job only; a star in s3_prefix is a star."
  }
  assert {
    condition     = jsondecode(aws_iam_role_policy.job["b"].policy).Statement[2].Resource == "arn:aws:autoscaling:*:123456789012:autoScalingGroup:*:autoScalingGroupName/dxnn-b"
    error_message = "A role scales its own group only."
  }
  assert {
    condition = toset(flatten([for statement in jsondecode(aws_iam_role_policy.job["a"].policy).Statement : statement.Action])) == toset([
      "s3:GetObject", "s3:PutObject", "s3:ListBucket",
      "autoscaling:SetDesiredCapacity", "autoscaling:DescribeAutoScalingInstances",
    ])
    error_message = "A role may do nothing else."
  }
}

run "ways_in" {
  command = plan

  variables {
    ssh_cidr_blocks = ["203.0.113.0/24", "2001:db8::/48"]
    ssh_key_name    = "mine"
    ssm_access      = true
    subnet_ids      = ["subnet-0123456789abcdef0"]
  }

  assert {
    condition = (
      tolist(aws_security_group.instances.ingress)[0].from_port == 22 &&
      tolist(aws_security_group.instances.ingress)[0].cidr_blocks == tolist(["203.0.113.0/24"]) &&
      tolist(aws_security_group.instances.ingress)[0].ipv6_cidr_blocks == tolist(["2001:db8::/48"])
    )
    error_message = "SSH is let in from the named networks."
  }
  assert {
    condition     = strcontains(aws_iam_role_policy.job["xor"].policy, "ssmmessages:OpenDataChannel")
    error_message = "Session Manager may open shells."
  }
  assert {
    condition     = aws_autoscaling_group.job["xor"].vpc_zone_identifier == toset(["subnet-0123456789abcdef0"])
    error_message = "Instances start in the named subnets."
  }
}

run "no_image" {
  command = plan

  override_data {
    target = data.aws_ami_ids.image
    values = { ids = [] }
  }

  expect_failures = [data.aws_ami_ids.image]
}

run "an_image_for_other_machines" {
  command = plan

  override_data {
    target = data.aws_ami.image
    values = { architecture = "arm64" }
  }

  expect_failures = [data.aws_ami.image]
}

run "types_for_other_images" {
  command = plan

  variables {
    instance_types = ["c7g.large"]
  }

  override_data {
    target = data.aws_ec2_instance_type.wanted
    values = { supported_architectures = ["arm64"] }
  }

  expect_failures = [data.aws_ec2_instance_type.wanted]
}

run "more_than_user_data_holds" {
  command = plan

  variables {
    environment = { LONG = format("%09000d", 0), TOO = format("%09000d", 0) }
  }

  expect_failures = [aws_launch_template.job]
}

run "every_variable_is_checked" {
  command = plan

  variables {
    architecture                         = "x86"
    ami_id                               = "newest"
    ami_owners                           = ["me"]
    artifacts                            = ["../secrets"]
    checkpoint_command                   = []
    checkpoint_deadline_seconds          = 0
    checkpoint_interval_seconds          = -1
    checkpoint_keep                      = 0
    container_name                       = "-"
    environment                          = { DXNN_JOB_ID = "b" }
    instance_initiated_shutdown_behavior = "stop"
    instance_types                       = []
    max_failed_runs                      = 0
    max_fruitless_runs                   = 0
    on_upload_failure                    = "panic"
    poll_interval_seconds                = 61
    s3_bucket                            = "Trainings"
    s3_prefix                            = "/dxnn"
    ssh_cidr_blocks                      = ["0.0.0.0/0"]
    stalled_after_seconds                = -1
    subnet_ids                           = ["all"]
    tags                                 = { Name = "mine" }
    trainer_command                      = [""]
    trainer_directory                    = "dxnn"
    volume_size                          = 0
  }

  expect_failures = [
    var.architecture, var.ami_id, var.ami_owners, var.artifacts, var.checkpoint_command,
    var.checkpoint_deadline_seconds, var.checkpoint_interval_seconds, var.checkpoint_keep,
    var.container_name, var.environment, var.instance_initiated_shutdown_behavior, var.instance_types,
    var.max_failed_runs, var.max_fruitless_runs, var.on_upload_failure, var.poll_interval_seconds,
    var.s3_bucket, var.s3_prefix, var.ssh_cidr_blocks, var.stalled_after_seconds, var.subnet_ids, var.tags,
    var.trainer_command, var.trainer_directory, var.volume_size,
  ]
}

# The rules of others look at these, and wait until they are right.
run "variables_that_others_need_are_checked" {
  command = plan

  variables {
    name         = "sg-1"
    ssh_key_name = ""
  }

  expect_failures = [var.name, var.ssh_key_name]
}

run "ids_of_jobs_are_checked" {
  command = plan

  variables {
    jobs = { "a b" = {} }
  }

  expect_failures = [var.jobs]
}

run "a_job_is_checked_too" {
  command = plan

  variables {
    jobs = {
      good = {}
      bad  = { checkpoint_keep = 0, volume_size = 1.5, artifacts = ["/"] }
    }
  }

  expect_failures = [var.checkpoint_keep, var.volume_size, var.artifacts]
}
