data "aws_availability_zones" "all" {
  #checkov:skip=CKV_AWS_394:A zone that AWS adds is one more place to find capacity in
  state = "available"

  # Leaves out local zones, which have no default subnets.
  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

data "aws_vpcs" "default_or_set_subnet_ids" {
  count = length(var.subnet_ids) > 0 ? 0 : 1

  filter {
    name   = "is-default"
    values = ["true"]
  }

  lifecycle {
    postcondition {
      condition     = length(self.ids) > 0
      error_message = "subnet_ids: this region has no default VPC; subnet_ids should name subnets to launch in."
    }
  }
}

# One that is not there fails here, and no version of the provider lets us say why: Terraform shows
# the name below.
data "aws_subnet" "default_or_set_subnet_ids" {
  for_each = toset(length(var.subnet_ids) > 0 ? [] : data.aws_availability_zones.all.names)

  vpc_id            = tolist(data.aws_vpcs.default_or_set_subnet_ids[0].ids)[0]
  availability_zone = each.key
  default_for_az    = true
}

# Counted, not by id: the ids of subnets that the same apply makes are not known yet.
data "aws_subnet" "named" {
  count = length(var.subnet_ids)

  id = var.subnet_ids[count.index]
}

# One for each job, which holds back its role: EC2 refuses to delete it as long as the job's machine
# is there and may be saving, and what the machine needs for that is destroyed after it.
resource "aws_security_group" "job" {
  for_each = var.jobs

  name        = local.names[each.key]
  description = "DXNN training job ${each.key}"
  vpc_id      = try(data.aws_subnet.named[0].vpc_id, null)
  tags        = local.tags[each.key]

  # Always given: rules that are merely left out stay.
  egress = [
    for rule in var.egress : merge(rule, { self = false })
  ]
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

  # EC2 gives a machine minutes to shut down.
  timeouts {
    delete = "30m"
  }

  depends_on = [
    aws_iam_instance_profile.job, aws_iam_role_policy.job, aws_iam_role_policy_attachment.job,
  ]

  lifecycle {
    replace_triggered_by = [terraform_data.rights[each.key]]

    precondition {
      condition     = length(distinct(data.aws_subnet.named[*].vpc_id)) <= 1
      error_message = "subnet_ids should be subnets of one VPC; these are of ${join(" and ", distinct(data.aws_subnet.named[*].vpc_id))}."
    }
  }
}
