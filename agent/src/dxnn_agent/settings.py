"""Every setting: its name, type, default, and what it is for (docs/settings.md)."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
)


def _matching(pattern: str, right: str) -> AfterValidator:
    compiled = re.compile(pattern, re.ASCII)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError(f"should be {right}")
        return text

    return AfterValidator(check)


_Name = Annotated[
    str,
    _matching(
        r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}",
        "letters, digits, dots, dashes and underscores, at most 128, beginning with a letter "
        "or digit",
    ),
]
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_Bucket = Annotated[
    str,
    _matching(
        r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
        "a bucket's name: 3 to 63 lower-case letters, digits, dots and dashes",
    ),
]
_Prefix = Annotated[
    str,
    _matching(
        r"([A-Za-z0-9!_.*'()-]+(/[A-Za-z0-9!_.*'()-]+)*)?",
        "a key prefix without a slash at either end, such as dxnn or team/dxnn",
    ),
]
_Node = Annotated[
    str, _matching(r"[A-Za-z0-9_-]+@[A-Za-z0-9._-]+", "a node's name, such as dxnn@127.0.0.1")
]
_Words = Annotated[list[Annotated[str, StringConstraints(min_length=1)]], Field(min_length=1)]


def _relative_glob(pattern: str) -> str:
    path = Path(pattern)
    if not pattern or path.is_absolute() or ".." in path.parts:
        raise ValueError("should be a glob below trainer_directory, such as benchmarks/**")
    return pattern


_Glob = Annotated[str, AfterValidator(_relative_glob)]
_File = Annotated[Path, AfterValidator(Path.absolute)]


class Settings(BaseModel):
    """The agent's settings, checked; every path is absolute."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    spot_enabled: bool = Field(
        True, description="Spot handling as a whole; `false`: `watch` has nothing to do."
    )
    s3_bucket: _Bucket | None = Field(
        None, description="Required when `spot_enabled`; without one nothing leaves the machine."
    )
    s3_prefix: _Prefix = Field("dxnn", description="Key prefix above all jobs.")
    job_id: _Name = Field(
        "adhoc", description="What is trained; required when `restore_from_s3_on_boot`."
    )
    container_name: _Name | None = Field(
        None,
        description="Required when `spot_enabled`: the trainer's name in the log and the sentinel.",
    )
    restore_from_s3_on_boot: bool = Field(
        True, description="Go on from the job's newest checkpoint that verifies."
    )
    poll_interval_seconds: Annotated[float, Field(gt=0, le=60)] = Field(
        2, description="How often `watch` asks the metadata service."
    )
    checkpoint_deadline_seconds: Annotated[int, Field(gt=0)] = Field(
        60, description="Time a checkpoint may take; at a notice, counted from its detection."
    )
    checkpoint_interval_seconds: Annotated[int, Field(ge=0)] = Field(
        300, description="Time between periodic checkpoints; `0` turns them off."
    )
    checkpoint_keep: Annotated[int, Field(ge=1)] = Field(
        3, description="Checkpoints kept on the disk; nothing is ever deleted from S3."
    )
    use_rebalance_recommendation: bool = Field(
        True, description="On a recommendation: checkpoint and ship, train on."
    )
    instance_initiated_shutdown_behavior: Literal["terminate"] = Field(
        "terminate", description="Anything else is an error."
    )
    auto_terminate: bool = Field(True, description="Power off after a finalization that succeeded.")
    on_upload_failure: Literal["keep", "terminate"] = Field(
        "keep", description="After one that failed: `keep` the machine or `terminate` it."
    )
    relaunch_on_interruption: bool = Field(
        True, description="A new instance is started, which resumes."
    )
    max_fruitless_runs: Annotated[int, Field(ge=1)] = Field(
        3, description="Runs in a row without a new checkpoint after which a job is given up."
    )
    restore_give_up_seconds: Annotated[int, Field(ge=0)] = Field(
        3600,
        description="How long a boot tries a history that S3 denies, or of which no dump verifies; "
        "then the job is given up and the machine goes down; `0`: for ever.",
    )
    max_job_hours: Annotated[float, Field(ge=0)] = Field(
        0,
        description="Hours of all machines of a job together after which it is saved and given up; "
        "`0`: no limit.",
    )
    max_failed_runs: Annotated[int, Field(ge=1)] = Field(
        3,
        description="Runs in a row that the trainer itself ended, by crashing or standing still, "
        "after which a job is given up.",
    )
    stalled_after_seconds: Annotated[int, Field(ge=0)] = Field(
        1800,
        description="A trainer that shows no progress for so long is ended and has failed; `0`: "
        "never.",
    )
    trainer_command: _Words = Field(
        ["/opt/dxnn-agent/erlang/bin/dxnn-train"], description="Any program may be the trainer."
    )
    trainer_directory: _File = Field(Path("/opt/dxnn"), description="Its working directory.")
    checkpoint_command: _Words | None = Field(
        None,
        description="Must write the file `DXNN_CHECKPOINT_PATH`; left out, the Erlang node is "
        "asked.",
    )
    artifacts: list[_Glob] = Field(
        ["benchmarks/**"],
        description="Globs below `trainer_directory` of what `finalize` uploads, where it has "
        "changed since the run began.",
    )
    checkpoint_dir: _File = Field(Path("/var/lib/dxnn/checkpoints"), description="Where dumps lie.")
    state_dir: _File = Field(
        Path("/var/lib/dxnn"), description="Where the run keeps how far it has come."
    )
    log_file: _File = Field(Path("/var/log/dxnn-run.log"), description="The run's log.")
    lock_file: _File = Field(
        Path("/var/lock/dxnn.finalize.lock"), description="One finalization at a time."
    )
    erlang_node: _Node = Field("dxnn@127.0.0.1", description="The trainer's node.")
    erlang_cookie_file: _File = Field(
        Path("/var/lib/dxnn/.erlang.cookie"),
        description="Erlang's secret; made when missing, mode 0400.",
    )
    poweroff_command: _Words = Field(["poweroff"], description="Run without a shell.")
