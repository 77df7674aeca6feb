"""One job, from nothing to nothing: every step by the real engine and the real provider."""

from pathlib import Path

from tests.terraform.aws import Aws, role
from tests.terraform.conftest import BUCKET
from tests.terraform.engine import ROOT, working_copy


def test_the_life_of_a_deployment(aws: Aws, tmp_path: Path) -> None:
    terraform = working_copy(tmp_path / "module", ROOT, aws.endpoint)
    terraform.configure(s3_bucket=BUCKET, jobs={"xor": {}})
    terraform.validate()
    assert {tuple(actions) for actions in terraform.changes().values()} == {("create",)}
    assert aws.left() == {}

    terraform.apply()
    assert not terraform.differs()
    made = aws.left()
    assert made["groups"] == made["templates"] == made["security groups"] == ["dxnn-xor"]
    assert made["roles"] == made["profiles"] == [role("dxnn-xor")]
    (instance,) = aws.instances("dxnn-xor")

    terraform.configure(
        s3_bucket=BUCKET, jobs={"xor": {"instance_types": ["m5.xlarge"], "volume_size": 40}}
    )
    assert terraform.changes() == {
        'aws_launch_template.job["xor"]': ["update"],
        'aws_autoscaling_group.job["xor"]': ["update"],
    }
    terraform.apply()
    assert not terraform.differs()
    assert aws.template("dxnn-xor")["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] == 40
    policy = aws.group("dxnn-xor")["MixedInstancesPolicy"]
    assert policy["LaunchTemplate"]["Overrides"] == [{"InstanceType": "m5.xlarge"}]
    # A change is for the next instance: this one is training.
    assert [one["InstanceId"] for one in aws.instances("dxnn-xor")] == [instance["InstanceId"]]
    assert aws.group("dxnn-xor")["DesiredCapacity"] == 1

    terraform.destroy()
    assert aws.left() == {}
