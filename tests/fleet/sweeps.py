"""Sweeps that tests begin with."""

import tomllib

from dxnn_agent.fleet import sweep_file
from dxnn_agent.fleet.sweep import Sweep

SOURCE = "file sweep.toml"

GRID = """
name = "xor-seeds"

[variables]
s3_bucket = "trainings"

[job]
volume_size = 30

[grid]
experiment = ["a", "b"]

[grid.environment]
XOR_SEED = { from = 1, to = 50 }
"""

LIST = """
name = "markets"

[variables]
s3_bucket = "trainings"

[job]
volume_size = 30
environment = { LEVEL = 1 }

[[jobs]]
job_id = "eurusd"
experiment = "eurusd_h1"

[[jobs]]
job_id = "gold"
volume_size = 40
environment = { MARKET = "gold" }
"""


def parse(text: str) -> Sweep:
    return sweep_file.parse(tomllib.loads(text), SOURCE)
