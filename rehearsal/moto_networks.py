"""Security groups as EC2 keeps them, in moto: one that a network interface has can't be deleted.

A machine keeps its interface until it is terminated, so also while it shuts down. moto deletes the
group in any case, and forgets the groups that a launch template's interfaces name.
"""

from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import DependencyViolationError
from moto.ec2.models.instances import InstanceBackend
from moto.ec2.responses.security_groups import SecurityGroups


def _in_use(backend: Any, group_id: str) -> bool:
    return any(
        group.id == group_id
        for instance in list(backend.all_instances())
        if instance.state != "terminated"
        for interface in instance.nics.values()
        for group in interface.group_set
    )


def _hold_back_what_is_in_use() -> None:
    delete = SecurityGroups.delete_security_group

    # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteSecurityGroup.html
    def delete_security_group(self: SecurityGroups) -> ActionResult:
        backend, name = self.ec2_backend, self._get_param("GroupName")
        found = backend.get_security_group_by_name_or_id(self._get_param("GroupId") or name)
        if found is not None and _in_use(backend, found.id):
            raise DependencyViolationError(f"resource {found.id} has a dependent object")
        return delete(self)

    SecurityGroups.delete_security_group = delete_security_group  # type: ignore[method-assign]


def _give_interfaces_their_groups() -> None:
    run = InstanceBackend.run_instances

    def run_instances(self: Any, *arguments: Any, **options: Any) -> Any:
        if options.get("launch_template") and not options.get("security_group_ids"):
            data = self._get_template_from_args(options["launch_template"]).data
            named = [
                group
                for interface in data.get("NetworkInterfaces", [])
                for group in interface.get("Groups", [])
            ]
            options |= {"security_group_ids": named} if named else {}
        return run(self, *arguments, **options)

    InstanceBackend.run_instances = run_instances  # type: ignore[method-assign]


def correct() -> None:
    """Make moto keep security groups as EC2 does, in this process."""
    _hold_back_what_is_in_use()
    _give_interfaces_their_groups()
