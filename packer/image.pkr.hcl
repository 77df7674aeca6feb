# Bakes the AMI that the Terraform module launches. See docs/image.md.

locals {
  root = "${path.root}/.."
  # file() looks from this folder by itself, whatever the one Packer was called in.
  version = split("\"", split("__version__ = ", file("../agent/src/dxnn_agent/__init__.py"))[1])[1]
  stamp   = formatdate("YYYYMMDD-hhmmss", timestamp())

  is_url  = length(split("://", var.dxnn)) > 1 || length(split("git@", var.dxnn)) > 1
  trainer = var.dxnn == "" || local.is_url ? "${path.root}/../erlang/trainer" : var.dxnn
  # On the machine that is baked: there /tmp is in memory, and half of a small machine's at most.
  uploads = "/var/tmp/dxnn-agent"
  source  = local.is_url ? var.dxnn : "${local.uploads}/trainer"
  # Without a password or a token that the URL may hold: whoever sees the image sees its tags.
  trainer_name = var.dxnn == "" ? "xor" : regex_replace(var.dxnn, "://[^/@]*@", "://")

  debian = var.architecture == "arm64" ? "arm64" : "amd64"
  tags = merge(var.tags, {
    Name         = var.image_name
    Image        = var.image_name
    DxnnAgent    = local.version
    Trainer      = local.trainer_name
    TrainerRef   = var.dxnn_ref == "" ? "HEAD" : var.dxnn_ref
    Architecture = var.architecture
  })
}

source "amazon-ebs" "debian" {
  region                  = var.region
  custom_endpoint_ec2     = var.ec2_endpoint
  skip_region_validation  = var.ec2_endpoint != ""
  skip_metadata_api_check = var.ec2_endpoint != ""

  source_ami_filter {
    owners      = [var.base_ami_owner]
    most_recent = true
    filters = {
      name                = var.base_ami_name == "" ? "debian-13-${local.debian}-*" : var.base_ami_name
      architecture        = var.architecture
      root-device-type    = "ebs"
      virtualization-type = "hvm"
    }
  }

  instance_type                         = var.instance_type != "" ? var.instance_type : var.architecture == "arm64" ? "t4g.small" : "t3.small"
  subnet_id                             = var.subnet_id
  temporary_security_group_source_cidrs = var.ssh_source_cidrs
  ssh_username                          = "admin"
  ssh_interface                         = var.ssh_interface
  # Debian 13 takes no SHA-1 signature, the only one older Packers make with an RSA key.
  temporary_key_pair_type = "ed25519"

  launch_block_device_mappings {
    device_name           = "/dev/xvda"
    volume_type           = "gp3"
    iops                  = 3000
    throughput            = 125
    volume_size           = var.volume_size
    delete_on_termination = true
  }

  ami_name        = "${var.image_name}-${local.version}-${var.architecture}-${local.stamp}"
  ami_description = "dxnn-agent ${local.version} on Debian 13 (${var.architecture})"
  ami_regions     = var.ami_regions
  ami_users       = var.ami_users
  encrypt_boot    = var.encrypt_boot
  kms_key_id      = var.kms_key_id
  # A region without an entry gets the account's own key, which no other account may use: only with
  # an empty one Packer says so before it bakes, instead of afterwards.
  region_kms_key_ids = {
    for region in var.ami_regions :
    region => lookup(var.region_kms_key_ids, region, region == var.region ? var.kms_key_id : "")
    if var.encrypt_boot && (var.kms_key_id != "" || length(var.ami_users) == 0)
  }

  tags            = local.tags
  snapshot_tags   = local.tags
  run_tags        = merge(local.tags, { Name = "${var.image_name} (being baked)" })
  run_volume_tags = local.tags
}

build {
  sources = ["source.amazon-ebs.debian"]

  provisioner "shell" {
    remote_folder = "/var/tmp"
    inline = [
      "mkdir -p ${local.uploads}/trainer",
      # The machine may still be setting itself up; what went wrong there is not ours.
      "cloud-init status --wait || true",
    ]
  }
  provisioner "file" {
    destination = "${local.uploads}/"
    sources = [
      "${local.root}/agent", "${local.root}/erlang", "${local.root}/packer",
      "${local.root}/image.tf", "${local.root}/main.tf", "${local.root}/network.tf",
      "${local.root}/outputs.tf", "${local.root}/role.tf", "${local.root}/rules.tf",
      "${local.root}/variables.tf", "${local.root}/versions.tf",
    ]
  }
  provisioner "file" {
    source      = "${local.trainer}/"
    destination = "${local.uploads}/trainer"
  }

  provisioner "shell" {
    remote_folder = "/var/tmp"
    inline = [
      "set -eu",
      "cd ${local.uploads}/packer/scripts",
      "chmod +x * ../../erlang/bin/*",
      "sudo ./install-packages ${join(" ", var.apt_packages)}",
      "sudo ./install-agent",
      "sudo ./install-units",
      "sudo ./install-trainer '${local.source}' '${var.dxnn_ref}' '${base64encode(var.startup)}' '${local.trainer_name}'",
      "sudo ./check",
    ]
  }
  # Afterwards nobody logs in again.
  provisioner "shell" {
    remote_folder = "/var/tmp"
    inline        = ["sudo ${local.uploads}/packer/scripts/clean"]
  }
}
