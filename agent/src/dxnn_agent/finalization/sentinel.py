"""The text of `_SUCCESS` and of `_FAILED_UPLOAD`."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from dxnn_agent import __version__, timestamps
from dxnn_agent.settings import Settings
from dxnn_agent.state.outcome import Outcome
from dxnn_agent.state.run_state import Run


@dataclass(frozen=True)
class Sentinel:
    """What a sentinel says; what only the upload can tell is None until then.

    `skipped` is the number of artifacts that could not be shipped.
    """

    run_id: str
    finalized_at: datetime | None
    status: str
    outcome: Outcome
    job_id: str
    container_name: str | None
    instance_id: str | None
    parent_run_id: str | None
    manifest_sha256: str | None
    margin_seconds: float | None
    skipped: int

    def content(self) -> dict[str, Any]:
        """The sentinel as a JSON object, its keys in the order of docs/contract.md."""
        notice_time = self.outcome.notice_time
        return {
            "run_id": self.run_id,
            "finalized_at": self.finalized_at and timestamps.timestamp(self.finalized_at),
            "status": self.status,
            "completion_status": str(self.outcome.completion_status),
            "exit_code": self.outcome.exit_code,
            "reason": self.outcome.reason,
            "job_id": self.job_id,
            "container_name": self.container_name,
            "instance_id": self.instance_id,
            "parent_run_id": self.parent_run_id,
            "manifest_sha256": self.manifest_sha256,
            "notice_time": timestamps.timestamp(notice_time) if notice_time else None,
            "margin_seconds": self.margin_seconds,
            "agent_version": __version__,
            "skipped": self.skipped,
        }

    def at(self, now: datetime, notice_time: datetime | None) -> "Sentinel":
        """The sentinel as it is written at a moment, with what the notice leaves from then on."""
        known = self.outcome.notice_time or notice_time
        margin = round((known - now).total_seconds(), 1) if known else None
        outcome = replace(self.outcome, notice_time=known)
        return replace(self, finalized_at=now, margin_seconds=margin, outcome=outcome)


def of(settings: Settings, run: Run, outcome: Outcome, status: str, skipped: int = 0) -> Sentinel:
    """The sentinel of a run."""
    return Sentinel(
        run_id=run.run_id,
        finalized_at=None,
        status=status,
        outcome=outcome,
        job_id=run.job_id,
        container_name=settings.container_name,
        instance_id=run.instance_id,
        parent_run_id=run.parent_run_id,
        manifest_sha256=None,
        margin_seconds=None,
        skipped=skipped,
    )
