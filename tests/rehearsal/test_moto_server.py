"""What moto gets wrong without the corrections, and right with them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

from rehearsal.cloud import cloud
from rehearsal.moto_permissions import Condition, holds, matches
from tests.terraform.aws import Aws, Credentials

BUCKET = "trainings"


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with cloud(tmp_path_factory.mktemp("cloud")) as running:
        found = Aws(running.endpoint)
        found.s3.create_bucket(Bucket=BUCKET)
        for key in ("a.b/one", "axb/one"):
            found.s3.put_object(Bucket=BUCKET, Key=key, Body=b"1")
        yield found


@contextmanager
def somebody(aws: Aws, name: str, *statements: dict[str, Any]) -> Iterator[Aws]:
    """Yield the cloud as a user sees it who may do this, with permissions enforced."""
    aws.iam.create_user(UserName=name)
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    aws.iam.put_user_policy(UserName=name, PolicyName="it", PolicyDocument=document)
    key = aws.iam.create_access_key(UserName=name)["AccessKey"]
    with aws.authorizing():
        yield Aws(aws.endpoint, Credentials(key["AccessKeyId"], key["SecretAccessKey"]))


def allow(action: str, resource: str, condition: dict[str, Any] | None = None) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": "Allow", "Action": action, "Resource": resource}
    return statement | ({"Condition": condition} if condition else {})


def group(aws: Aws, name: str, **options: Any) -> None:
    image = aws.add_image(name)
    data: Any = {"ImageId": image, "InstanceType": "m5.large", **options}
    aws.ec2.create_launch_template(
        LaunchTemplateName=name,
        LaunchTemplateData=data,
        TagSpecifications=[
            {"ResourceType": "launch-template", "Tags": [{"Key": "Name", "Value": name}]}
        ],
    )
    aws.autoscaling.create_auto_scaling_group(
        AutoScalingGroupName=name,
        LaunchTemplate={"LaunchTemplateName": name, "Version": "$Latest"},
        MinSize=0,
        MaxSize=1,
        DesiredCapacity=1,
        AvailabilityZones=["us-east-1a"],
        NewInstancesProtectedFromScaleIn=True,
    )


def test_a_condition_limits_what_is_listed(aws: Aws) -> None:
    listing = allow(
        "s3:ListBucket", f"arn:aws:s3:::{BUCKET}", {"StringLike": {"s3:prefix": ["a.b/*"]}}
    )
    with somebody(aws, "lister", listing) as lister:
        assert lister.s3.list_objects_v2(Bucket=BUCKET, Prefix="a.b/")["KeyCount"] == 1
        for prefix in ("axb/", "a.b", ""):
            with pytest.raises(ClientError, match="AccessDenied"):
                lister.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        with pytest.raises(ClientError, match="AccessDenied"):
            lister.s3.list_objects_v2(Bucket=BUCKET)


def test_two_statements_with_conditions_add_up(aws: Aws) -> None:
    statements = [
        allow("s3:ListBucket", f"arn:aws:s3:::{BUCKET}", {"StringEquals": {"s3:prefix": prefix}})
        for prefix in ("a.b/", "axb/")
    ]
    with somebody(aws, "both", *statements) as both:
        for prefix in ("a.b/", "axb/"):
            assert both.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)["KeyCount"] == 1


def test_a_dot_is_a_dot(aws: Aws) -> None:
    with somebody(aws, "dotted", allow("s3:GetObject", f"arn:aws:s3:::{BUCKET}/a.b/*")) as dotted:
        assert dotted.s3.get_object(Bucket=BUCKET, Key="a.b/one")["Body"].read() == b"1"
        with pytest.raises(ClientError, match="AccessDenied"):
            dotted.s3.get_object(Bucket=BUCKET, Key="axb/one")


def test_who_may_not_list_is_not_told_what_is_missing(aws: Aws) -> None:
    reading = allow("s3:GetObject", f"arn:aws:s3:::{BUCKET}/*")
    with somebody(aws, "reader", reading) as reader:
        with pytest.raises(ClientError, match="AccessDenied"):
            reader.s3.get_object(Bucket=BUCKET, Key="missing")
        with pytest.raises(ClientError, match="403"):
            reader.s3.head_object(Bucket=BUCKET, Key="missing")
    listing = allow("s3:ListBucket", f"arn:aws:s3:::{BUCKET}")
    with somebody(aws, "librarian", reading, listing) as librarian:
        with pytest.raises(ClientError, match="NoSuchKey"):
            librarian.s3.get_object(Bucket=BUCKET, Key="missing")
        with pytest.raises(ClientError, match="404"):
            librarian.s3.head_object(Bucket=BUCKET, Key="missing")


def test_a_bucket_for_tls_only_can_be_used(aws: Aws) -> None:
    denied = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": "arn:aws:s3:::tls/*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    aws.s3.create_bucket(Bucket="tls")
    aws.s3.put_bucket_policy(
        Bucket="tls", Policy=json.dumps({"Version": "2012-10-17", "Statement": [denied]})
    )
    for _ in range(2):  # moto only asks about what is there
        aws.s3.put_object(Bucket="tls", Key="a", Body=b"1")
    assert aws.s3.get_object(Bucket="tls", Key="a")["Body"].read() == b"1"


def test_a_group_is_a_resource(aws: Aws) -> None:
    group(aws, "one")
    group(aws, "other")
    pattern = "arn:aws:autoscaling:*:123456789012:autoScalingGroup:*:autoScalingGroupName/one"
    with somebody(aws, "scaler", allow("autoscaling:SetDesiredCapacity", pattern)) as scaler:
        scaler.autoscaling.set_desired_capacity(AutoScalingGroupName="one", DesiredCapacity=0)
        for name in ("other", "missing"):
            with pytest.raises(ClientError, match="AccessDenied"):
                scaler.autoscaling.set_desired_capacity(
                    AutoScalingGroupName=name, DesiredCapacity=0
                )


def test_a_group_goes_by_force_only_and_takes_its_instances_along(aws: Aws) -> None:
    group(aws, "forced")
    (instance,) = aws.instances("forced")
    with pytest.raises(ClientError, match="ResourceInUse"):
        aws.autoscaling.delete_auto_scaling_group(AutoScalingGroupName="forced")
    assert aws.instances("forced") == [instance]
    aws.autoscaling.delete_auto_scaling_group(AutoScalingGroupName="forced", ForceDelete=True)
    assert aws.instances("forced") == []


@pytest.mark.parametrize("by_interface", [False, True])
def test_a_security_group_stays_as_long_as_a_machine_has_it(aws: Aws, by_interface: bool) -> None:
    name = f"held-{by_interface}"
    held = aws.ec2.create_security_group(GroupName=name, Description="held")["GroupId"]
    interfaces = {"NetworkInterfaces": [{"DeviceIndex": 0, "Groups": [held]}]}
    group(aws, name, **(interfaces if by_interface else {"SecurityGroupIds": [held]}))
    (instance,) = aws.instances(name)
    assert [one["GroupId"] for one in instance["SecurityGroups"]] == [held]
    with pytest.raises(ClientError, match="DependencyViolation"):
        aws.ec2.delete_security_group(GroupId=held)
    aws.autoscaling.delete_auto_scaling_group(AutoScalingGroupName=name, ForceDelete=True)
    aws.ec2.delete_security_group(GroupId=held)
    with pytest.raises(ClientError, match="NotFound"):
        aws.ec2.describe_security_groups(GroupIds=[held])


def test_a_role_takes_its_sessions_along(aws: Aws) -> None:
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow("s3:*", "*")]})

    def make() -> None:
        aws.iam.create_role(RoleName="gone", AssumeRolePolicyDocument='{"Version": "2012-10-17"}')
        aws.iam.put_role_policy(RoleName="gone", PolicyName="it", PolicyDocument=document)

    make()
    issued = aws.sts.assume_role(
        RoleArn="arn:aws:iam::123456789012:role/gone", RoleSessionName="machine"
    )["Credentials"]
    session = Aws(
        aws.endpoint,
        Credentials(issued["AccessKeyId"], issued["SecretAccessKey"], issued["SessionToken"]),
    )
    with aws.authorizing():
        session.s3.put_object(Bucket=BUCKET, Key="saved", Body=b"1")
        aws.iam.delete_role_policy(RoleName="gone", PolicyName="it")
        with pytest.raises(ClientError, match="AccessDenied"):
            session.s3.put_object(Bucket=BUCKET, Key="saved", Body=b"2")
        aws.iam.delete_role(RoleName="gone")
        make()  # one that is called the same is another
        with pytest.raises(ClientError, match="InvalidAccessKeyId"):
            session.s3.put_object(Bucket=BUCKET, Key="saved", Body=b"2")
        with pytest.raises(ClientError, match="InvalidClientTokenId"):
            session.autoscaling.describe_auto_scaling_groups()


def test_a_template_keeps_its_own_tags_to_itself(aws: Aws) -> None:
    group(aws, "tagged")
    assert not aws.template("tagged").get("TagSpecifications")
    held = aws.ec2.describe_launch_templates(LaunchTemplateNames=["tagged"])
    (template,) = held["LaunchTemplates"]
    assert template["Tags"] == [{"Key": "Name", "Value": "tagged"}]


def test_a_later_version_of_a_template_can_be_launched(aws: Aws) -> None:
    group(aws, "later", UserData="Zmlyc3Q=")
    aws.ec2.create_launch_template_version(
        LaunchTemplateName="later",
        LaunchTemplateData={
            "ImageId": aws.template("later")["ImageId"],
            "InstanceType": "m5.xlarge",
            "UserData": "c2Vjb25k",
        },
    )
    for capacity in (0, 1):
        aws.autoscaling.set_instance_protection(
            AutoScalingGroupName="later",
            InstanceIds=[each["InstanceId"] for each in aws.group("later")["Instances"]],
            ProtectedFromScaleIn=False,
        )
        aws.autoscaling.set_desired_capacity(AutoScalingGroupName="later", DesiredCapacity=capacity)
    (instance,) = aws.instances("later")
    assert instance["InstanceType"] == "m5.xlarge"


def test_an_image_is_what_it_was_registered_as(aws: Aws) -> None:
    image = aws.add_image("arm", "arm64")
    (held,) = aws.ec2.describe_images(
        Filters=[{"Name": "architecture", "Values": ["arm64"]}], Owners=["self"]
    )["Images"]
    assert (held["ImageId"], held["RootDeviceName"]) == (image, "/dev/xvda")
    assert held["RootDeviceType"] == "ebs"


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("a*c", "abbc", True),
        ("a*", "a", True),
        ("a?", "ab", True),
        ("a?", "a", False),
        ("a.c", "abc", False),
        ("a${*}/*", "a*/b", True),
        ("a${*}/*", "ab/b", False),
        ("${$}${?}", "$?", True),
        ("a", "ab", False),
    ],
)
def test_patterns(pattern: str, text: str, expected: bool) -> None:
    assert (matches(pattern, text) is not None) == expected


def test_conditions() -> None:
    condition: Condition = {
        "StringLike": {"s3:prefix": ["a/*", "b/*"]},
        "Bool": {"aws:SecureTransport": "true"},
    }
    told = {"s3:prefix": "b/1", "aws:securetransport": "true"}
    assert holds({}, {})
    assert holds(condition, told)
    assert not holds(condition, {**told, "s3:prefix": "c/1"})
    assert not holds(condition, {**told, "aws:securetransport": "false"})
    assert not holds(condition, {"aws:securetransport": "true"})
    with pytest.raises(NotImplementedError, match="IpAddress"):
        holds({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, {})
