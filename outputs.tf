output "jobs" {
  description = "For each job: its Auto Scaling group, its role, where its runs lie in S3, and the command that starts it again once it has ended."
  value = {
    for id, group in aws_autoscaling_group.job : id => {
      group   = group.name
      role    = aws_iam_role.job[id].name
      results = "s3://${var.s3_bucket}/${local.prefixes[id]}"
      # A group that may not replace instances still counts the one that is gone.
      start_again = join(" && ", compact([
        local.settings[id].relaunch_on_interruption ? "" : "aws autoscaling resume-processes --auto-scaling-group-name ${group.name} --scaling-processes ReplaceUnhealthy",
        "aws autoscaling set-desired-capacity --auto-scaling-group-name ${group.name} --desired-capacity 1",
      ]))
    }
  }
}

output "image" {
  description = "Id of the image that instances are launched from."
  value       = data.aws_ami.image.id
}

output "security_group" {
  description = "Id of the security group that all instances share."
  value       = aws_security_group.instances.id
}
