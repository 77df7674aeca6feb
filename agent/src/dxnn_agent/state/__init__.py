"""What the machine knows of its run and its job, and keeps on its disk."""
