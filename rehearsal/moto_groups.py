"""Auto Scaling groups and launch templates as AWS keeps them, in moto.

- A group that is deleted by force takes its instances along; any other can't be deleted while it
  has some. moto deletes either, and leaves protected instances running.
- The tags of a launch template are no part of what it launches. In moto they come back as such, so
  that Terraform finds a template that nobody wrote.
- Any version of a launch template can be launched. In moto only the first one can, where there is
  user data.
"""

from typing import Any

from moto.autoscaling.exceptions import AutoscalingClientError
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult
from moto.ec2.models.launch_templates import LaunchTemplate
from moto.ec2.utils import parse_user_data


class _ResourceInUseError(AutoscalingClientError):
    code = "ResourceInUse"
    message = "You cannot delete an AutoScalingGroup while there are instances still in the group."


def _delete_by_force_or_not_at_all() -> None:
    delete = AutoScalingResponse.delete_auto_scaling_group

    # https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DeleteAutoScalingGroup.html
    def delete_auto_scaling_group(self: AutoScalingResponse) -> ActionResult:
        name = self._get_param("AutoScalingGroupName")
        group = self.autoscaling_backend.autoscaling_groups.get(name)
        if group is not None and group.active_instances():
            if not self._get_param("ForceDelete"):
                raise _ResourceInUseError
            for state in group.instance_states:
                state.protected_from_scale_in = False
        return delete(self)

    patched: Any = AutoScalingResponse
    patched.delete_auto_scaling_group = delete_auto_scaling_group


def _keep_what_a_template_launches() -> None:
    create = LaunchTemplate.create_version

    def create_version(self: LaunchTemplate, data: dict[str, Any], description: str) -> Any:
        tagged = data.get("TagSpecifications", [])
        data["TagSpecifications"] = [
            each for each in tagged if each["ResourceType"] != "launch-template"
        ]
        if isinstance(data.get("UserData"), str):
            data["UserData"] = parse_user_data(data["UserData"])
        return create(self, data, description)

    patched: Any = LaunchTemplate
    patched.create_version = create_version


def correct() -> None:
    """Make moto keep groups and templates as AWS does, in this process."""
    _delete_by_force_or_not_at_all()
    _keep_what_a_template_launches()
