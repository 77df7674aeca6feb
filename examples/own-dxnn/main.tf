# A DXNN of your own, from an image of its own:
#   packer build -var image_name=traders -var dxnn=https://github.com/you/DXNN.git packer/

module "trader" {
  source = "../.."

  name       = "trader"
  s3_bucket  = var.s3_bucket
  image_name = "traders"

  instance_types = ["c5.xlarge", "c6i.xlarge", "m5.xlarge", "m6i.xlarge"]
  volume_size    = 40
  artifacts      = ["benchmarks/**"]
  tags           = { Project = "trader" }

  jobs = {
    eurusd = { experiment = "eurusd_h1" }
    usdjpy = { experiment = "usdjpy_h1", volume_size = 80 }
  }
}

variable "s3_bucket" {
  description = "The bucket that bootstrap/ made."
  type        = string
}

output "jobs" {
  description = "Where each job's results are, and how to start it again."
  value       = module.trader.jobs
}

output "image" {
  description = "What is trained: the repository and the ref that the image was baked from."
  value       = module.trader.image
}
