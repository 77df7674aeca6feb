"""Why a job's earlier runs ended, read from their sentinels."""

from collections.abc import Callable

from dxnn_agent.settings import Settings
from dxnn_agent.state import dumps
from dxnn_agent.store import keys
from dxnn_agent.store.s3 import Bucket, S3Error


def of_job(settings: Settings, job_id: str, bucket: Bucket) -> Callable[[str], str | None]:
    """Return what reads the reason from a run's `_SUCCESS`; None where that can't be read."""

    def reason_of(run_id: str) -> str | None:
        key = keys.run_prefix(settings.s3_prefix, job_id, run_id) + keys.SUCCESS_NAME
        try:
            sentinel = bucket.read(key)
        except S3Error:
            return None
        return str(dumps.parse_metadata(sentinel[0]).get("reason")) if sentinel else None

    return reason_of
