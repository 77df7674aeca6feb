output "s3_bucket" {
  description = "The bucket's name, for s3_bucket of every deployment."
  value       = aws_s3_bucket.trainings.id
}
