"""Runs a training job on an EC2 Spot instance and loses nothing it had finished."""

__version__ = "0.2.0"
