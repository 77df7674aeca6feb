output "jobs" {
  description = "For each job its Auto Scaling `group`, its `role` (`null` with an instance profile of your own), its `security_group`'s id, where its `results` lie in S3, and the command to `start_again`, once it has ended or AWS has suspended its launches."
  value = {
    for id, group in aws_autoscaling_group.job : id => {
      group          = group.name
      role           = try(aws_iam_role.job[id].name, null)
      security_group = aws_security_group.job[id].id
      results        = "s3://${var.s3_bucket}/${local.prefixes[id]}"

      # AWS may have suspended Launch, where it failed for long. A group that may not replace
      # instances still counts the one that is gone.
      start_again = join(" && ", [
        "aws autoscaling resume-processes --auto-scaling-group-name ${group.name} --scaling-processes Launch ReplaceUnhealthy",
        "aws autoscaling set-desired-capacity --auto-scaling-group-name ${group.name} --desired-capacity 1",
      ])
    }
  }
}

output "image" {
  description = "The image that instances are launched from: `id`, `name`, and the `trainer` that it was baked with, of which `trainer_ref` (`null` where the image belongs to another account, which keeps its tags to itself)."
  value = {
    id          = data.aws_ami.image.id
    name        = data.aws_ami.image.name
    trainer     = lookup(data.aws_ami.image.tags, "Trainer", null)
    trainer_ref = lookup(data.aws_ami.image.tags, "TrainerRef", null)
  }
}
