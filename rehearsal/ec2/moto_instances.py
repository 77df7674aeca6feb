"""moto's server whose instances wait for machines: `python -m rehearsal.ec2.moto_instances`.

moto alone says that an instance runs, or is gone, as soon as it is asked for. Here an instance goes
through the states of EC2, and the reconciler says when a machine is up, off or removed:

    GET  /moto-api/rehearsal/wanted        what should run, and which images wait for their disk
    POST /moto-api/rehearsal/happened      {"what": "up", "id": "i-..."}: see `_HAPPENINGS`
    POST /moto-api/rehearsal/image         an image of which the reconciler has the disk
    POST /moto-api/rehearsal/credentials   {"id": "i-..."}: those of the role of its profile

States and reasons follow the EC2 user guide, "Amazon EC2 instance state changes".
"""

import json
from collections.abc import Callable, Iterator, Mapping
from threading import RLock
from typing import Any

from moto import server
from moto.autoscaling.models import (
    AutoScalingBackend,
    FakeAutoScalingGroup,
    autoscaling_backends,
)
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.core.responses import ActionResult
from moto.core.types import Base64EncodedString
from moto.ec2.models import ec2_backends
from moto.ec2.models.amis import Ami
from moto.ec2.models.instances import Instance, InstanceBackend, InstanceState, StateReason
from moto.ec2.responses.instances import InstanceResponse
from moto.ec2.utils import random_ami_id
from moto.iam.models import iam_backends
from moto.moto_api._internal.urls import url_paths
from moto.sts.models import sts_backends

from rehearsal import moto_server

_CODES = {
    "pending": 0,
    "running": 16,
    "shutting-down": 32,
    "terminated": 48,
    "stopping": 64,
    "stopped": 80,
}
_BY_ITSELF = StateReason(
    "Client.InstanceInitiatedShutdown: Instance initiated shutdown",
    "Client.InstanceInitiatedShutdown",
)
_BY_USER = StateReason(
    "Client.UserInitiatedShutdown: User initiated shutdown", "Client.UserInitiatedShutdown"
)
_RECLAIMED = StateReason(
    "Server.SpotInstanceTermination: Spot instance termination", "Server.SpotInstanceTermination"
)
_SIX_HOURS = 6 * 3600
_LAUNCH = RLock()

_finish = Instance.terminate  # lets go of addresses, volumes and the profile


def _enter(instance: Any, state: str, reason: StateReason | None = None) -> InstanceState:
    before = InstanceState(instance.state, instance.state_code)
    instance._state = InstanceState(state, _CODES[state])  # noqa: SLF001
    instance.state_reason = reason or StateReason()
    return before


def _wait_for_machines() -> None:
    made = Instance.__init__

    def init(self: Instance, *arguments: Any, **options: Any) -> None:
        made(self, *arguments, **options)
        _enter(self, "pending")

    def start(self: Instance) -> InstanceState:
        return _enter(self, "pending" if self.state == "stopped" else self.state)

    def stop(self: Instance) -> InstanceState:
        on = self.state in {"pending", "running"}
        return _enter(self, "stopping" if on else self.state, _BY_USER)

    def terminate(self: Instance) -> InstanceState:
        over = self.state in {"shutting-down", "terminated"}
        return _enter(self, self.state if over else "shutting-down", _BY_USER)

    def reboot(self: Any) -> None:
        self.rehearsal_reboot = True

    patched: Any = Instance
    patched.__init__ = init
    patched.start, patched.stop, patched.terminate, patched.reboot = start, stop, terminate, reboot


def _wait_for_disks() -> None:
    made = Ami.__init__

    def init(self: Any, *arguments: Any, **options: Any) -> None:
        made(self, *arguments, **options)
        source = options.get("source_ami")
        self.rehearsal_source = source.id if source else None
        if self.instance_id or source:
            self.state = "pending"

    patched: Any = Ami
    patched.__init__ = init


def _launch_as_the_template_says() -> None:
    """Carry over what moto leaves out when a template launches an instance."""
    run, replace = (
        InstanceBackend.run_instances,
        (FakeAutoScalingGroup.replace_autoscaling_group_instances),
    )

    def run_instances(self: Any, *arguments: Any, **options: Any) -> Any:
        reservation = run(self, *arguments, **options)
        if options.get("launch_template"):
            data = self._get_template_from_args(options["launch_template"]).data
            profile = data.get("IamInstanceProfile", {})
            for instance in reservation.instances:
                if not options.get("instance_initiated_shutdown_behavior"):
                    behaviour = data.get("InstanceInitiatedShutdownBehavior", "stop")
                    instance.instance_initiated_shutdown_behavior = behaviour
                _drop_default_volume(self, instance, data.get("BlockDeviceMappings", []))
                if profile:
                    self.associate_iam_instance_profile(
                        instance.id, profile.get("Name"), profile.get("Arn")
                    )
        return reservation

    def replace_instances(self: Any, *arguments: Any, **options: Any) -> None:
        with _LAUNCH:
            known = {state.instance.id for state in self.instance_states}
            replace(self, *arguments, **options)
            distribution = (self.mixed_instances_policy or {}).get("InstancesDistribution", {})
            share = distribution.get("OnDemandPercentageAboveBaseCapacity", 100)
            for state in self.instance_states:
                if state.instance.id not in known and int(share) == 0:
                    state.instance.lifecycle = "spot"

    InstanceBackend.run_instances = run_instances  # type: ignore[method-assign]
    FakeAutoScalingGroup.replace_autoscaling_group_instances = (  # type: ignore[method-assign]
        replace_instances
    )


def _drop_default_volume(backend: Any, instance: Any, mappings: list[dict[str, Any]]) -> None:
    """Remove the volume that moto gives an instance beside those that its template names."""
    if not mappings:
        return
    found = instance.block_device_mapping
    kept = {one["DeviceName"]: found[one["DeviceName"]] for one in mappings}
    found.clear()
    found.update(kept)
    ids = {one.volume_id for one in kept.values()}
    for volume in list(backend.volumes.values()):
        attached = volume.attachment is not None and volume.attachment.instance is instance
        if attached and volume.id not in ids:
            del backend.volumes[volume.id]


def _launch_in_one_go() -> None:
    """Hide an instance until it has its tags and its profile, which it is given one by one."""
    answer = InstanceResponse.run_instances

    def run_instances(self: InstanceResponse) -> ActionResult:
        with _LAUNCH:
            return answer(self)

    InstanceResponse.run_instances = run_instances  # type: ignore[method-assign]


def _replace_what_is_gone() -> None:
    """Replace instances once they are terminated, up to the capacity that is desired then.

    moto replaces each at once, whatever is desired. A group without ReplaceUnhealthy keeps what is
    gone.
    """

    def notify_terminate_instances(self: AutoScalingBackend, instance_ids: list[str]) -> None:
        for group in list(self.autoscaling_groups.values()):
            gone = [
                state
                for state in group.instance_states
                if state.instance.id in instance_ids and state.instance.state == "terminated"
            ]
            suspended = [one["ProcessName"] for one in group.suspended_processes]
            if gone and "ReplaceUnhealthy" not in suspended:
                kept = [state for state in group.instance_states if state not in gone]
                group.instance_states = kept
                group.set_desired_capacity(group.desired_capacity)

    patched: Any = AutoScalingBackend
    patched.notify_terminate_instances = notify_terminate_instances


def _backends() -> Iterator[Any]:
    yield from list(ec2_backends[DEFAULT_ACCOUNT_ID].values())


def _found(instance_id: str) -> tuple[Any, Any]:
    for backend in _backends():
        for instance in backend.all_instances():
            if instance.id == instance_id:
                return backend, instance
    raise KeyError(instance_id)


def _up(instance: Any) -> None:
    if instance.state == "pending":
        _enter(instance, "running")


def _off(instance: Any) -> None:
    if instance.state == "stopping":
        _enter(instance, "stopped", instance.state_reason)
    elif instance.state in {"pending", "running"}:
        terminates = instance.instance_initiated_shutdown_behavior == "terminate"
        _enter(instance, "shutting-down" if terminates else "stopped", _BY_ITSELF)


def _removed(instance: Any) -> None:
    reason = instance.state_reason
    _finish(instance)
    instance.state_reason = reason
    backend = autoscaling_backends[DEFAULT_ACCOUNT_ID][instance.region_name]
    backend.notify_terminate_instances([instance.id])


def _reclaimed(instance: Any) -> None:
    if instance.state != "terminated":
        _enter(instance, "shutting-down", _RECLAIMED)


def _rebooted(instance: Any) -> None:
    instance.rehearsal_reboot = False


# The machine answers; it is off; its disk is removed; EC2 took it; it boots again as it was told.
_HAPPENINGS: Mapping[str, Callable[[Any], None]] = {
    "up": _up,
    "off": _off,
    "removed": _removed,
    "reclaimed": _reclaimed,
    "rebooted": _rebooted,
}


def _wanted() -> Mapping[str, object]:
    instances, images = [], []
    for backend in _backends():
        with _LAUNCH:
            instances += [_described(backend, one) for one in backend.all_instances()]
        images += [
            {"id": one.id, "instance": one.instance_id, "source": one.rehearsal_source}
            for one in list(backend.amis.values())
            if one.state == "pending"
        ]
    return {"instances": instances, "images": images}


def _described(backend: Any, instance: Any) -> Mapping[str, object]:
    told = {"id": instance.id, "state": instance.state}
    if instance.state == "terminated":
        return told
    data, key = instance.user_data, backend.key_pairs.get(instance.key_name)
    association = backend.iam_instance_profile_associations.get(instance.id)
    profile = association and association.iam_instance_profile
    return told | {
        "image": instance.image_id,
        "address": instance.private_ip,
        "type": instance.instance_type,
        "zone": instance.availability_zone,
        "region": instance.region_name,
        "account": backend.account_id,
        "role": profile.roles[0].name if profile and profile.roles else None,
        "key": key.public_key.strip() if key else None,
        "user_data": data.decode() if isinstance(data, Base64EncodedString) else data,
        "tags": {tag["key"]: tag["value"] for tag in instance.get_tags()},
        "reboot": getattr(instance, "rehearsal_reboot", False),
        "let_go": _is_let_go(instance),
    }


def _is_let_go(instance: Any) -> bool:
    """Whether an instance shuts down because its Auto Scaling group no longer wants it."""
    groups = autoscaling_backends[DEFAULT_ACCOUNT_ID][instance.region_name].autoscaling_groups
    kept = [state.instance.id for group in list(groups.values()) for state in group.instance_states]
    return instance.state == "shutting-down" and instance.id not in kept


def _happened(told: dict[str, str]) -> Mapping[str, object]:
    if told["what"] == "frozen":
        for backend in _backends():
            if told["id"] in backend.amis:
                backend.amis[told["id"]].state = "available"
    else:
        _HAPPENINGS[told["what"]](_found(told["id"])[1])
    return {}


def _image(told: dict[str, str]) -> Mapping[str, object]:
    backend = ec2_backends[DEFAULT_ACCOUNT_ID][told["region"]]
    image = Ami(
        backend,
        random_ami_id(),
        name=told["name"],
        owner_id=told.get("owner"),
        description=told.get("description", ""),
        architecture=told["architecture"],
        virtualization_type="hvm",
        root_device_name="/dev/xvda",
        public="owner" in told,
    )
    backend.amis[image.id] = image
    return {"id": image.id}


def _credentials(told: dict[str, str]) -> Mapping[str, object]:
    backend, instance = _found(told["id"])
    profile = backend.iam_instance_profile_associations[instance.id].iam_instance_profile
    (role,) = profile.roles
    session = sts_backends[backend.account_id]["aws"].assume_role(
        region_name=instance.region_name,
        role_session_name=instance.id,
        role_arn=iam_backends[backend.account_id]["aws"].get_role(role.name).arn,
        policy="",
        duration=_SIX_HOURS,
        external_id="",
    )
    return {
        "access_key_id": session.access_key_id,
        "secret_access_key": session.secret_access_key,
        "token": session.session_token,
    }


_ANSWERS: Mapping[str, Callable[[dict[str, str]], Mapping[str, object]]] = {
    "wanted": lambda _told: _wanted(),
    "happened": _happened,
    "image": _image,
    "credentials": _credentials,
}


def _answer(request: Any, _url: str, _headers: Any) -> tuple[int, dict[str, str], str]:
    """Answer the reconciler, whatever authorization says: it is EC2 itself."""
    verb = request.path.rpartition("/")[2]
    told = json.loads(request.data) if request.data else {}
    return 200, {"Content-Type": "application/json"}, json.dumps(_ANSWERS[verb](told))


def _listen() -> None:
    for verb in _ANSWERS:
        paths: Any = url_paths
        paths[f"{{0}}/moto-api/rehearsal/{verb}"] = _answer


if __name__ == "__main__":
    moto_server.correct()
    _wait_for_machines()
    _wait_for_disks()
    _launch_as_the_template_says()
    _launch_in_one_go()
    _replace_what_is_gone()
    _listen()
    server.main()
