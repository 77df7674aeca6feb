"""The AWS SDK's session: in the region that its own settings name, else in this machine's own."""

import boto3

from dxnn_agent.machine import metadata_service


def session() -> boto3.session.Session:
    """Make a session; a machine on EC2 needs no region in its settings.

    botocore's own provider takes the zone without its last letter, which in a Local Zone is no
    region.
    """
    found = boto3.session.Session()
    if found.region_name is None:
        return boto3.session.Session(region_name=metadata_service.region())
    return found
