# One job with every default: the trainer that the image was baked with, on Spot, in the default VPC.

module "training" {
  source = "../.."

  s3_bucket = var.s3_bucket
  jobs      = { xor = {} }
}

variable "s3_bucket" {
  description = "The bucket that bootstrap/ made."
  type        = string
}

output "jobs" {
  description = "Where each job's results are, and how to start it again."
  value       = module.training.jobs
}
