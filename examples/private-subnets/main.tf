# Machines that the internet can't reach, nor they it: S3 and EC2 Auto Scaling by endpoints of the VPC.

data "aws_region" "current" {}

data "aws_availability_zones" "available" {
  #checkov:skip=CKV_AWS_394:A third zone changes nothing: the first two by name are taken
  state = "available"

  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

locals {
  zones = slice(sort(data.aws_availability_zones.available.names), 0, 2)
  tags  = { Name = "dxnn-private" }
}

resource "aws_vpc" "private" {
  #checkov:skip=CKV2_AWS_11:Flow logs cost money and need a place of their own to go to
  cidr_block           = "10.20.0.0/16"
  enable_dns_hostnames = true # the endpoint's private name needs both
  enable_dns_support   = true
  tags                 = local.tags
}

# Who names no security group gets the VPC's own: it lets nothing through.
resource "aws_default_security_group" "private" {
  vpc_id = aws_vpc.private.id
  tags   = local.tags
}

resource "aws_subnet" "private" {
  count = length(local.zones)

  vpc_id            = aws_vpc.private.id
  availability_zone = local.zones[count.index]
  cidr_block        = cidrsubnet(aws_vpc.private.cidr_block, 8, count.index)
  tags              = local.tags
}

resource "aws_route_table" "private" {
  vpc_id = aws_vpc.private.id
  tags   = local.tags
}

resource "aws_route_table_association" "private" {
  count = length(local.zones)

  subnet_id      = aws_subnet.private[count.index].id
  route_table_id = aws_route_table.private.id
}

# Costs nothing.
resource "aws_vpc_endpoint" "s3" {
  vpc_id            = aws_vpc.private.id
  service_name      = "com.amazonaws.${data.aws_region.current.id}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [aws_route_table.private.id]
  tags              = local.tags
}

# Costs by the hour, for each subnet.
resource "aws_vpc_endpoint" "autoscaling" {
  vpc_id              = aws_vpc.private.id
  service_name        = "com.amazonaws.${data.aws_region.current.id}.autoscaling"
  vpc_endpoint_type   = "Interface"
  private_dns_enabled = true
  subnet_ids          = aws_subnet.private[*].id
  security_group_ids  = [aws_security_group.endpoint.id]
  tags                = local.tags
}

resource "aws_security_group" "endpoint" {
  name        = "dxnn-private-endpoint"
  description = "HTTPS from the VPC to the endpoint of EC2 Auto Scaling"
  vpc_id      = aws_vpc.private.id
  tags        = local.tags

  ingress {
    description = "HTTPS from the VPC"
    protocol    = "tcp"
    from_port   = 443
    to_port     = 443
    cidr_blocks = [aws_vpc.private.cidr_block]
  }
}

# A job that is still saving needs its way to S3. The module itself may not depend on it: Terraform
# would look up images and types only while it applies, and could plan nothing.
resource "terraform_data" "connected_subnet" {
  count = length(local.zones)

  input = aws_subnet.private[count.index].id

  depends_on = [
    aws_route_table_association.private, aws_vpc_endpoint.s3, aws_vpc_endpoint.autoscaling,
  ]
}

module "training" {
  source = "../.."

  name              = "private"
  s3_bucket         = var.s3_bucket
  subnet_ids        = terraform_data.connected_subnet[*].output
  public_ip_address = false
  jobs              = { xor = {} }
}

variable "s3_bucket" {
  description = "The bucket that bootstrap/ made."
  type        = string
}

output "jobs" {
  description = "Where each job's results are, and how to start it again."
  value       = module.training.jobs
}
