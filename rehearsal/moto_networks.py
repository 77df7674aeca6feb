"""Security groups as EC2 keeps them, in moto: one that a machine has can't be deleted.

EC2 lets a machine go its way once it is told to end, and its network interface with it; until then
whoever deletes the group hears of it. moto deletes it in any case.
"""

from collections.abc import Iterator
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import DependencyViolationError
from moto.ec2.responses.security_groups import SecurityGroups


def _machines_in(backend: Any, group_id: str) -> Iterator[str]:
    for instance in list(backend.all_instances()):
        groups = [
            *instance.security_groups,
            *(group for nic in instance.nics.values() for group in nic.group_set),
        ]
        if instance.state != "terminated" and any(group.id == group_id for group in groups):
            yield instance.id


def _hold_back_what_is_in_use() -> None:
    delete = SecurityGroups.delete_security_group

    # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteSecurityGroup.html
    def delete_security_group(self: SecurityGroups) -> ActionResult:
        backend, name = self.ec2_backend, self._get_param("GroupName")
        found = backend.get_security_group_by_name_or_id(self._get_param("GroupId") or name)
        if found is not None and any(_machines_in(backend, found.id)):
            raise DependencyViolationError(f"resource {found.id} has a dependent object")
        return delete(self)

    SecurityGroups.delete_security_group = delete_security_group  # type: ignore[method-assign]


def correct() -> None:
    """Make moto keep security groups as EC2 does, in this process."""
    _hold_back_what_is_in_use()
