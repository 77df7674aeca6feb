"""Why a job's earlier runs ended, read from their sentinels."""

from collections.abc import Callable

from dxnn_agent import dumps, layout
from dxnn_agent.s3 import Bucket, S3Error
from dxnn_agent.settings import Settings


def of_job(settings: Settings, job_id: str, bucket: Bucket) -> Callable[[str], str | None]:
    """Return what reads the reason from a run's `_SUCCESS`; None where that can't be read."""

    def reason_of(run_id: str) -> str | None:
        key = layout.run_prefix(settings.s3_prefix, job_id, run_id) + layout.SUCCESS_NAME
        try:
            sentinel = bucket.read(key)
        except S3Error:
            return None
        return str(dumps.parse_metadata(sentinel[0]).get("reason")) if sentinel else None

    return reason_of
