variable "image_name" {
  type        = string
  default     = "dxnn-agent"
  description = "What the image's name begins with, and its tag Image; the Terraform module launches the newest of the name that it is given."

  validation {
    condition     = var.image_name != "" && regex_replace(var.image_name, "^[a-z0-9][a-z0-9-]{2,39}$", "") == ""
    error_message = "The image_name should be 3 to 40 lower-case letters, digits and dashes, and not begin with a dash."
  }
}

variable "dxnn" {
  type        = string
  default     = ""
  description = "Your trainer: a git URL, or a directory on this machine. Empty: the project's own, which evolves XOR."
}

variable "dxnn_ref" {
  type        = string
  default     = ""
  description = "Branch, tag or commit of the git URL. Empty: the repository's default branch."
}

variable "startup" {
  type        = string
  default     = ""
  description = "Erlang expressions that your DXNN needs before it can start. Empty: what dxnn-build finds in its source, and prints."
}

variable "apt_packages" {
  type        = list(string)
  default     = []
  description = "Debian packages that your trainer needs beside Erlang, Python and git."
}

variable "architecture" {
  type        = string
  default     = "x86_64"
  description = "x86_64 or arm64; the same word as in the Terraform module."

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "The architecture should be x86_64 or arm64."
  }
}

variable "region" {
  type        = string
  default     = ""
  description = "Where to bake. Empty: AWS_REGION or the profile's."
}

variable "ami_regions" {
  type        = list(string)
  default     = []
  description = "Further regions to copy the image to."
}

variable "ami_users" {
  type        = list(string)
  default     = []
  description = "Accounts that may use the image. An encrypted image also needs a kms_key_id that they may use."
}

variable "encrypt_boot" {
  type        = bool
  default     = true
  description = "Encrypt the image."
}

variable "kms_key_id" {
  type        = string
  default     = ""
  description = "Key for the encryption. Empty: the account's own for EBS."
}

variable "region_kms_key_ids" {
  type        = map(string)
  default     = {}
  description = "Keys for the copies, by region. A region that is left out: the account's own for EBS there; one of ami_regions has to be named where there are ami_users."
}

variable "instance_type" {
  type        = string
  default     = ""
  description = "What to bake on. Empty: t3.small or t4g.small, by the architecture."
}

variable "volume_size" {
  type        = number
  default     = 8
  description = "Size of the image's volume in GiB."
}

variable "subnet_id" {
  type        = string
  default     = ""
  description = "Subnet to bake in. Empty: the default VPC's."
}

variable "ssh_interface" {
  type        = string
  default     = "public_ip"
  description = "By which address Packer reaches the machine: public_ip, private_ip, public_dns or private_dns."

  validation {
    condition     = contains(["public_ip", "private_ip", "public_dns", "private_dns"], var.ssh_interface)
    error_message = "The ssh_interface should be public_ip, private_ip, public_dns or private_dns."
  }
}

variable "ssh_source_cidrs" {
  type        = list(string)
  default     = ["0.0.0.0/0"]
  description = "Who reaches port 22 of the machine while it is baked; better only you."
}

variable "base_ami_owner" {
  type        = string
  default     = "136693071363"
  description = "Who publishes the Debian image to start from: Debian itself."
}

variable "base_ami_name" {
  type        = string
  default     = ""
  description = "Name of that image, with wildcards; the newest is taken. Empty: Debian 13 for the architecture."
}

variable "tags" {
  type        = map(string)
  default     = {}
  description = "Further tags of the image, its snapshots and the machine that is baked."
}

variable "ec2_endpoint" {
  type        = string
  default     = ""
  description = "Another EC2 API than AWS's, for a rehearsal without AWS."
}
