"""The README's commands on AWS lead from nothing to a job that is complete, as they are typed.

Only where AWS is and who asks comes from the environment, and what Packer can't know: that
machines have no public address here.
"""

import json
from pathlib import Path

import pytest

from rehearsal.chain import leftovers
from rehearsal.ec2 import api
from rehearsal.ec2.region import Region
from tests.documents.aws_proxy import aws_proxy
from tests.documents.typist import Typist
from tests.machines.instances import members
from tests.waiting import wait_until

BAKES = {"PKR_VAR_ssh_interface": "private_ip", "AWS_POLL_DELAY_SECONDS": "1"}


@pytest.mark.usefixtures("packer", "s3")
@pytest.mark.types(
    "terraform -chdir=bootstrap init",
    "terraform -chdir=bootstrap apply -var s3_bucket=my-trainings",
    "packer init packer/ && packer build packer/",
    "terraform init",
    "terraform apply -var s3_bucket=my-trainings -var 'jobs={xor={}}'",
    "terraform destroy -var s3_bucket=my-trainings -var 'jobs={xor={}}'",
)
def test_five_commands_and_a_sixth(typist: Typist, region: Region, tmp_path: Path) -> None:
    *five, destroy = typist.names
    with aws_proxy(tmp_path / "proxy", api.ENDPOINT) as reached:
        typist.environment |= reached | BAKES
        for one in five:
            typist.type(one, answer="yes\n")
        s3 = region.client("s3")

        def sentinels() -> list[str]:
            region.check()
            told = s3.list_objects_v2(Bucket="my-trainings", Prefix="dxnn/xor/run-")
            keys = [one["Key"] for one in told.get("Contents", [])]
            return [key for key in keys if key.endswith("/_SUCCESS")]

        (key,) = wait_until(sentinels, "_SUCCESS", 120, 0.5)
        success = json.loads(s3.get_object(Bucket="my-trainings", Key=key)["Body"].read())
        assert (success["completion_status"], success["reason"]) == ("normal", "training_completed")
        wait_until(lambda: not members(region, "dxnn-xor"), "the group to be at 0", 60, 0.5)
        assert "Destroy complete!" in typist.type(destroy, answer="yes\n")
    wait_until(lambda: not leftovers.in_cloud(region), "its machine to be gone", 60)
    assert sentinels() == [key], "the bucket stays"
