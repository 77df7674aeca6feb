"""The AWS SDK's session: in the region that its own settings name, else in this machine's own."""

import boto3
import botocore.session
from botocore.utils import IMDSRegionProvider


def session() -> boto3.session.Session:
    """Make a session; a machine on EC2 needs no region in its settings."""
    core = botocore.session.get_session()
    region = core.get_config_variable("region") or IMDSRegionProvider(core).provide()
    return boto3.session.Session(botocore_session=core, region_name=region)
