# terraform test, without credentials: what the module plans, by a pretended provider.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws", dns_suffix = "amazonaws.com" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_region" {
    defaults = { id = "us-east-1", name = "us-east-1" }
  }
  mock_data "aws_s3_bucket" {
    defaults = { bucket_regional_domain_name = "trainings.s3.us-east-1.amazonaws.com" }
  }
  mock_data "aws_vpcs" {
    defaults = { ids = ["vpc-0123456789abcdef0"] }
  }
  mock_data "aws_ec2_instance_type_offerings" {
    defaults = { instance_types = ["c5.large", "c6i.large", "m5.large"] }
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
    condition     = length(aws_autoscaling_group.job["xor"].mixed_instances_policy[0].launch_template[0].override) == 3
    error_message = "A job that names no types has those of the usual ones that the region has."
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
    condition     = length(aws_security_group.job["xor"].ingress) == 0 && length(aws_security_group.job["xor"].egress) == 1
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
    condition     = jsondecode(aws_iam_role_policy.job["b"].policy).Statement[2].Resource == "arn:aws:autoscaling:us-east-1:123456789012:autoScalingGroup:*:autoScalingGroupName/dxnn-b"
    error_message = "A role scales its own group only."
  }
  assert {
    condition = toset(flatten([for statement in jsondecode(aws_iam_role_policy.job["a"].policy).Statement : statement.Action])) == toset([
      "s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:ListBucket",
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
    subnet_ids      = ["subnet-0123456789abcdef0"]
  }

  assert {
    condition = (
      tolist(aws_security_group.job["xor"].ingress)[0].from_port == 22 &&
      tolist(aws_security_group.job["xor"].ingress)[0].cidr_blocks == tolist(["203.0.113.0/24"]) &&
      tolist(aws_security_group.job["xor"].ingress)[0].ipv6_cidr_blocks == tolist(["2001:db8::/48"])
    )
    error_message = "SSH is let in from the named networks."
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

run "a_bucket_in_another_region" {
  command = plan

  override_data {
    target = data.aws_s3_bucket.s3_bucket
    values = { bucket_regional_domain_name = "trainings.s3.eu-central-1.amazonaws.com" }
  }

  expect_failures = [data.aws_s3_bucket.s3_bucket]
}

run "a_region_without_a_default_network" {
  command = plan

  override_data {
    target = data.aws_vpcs.default_or_set_subnet_ids
    values = { ids = [] }
  }

  expect_failures = [data.aws_vpcs.default_or_set_subnet_ids]
}

run "a_region_without_the_usual_types" {
  command = plan

  override_data {
    target = data.aws_ec2_instance_type_offerings.usual
    values = { instance_types = [] }
  }

  expect_failures = [data.aws_ec2_instance_type_offerings.usual]
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
    alert_topic_arn                      = "alerts"
    ami_id                               = "newest"
    ami_owners                           = ["me"]
    architecture                         = "x86"
    artifacts                            = ["../secrets"]
    checkpoint_command                   = []
    checkpoint_deadline_seconds          = 0
    checkpoint_interval_seconds          = -1
    checkpoint_keep                      = 0
    cloud_init                           = ["runcmd: []"]
    container_name                       = "-"
    egress                               = [{ description = "all", from_port = 0, to_port = 0 }]
    environment                          = { DXNN_JOB_ID = "b" }
    extra_volumes                        = [{ device_name = "sdf", size = 8 }]
    image_name                           = "a"
    instance_initiated_shutdown_behavior = "stop"
    instance_profile                     = "a/b"
    instance_types                       = []
    max_failed_runs                      = 0
    max_fruitless_runs                   = 0
    max_job_hours                        = -1
    on_upload_failure                    = "panic"
    permissions_boundary_arn             = "boundary"
    policy_arns                          = ["ReadOnlyAccess"]
    poll_interval_seconds                = 61
    restore_give_up_seconds              = -1
    role_path                            = "training"
    s3_bucket                            = "Trainings"
    s3_kms_key_arn                       = "alias/mine"
    s3_prefix                            = "/dxnn"
    security_group_ids                   = ["default"]
    spot_max_price                       = 0
    ssh_cidr_blocks                      = ["0.0.0.0/0"]
    stalled_after_seconds                = -1
    subnet_ids                           = ["all"]
    tags                                 = { Name = "mine" }
    trainer_command                      = [""]
    trainer_directory                    = "dxnn"
    volume_iops                          = 1
    volume_kms_key_arn                   = "alias/mine"
    volume_size                          = 0
    volume_throughput                    = 1
  }

  expect_failures = [
    var.alert_topic_arn, var.ami_id, var.ami_owners, var.architecture, var.artifacts,
    var.checkpoint_command, var.checkpoint_deadline_seconds, var.checkpoint_interval_seconds,
    var.checkpoint_keep, var.cloud_init, var.container_name, var.egress, var.environment,
    var.extra_volumes, var.image_name, var.instance_initiated_shutdown_behavior,
    var.instance_profile, var.instance_types, var.max_failed_runs, var.max_fruitless_runs,
    var.max_job_hours, var.on_upload_failure, var.permissions_boundary_arn, var.policy_arns,
    var.poll_interval_seconds, var.restore_give_up_seconds, var.role_path, var.s3_bucket,
    var.s3_kms_key_arn, var.s3_prefix, var.security_group_ids, var.spot_max_price,
    var.ssh_cidr_blocks, var.stalled_after_seconds, var.subnet_ids, var.tags, var.trainer_command,
    var.trainer_directory, var.volume_iops, var.volume_kms_key_arn, var.volume_size,
    var.volume_throughput,
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
