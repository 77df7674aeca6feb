"""The trainer's artifacts: of what the globs name, that which its run has made or changed."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from dxnn_agent.settings import Settings
from dxnn_agent.state import durable, files
from dxnn_agent.state.files import LocalFile
from dxnn_agent.state.run_state import Run
from dxnn_agent.store import keys, uploaded

_LIST_FILE = "artifacts.json"

# A file that was written meanwhile differs in at least one: size, both times, inode.
Stamp = list[int]


@dataclass(frozen=True)
class Noted:
    """What was there when a run began, by name within the run."""

    run_id: str
    files: Mapping[str, Stamp]


def note(settings: Settings, run: Run) -> None:
    """Write down what is there before a run's trainer starts for the first time.

    Where that can't be done, all of it will be shipped: nothing keeps a trainer from training.
    """
    earlier = _noted(settings.state_dir)
    if earlier and earlier.run_id == run.run_id:
        return  # a `run` that was killed right after it
    try:
        files = {name: stamp for name, path in _named(settings).items() if (stamp := _stamp(path))}
        for name in _owed(settings, run, earlier, files):
            del files[name]
        durable.write_json(settings.state_dir / _LIST_FILE, asdict(Noted(run.run_id, files)))
    except (OSError, ValueError):
        return


def changed(settings: Settings, run: Run) -> dict[str, LocalFile]:
    """The files that a run is to ship, by their name within it."""
    noted = _noted(settings.state_dir)
    before = noted.files if noted and noted.run_id == run.run_id else {}
    return {
        name: files.examine(path)
        for name, path in _named(settings).items()
        if name not in before or before[name] != _stamp(path)
    }


def _named(settings: Settings) -> dict[str, Path]:
    """The files below the trainer's directory that the globs name, by their name within the run.

    Links that lead out of the directory are left alone: the trainer may not be allowed to read what
    the agent can.
    """
    directory = settings.trainer_directory
    root = directory.resolve()
    found: dict[str, Path] = {}
    for pattern in settings.artifacts:
        # Until Python 3.13 a final ** names folders only.
        whole = f"{pattern}/*" if pattern.endswith("**") else pattern
        for path in directory.glob(whole):
            if path.is_file() and path.resolve().is_relative_to(root):
                relative = os.fsencode(path.relative_to(directory)).decode(
                    "utf-8", "backslashreplace"
                )
                found[keys.ARTIFACTS_PREFIX + relative] = path
    return found


def _owed(
    settings: Settings, run: Run, earlier: Noted | None, files: Mapping[str, Stamp]
) -> list[str]:
    """What the run before this one made and could not ship: it goes with this one."""
    if earlier is None or settings.s3_bucket is None:
        return []
    prefix = keys.run_prefix(settings.s3_prefix, run.job_id, earlier.run_id)
    there = uploaded.remembered(settings.state_dir, settings.s3_bucket)
    if prefix + keys.MANIFEST_NAME in there:
        return []
    return [
        name
        for name, stamp in files.items()
        if earlier.files.get(name) != stamp and prefix + name not in there
    ]


def _noted(state_dir: Path) -> Noted | None:
    try:
        content = json.loads((state_dir / _LIST_FILE).read_text(encoding="utf-8"))
        return Noted(str(content["run_id"]), dict(content["files"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _stamp(path: Path) -> Stamp | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
