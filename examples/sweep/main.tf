# The same experiment from several seeds, each a job of its own; one of them may not wait for Spot.

module "sweep" {
  source = "../.."

  name      = "seeds"
  s3_bucket = var.s3_bucket

  checkpoint_interval_seconds = 120
  max_job_hours               = 100
  alert_topic_arn             = var.alert_topic_arn

  jobs = merge(
    {
      for seed in range(1, 9) : "seed-${seed}" => {
        experiment  = "xor"
        environment = { XOR_SEED = tostring(seed) }
      }
    },
    {
      reference = {
        experiment = "xor"
        spot       = false
      }
    },
  )
}

variable "s3_bucket" {
  description = "The bucket that bootstrap/ made."
  type        = string
}

variable "alert_topic_arn" {
  description = "SNS topic that is told when a job has waited for capacity for an hour; null: nobody."
  type        = string
  default     = null
}

output "jobs" {
  description = "Where each job's results are, and how to start it again."
  value       = module.sweep.jobs
}
