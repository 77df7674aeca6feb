"""EC2 on this machine: moto for S3 and EC2, a metadata service, and instances to rehearse with."""
