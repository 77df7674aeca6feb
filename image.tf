locals {
  # As Packer names it: what it was baked as, version, architecture and time. An image of another
  # name may begin alike. Its tags would say the same, but not to an account that it is shared with.
  image_name = "${replace(var.image_name, ".", "[.]")}-[0-9][^-]*-${var.architecture}-[0-9-]+"

  # Of much the same speed, older ones too: the more pools, the rarer the interruptions.
  usual_instance_types = {
    x86_64 = ["c5.large", "c6i.large", "m5.large", "m6i.large", "r5.large", "r6i.large"]
    arm64  = ["c6g.large", "c7g.large", "m6g.large", "m7g.large", "r6g.large", "r7g.large"]
  }[var.architecture]

  named_instance_types = { for id, job in var.jobs : id => try(coalesce(job.instance_types, var.instance_types), null) }
  instance_types = {
    for id, named in local.named_instance_types :
    id => named != null ? named : sort(data.aws_ec2_instance_type_offerings.usual[0].instance_types)
  }
}

data "aws_ami_ids" "image" {
  owners     = var.ami_owners
  name_regex = var.ami_id != null ? null : "^${local.image_name}$"

  dynamic "filter" {
    for_each = var.ami_id != null ? { image-id = var.ami_id } : {
      name         = "${var.image_name}-*"
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
        : "image_name: ${join(" and ", var.ami_owners)} has no image ${var.image_name} for ${var.architecture} in this region: bake one with packer build${var.image_name == "dxnn-agent" ? "" : " -var image_name=${var.image_name}"} packer/."
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

data "aws_ec2_instance_type_offerings" "usual" {
  count = anytrue([for named in values(local.named_instance_types) : named == null]) ? 1 : 0

  location_type = "region"

  filter {
    name   = "instance-type"
    values = local.usual_instance_types
  }

  lifecycle {
    postcondition {
      condition     = length(self.instance_types) > 0
      error_message = "instance_types: this region has none of ${join(", ", local.usual_instance_types)}, which a job has that names none; it should name types that the region has."
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
