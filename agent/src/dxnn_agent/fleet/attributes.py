"""The attributes of a job and the variables of the module, with their types.

They are those of variables.tf, which describes them and holds their defaults and rules.
"""

from collections.abc import Mapping
from typing import Literal, Required, TypedDict


class _Anywhere(TypedDict, total=False):
    """What is a variable for all jobs, and may differ by job."""

    environment: Mapping[str, str]
    instance_types: list[str]
    volume_size: int
    container_name: str
    restore_from_s3_on_boot: bool
    poll_interval_seconds: float
    checkpoint_deadline_seconds: int
    checkpoint_interval_seconds: int
    checkpoint_keep: int
    use_rebalance_recommendation: bool
    auto_terminate: bool
    on_upload_failure: Literal["keep", "terminate"]
    relaunch_on_interruption: bool
    max_fruitless_runs: int
    max_failed_runs: int
    stalled_after_seconds: int
    trainer_command: list[str]
    trainer_directory: str
    checkpoint_command: list[str]
    artifacts: list[str]


class Job(_Anywhere, total=False):
    """One job: its experiment, and what differs from the variables."""

    experiment: str


class Variables(_Anywhere, total=False):
    """The module's variables, without `jobs`."""

    s3_bucket: Required[str]
    s3_prefix: str
    instance_initiated_shutdown_behavior: Literal["terminate"]
    name: str
    ami_id: str
    ami_owners: list[str]
    architecture: Literal["x86_64", "arm64"]
    subnet_ids: list[str]
    ssh_cidr_blocks: list[str]
    ssh_key_name: str
    ssm_access: bool
    tags: Mapping[str, str]
