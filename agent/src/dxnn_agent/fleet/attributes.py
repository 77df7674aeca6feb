"""The attributes of a job and the variables of the module, with their types.

They are those of variables.tf, which describes them and holds their defaults and rules.
"""

from collections.abc import Mapping
from typing import Literal, NotRequired, Required, TypedDict


class ExtraVolume(TypedDict):
    """An empty volume beside the root."""

    device_name: str
    size: int
    iops: NotRequired[int]
    throughput: NotRequired[int]


class EgressRule(TypedDict):
    """Something that may go out."""

    description: str
    protocol: NotRequired[str]
    from_port: int
    to_port: int
    cidr_blocks: NotRequired[list[str]]
    ipv6_cidr_blocks: NotRequired[list[str]]
    prefix_list_ids: NotRequired[list[str]]
    security_groups: NotRequired[list[str]]


class _Anywhere(TypedDict, total=False):
    """What is a variable for all jobs, and may differ by job."""

    environment: Mapping[str, str]
    instance_types: list[str]
    spot: bool
    spot_max_price: float
    volume_size: int
    volume_iops: int
    volume_throughput: int
    extra_volumes: list[ExtraVolume]
    public_ip_address: bool
    security_group_ids: list[str]
    instance_profile: str
    policy_arns: list[str]
    cloud_init: list[str]
    container_name: str
    restore_from_s3_on_boot: bool
    poll_interval_seconds: float
    checkpoint_deadline_seconds: int
    checkpoint_interval_seconds: int
    checkpoint_keep: int
    use_rebalance_recommendation: bool
    auto_terminate: bool
    on_upload_failure: Literal["keep", "terminate"]
    restore_give_up_seconds: int
    relaunch_on_interruption: bool
    max_fruitless_runs: int
    max_failed_runs: int
    max_job_hours: float
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
    s3_bucket_lookup: bool
    s3_prefix: str
    s3_kms_key_arn: str
    instance_initiated_shutdown_behavior: Literal["terminate"]
    name: str
    ami_id: str
    ami_owners: list[str]
    image_name: str
    architecture: Literal["x86_64", "arm64"]
    volume_kms_key_arn: str
    role_path: str
    permissions_boundary_arn: str
    subnet_ids: list[str]
    egress: list[EgressRule]
    ssh_cidr_blocks: list[str]
    ssh_key_name: str
    tags: Mapping[str, str]
    alert_topic_arn: str
