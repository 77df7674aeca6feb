"""What a command would do with its settings, without doing anything."""

import json
from collections.abc import Mapping
from typing import Any

from tests.machine import Machine, Result


def dry_run(machine: Machine, *options: str, env: Mapping[str, str] | None = None) -> Result:
    return machine.agent("finalize", "--dry-run", "--json", *options, env=env, seconds=30)


def planned(
    machine: Machine, *options: str, env: Mapping[str, str] | None = None
) -> dict[str, Any]:
    result = dry_run(machine, *options, env=env)
    assert result.code == 0, result.err
    loaded = json.loads(result.out)
    assert isinstance(loaded, dict)
    return loaded


def check_refused(result: Result, *words: str) -> None:
    """Check that a setting was refused by one clear error with these words in it."""
    assert result.code == 2
    assert result.out == ""
    [sentence] = result.err.splitlines()
    for word in words:
        assert word in sentence
