"""What a rehearsal could leave: in its cloud after `terraform destroy`, and on this machine."""

import os
from pathlib import Path

from rehearsal.ec2 import base_image, cgroups
from rehearsal.ec2.network import BRIDGE
from rehearsal.ec2.region import Region

RUNS = base_image.CACHE / "runs"


def in_cloud(region: Region) -> dict[str, list[str]]:
    """List what of a job is still there; the bucket and the image are to stay."""
    ec2, iam = region.client("ec2"), region.client("iam")
    instances = [
        one["InstanceId"]
        for told in ec2.describe_instances()["Reservations"]
        for one in told["Instances"]
        if one["State"]["Name"] != "terminated"
    ]
    groups = region.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    found = {
        "instances": instances,
        "Auto Scaling groups": [one["AutoScalingGroupName"] for one in groups],
        "launch templates": [
            one["LaunchTemplateName"] for one in ec2.describe_launch_templates()["LaunchTemplates"]
        ],
        "security groups": [
            one["GroupName"]
            for one in ec2.describe_security_groups()["SecurityGroups"]
            if one["GroupName"] != "default"
        ],
        "key pairs": [one["KeyName"] for one in ec2.describe_key_pairs()["KeyPairs"]],
        "volumes": [one["VolumeId"] for one in ec2.describe_volumes()["Volumes"]],
        "roles": [
            one["RoleName"]
            for one in iam.list_roles()["Roles"]
            if not one["Path"].startswith("/aws-service-role/")
        ],
        "instance profiles": [
            one["InstanceProfileName"] for one in iam.list_instance_profiles()["InstanceProfiles"]
        ],
    }
    return {what: names for what, names in found.items() if names}


def on_this_machine(mark: str) -> dict[str, list[str]]:
    """List what there is of a rehearsal that is known by the name of its directory."""
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    found = {
        "processes": [pid for pid, words in _processes().items() if mark in words],
        "mounts": [line.split()[1] for line in mounts if mark in line],
        "control groups": [one for one in _control_groups() if mark in Path(one).name],
        "files": [str(one) for one in RUNS.glob(f"{mark}*")],
        "interfaces": [str(one) for one in Path("/sys/class/net").glob(BRIDGE)],
    }
    return {what: names for what, names in found.items() if names}


def _control_groups() -> list[str]:
    """List the groups below this process's own; a walk, unlike `rglob`, lets some go meanwhile."""
    return [directory for directory, _below, _files in os.walk(cgroups.own())]


def _processes() -> dict[str, str]:
    """Map each process to its command line and environment."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                texts = [(entry / name).read_bytes() for name in ("cmdline", "environ")]
            except OSError:  # gone meanwhile
                continue
            found[entry.name] = b"\0".join(texts).decode(errors="replace")
    return found
