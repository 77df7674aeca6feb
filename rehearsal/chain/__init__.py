"""The whole chain on machines of this one: Packer, Terraform, Auto Scaling, and real boots."""
