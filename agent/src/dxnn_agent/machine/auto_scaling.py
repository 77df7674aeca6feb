"""The Auto Scaling group that launched this machine: the only module that talks to it."""

from typing import TYPE_CHECKING

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from dxnn_agent.errors import AgentError, ExitCode
from dxnn_agent.machine import metadata_service
from dxnn_agent.machine.aws_session import session
from dxnn_agent.machine.metadata_service import MetadataError

if TYPE_CHECKING:
    from types_boto3_autoscaling import AutoScalingClient


class GroupError(AgentError):
    """The group could not be told, so it would replace this machine."""

    exit_code = ExitCode.UPLOAD_FAILED


def stand_down(instance_id: str | None) -> str | None:
    """Tell this machine's group to launch no other, and return its name; None where it has none.

    Sets the desired capacity to 0. The group leaves this machine alone, as it is protected from
    scale-in, and does not replace it once it has powered itself off:
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-instance-protection.html
    Raises GroupError.
    """
    if instance_id is None or not _may_be_in_group():
        return None
    try:
        client = _client()
        described = client.describe_auto_scaling_instances(InstanceIds=[instance_id])
        groups = [found["AutoScalingGroupName"] for found in described["AutoScalingInstances"]]
        for group in groups:
            client.set_desired_capacity(
                AutoScalingGroupName=group, DesiredCapacity=0, HonorCooldown=False
            )
    except (ClientError, BotoCoreError) as error:
        raise GroupError(
            f"the Auto Scaling group of {instance_id} can't be told to launch no other machine: "
            f"{error}"
        ) from error
    return groups[0] if groups else None


def _may_be_in_group() -> bool:
    """Whether a group launched this machine; True where the metadata service does not answer.

    https://docs.aws.amazon.com/autoscaling/ec2/userguide/retrieving-target-lifecycle-state-through-imds.html
    """
    service = metadata_service.connect()
    try:
        path = "meta-data/autoscaling/target-lifecycle-state"
        return service is not None and service.get(path) is not None
    except MetadataError:
        return True


def _client() -> "AutoScalingClient":
    # Seven attempts like everything else, but the SDK's own: it knows what is worth another.
    retries = Config(
        retries={"mode": "standard", "total_max_attempts": 7}, connect_timeout=5, read_timeout=20
    )
    return session().client("autoscaling", config=retries)
