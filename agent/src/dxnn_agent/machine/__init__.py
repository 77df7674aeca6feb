"""What the machine is and does: EC2's metadata, the trainer's processes, systemd, power."""
