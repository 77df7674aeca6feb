"""Reads a sweep.toml, and says all that is wrong with it before anything is made of it."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from dxnn_agent.errors import UsageError
from dxnn_agent.fleet import sweep, values
from dxnn_agent.fleet.sweep import MOST_JOBS, Axis, Sweep, SweepJob, Value

_TABLES = {"variables": dict, "job": dict, "grid": dict, "jobs": list}
_KEYS = {"name": str, **_TABLES}
_RANGE = {"from", "to", "step"}


def read(path: Path) -> Sweep:
    """Return the sweep that the file describes.

    Raises UsageError, one line for each mistake, that names key, value and file.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"sweep {path} can't be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"sweep {path} is not TOML: {error}") from error
    return parse(content, f"file {path}")


def parse(content: Mapping[str, Any], source: str) -> Sweep:
    """Return the sweep that a file's content describes; `source` says in errors where it is from.

    Raises UsageError as `read` does.
    """
    reading = _Reading(source)
    made = reading.sweep(content)
    if reading.problems:
        raise UsageError("\n".join(reading.problems))
    return made


@dataclass
class _Reading:
    """One pass over a file's content, which goes on after a mistake to find the others."""

    source: str
    problems: list[str] = field(default_factory=list)

    def sweep(self, content: Mapping[str, Any]) -> Sweep:
        for key in content:
            self.check(key, content[key], values.unknown(key, _KEYS, "key of a sweep"))
        tables = {key: self.table(content, key) for key in _TABLES}
        name = self.name(content)
        variables = self.variables(tables["variables"])
        shared = self.attributes("job", tables["job"])
        if ("grid" in content) == ("jobs" in content):
            which = "both are there" if "grid" in content else "neither is there"
            self.problem(f"a sweep has either [grid] or [[jobs]], and {which} ({self.source})")
        jobs: list[SweepJob] = []
        if "jobs" in content:
            jobs = self.listed(tables["jobs"], shared)
        elif "grid" in content:
            axes = self.axes(tables["grid"], shared)
            if not self.problems:
                jobs = list(sweep.grid(name, shared, axes))
        self.ids(jobs, str(variables.get("name", values.DEFAULT_NAME)))
        return Sweep(name, variables, tuple(jobs))

    def problem(self, sentence: str) -> None:
        self.problems.append(sentence)

    def check(self, key: str, value: object, reason: str | None) -> bool:
        """Note what is wrong with a value, if anything is; whether it is right."""
        if reason is not None:
            self.problem(f"{key} = {value!r} ({self.source}): {reason}")
        return reason is None

    def table(self, content: Mapping[str, Any], key: str) -> Any:
        kind = _TABLES[key]
        value = content.get(key, kind())
        header = f"[{key}]" if kind is dict else f"[[{key}]]"
        right = isinstance(value, kind) and (
            kind is dict or all(isinstance(entry, dict) for entry in value)
        )
        if not self.check(key, value, None if right else f"should be a table, {header}"):
            return kind()
        if key in content and not value and key in {"grid", "jobs"}:
            self.problem(f"{header} is empty ({self.source}): it should make at least one job")
        return value

    def name(self, content: Mapping[str, Any]) -> str:
        if "name" not in content:
            self.problem(f"name is missing ({self.source}): it is the stack's, such as xor-seeds")
            return ""
        name = content["name"]
        right = isinstance(name, str) and values.ID.fullmatch(name)
        self.check("name", name, None if right else values.ID_RULE)
        return str(name)

    def variables(self, table: Mapping[str, Any]) -> dict[str, Value]:
        if "s3_bucket" not in table:
            self.problem(f"variables.s3_bucket is missing ({self.source}): where results go")
        checked: dict[str, Value] = {}
        for key, value in table.items():
            name = f"variables.{key}"
            if key == "environment":
                checked[key] = self.environment(name, value)
                continue
            reason = values.unknown(key, values.VARIABLE_TYPES, "variable")
            if key == "jobs":
                reason = "jobs are made by [grid] or [[jobs]] beside [variables]"
            self.check(name, value, reason or values.wrong(key, value))
            checked[key] = value
        return checked

    def attributes(self, where: str, table: Mapping[str, Any]) -> dict[str, Value]:
        """Check a job's attributes, and turn what its environment holds into text."""
        checked: dict[str, Value] = {}
        for key, value in table.items():
            name = f"{where}.{key}"
            if key == "environment":
                checked[key] = self.environment(name, value)
                continue
            reason = values.unknown(key, values.JOB_TYPES, "attribute of a job")
            self.check(name, value, reason or values.wrong(key, value))
            checked[key] = value
        return checked

    def environment(self, where: str, table: Any) -> dict[str, str]:
        if not isinstance(table, dict):
            self.check(where, table, "should be a table of variables")
            return {}
        for name, value in table.items():
            reason = values.wrong_name(name) or values.wrong_text(value)
            self.check(f"{where}.{name}", value, reason)
        return {name: sweep.text(value) for name, value in table.items()}

    def listed(self, tables: list[dict[str, Any]], shared: Mapping[str, Value]) -> list[SweepJob]:
        jobs = []
        for number, table in enumerate(tables, start=1):
            where = f"jobs[{number}]"
            own = dict(table)
            job_id = own.pop("job_id", None)
            if job_id is None:
                self.problem(f"{where}.job_id is missing ({self.source}): every job has its own")
            elif not isinstance(job_id, str):
                self.check(f"{where}.job_id", job_id, "should be text")
            attributes = self.attributes(where, own)
            environment = attributes.pop("environment", {})
            jobs.append(
                SweepJob(
                    str(job_id),
                    sweep.with_environment(
                        {**shared, **attributes}, cast(dict[str, str], environment)
                    ),
                )
            )
        return jobs

    def axes(self, table: Mapping[str, Any], shared: Mapping[str, Value]) -> list[Axis]:
        axes = []
        for key, given in table.items():
            if key != "environment":
                reason = values.unknown(key, values.JOB_TYPES, "attribute of a job")
                axes.append(self.axis(key, given, shared, reason))
            elif isinstance(given, dict) and given:
                had = cast(dict[str, str], shared.get("environment", {}))
                axes += [
                    self.axis(name, given[name], had, values.wrong_name(name), "environment.")
                    for name in given
                ]
            else:
                self.check("grid.environment", given, "should be a table of axes, and not empty")
        if not self.problems and sweep.size(axes) > MOST_JOBS:
            self.problem(
                f"[grid] makes {sweep.size(axes)} jobs ({self.source}): "
                f"it should make at most {MOST_JOBS}"
            )
        return axes

    def axis(
        self,
        key: str,
        given: object,
        shared: Mapping[str, Any],
        wrong_key: str | None,
        table: str = "",
    ) -> Axis:
        where = f"grid.{table}{key}"
        if key in shared:
            wrong_key = f"job.{table}{key} says it for all jobs: leave one of the two out"
        if not self.check(where, given, wrong_key):
            return Axis(key, ())
        found = self.axis_values(where, given)
        for value in found:
            wrong = values.wrong_text(value) if table else values.wrong(key, value)
            if wrong is None and not sweep.id_part(value):
                wrong = "has no letter or digit, and would give a job its id"
            self.check(where, value, wrong)
        return Axis(key, found, is_environment=bool(table))

    def axis_values(self, where: str, given: object) -> tuple[Value, ...]:
        if isinstance(given, dict):
            return self.range_values(where, given)
        right = isinstance(given, list) and given
        reason = "should be a list of values, not empty, or { from = 1, to = 9 }"
        if not self.check(where, given, None if right else reason):
            return ()
        return tuple(cast(list[Value], given))

    def range_values(self, where: str, given: Mapping[str, Any]) -> tuple[Value, ...]:
        first: Any = given.get("from")
        last: Any = given.get("to")
        step: Any = given.get("step", 1)
        reason = None
        if not {"from", "to"} <= given.keys() <= _RANGE:
            reason = "a range has from and to, both included, and may have step"
        elif not all(type(number) is int for number in (first, last, step)):
            reason = "from, to and step of a range should be whole numbers"
        elif step < 1 or first > last:
            reason = "a range goes upwards: from is at most to, and step at least 1"
        elif (last - first) // step >= MOST_JOBS:
            reason = f"should have at most {MOST_JOBS} values"
        if not self.check(where, dict(given), reason):
            return ()
        return tuple(range(first, last + 1, step))

    def ids(self, jobs: list[SweepJob], name: str) -> None:
        for job in jobs:
            self.check("job_id", job.job_id, values.wrong_id(job.job_id, name))
        for job_id in sweep.alike(jobs):
            self.check("job_id", job_id, "more than one job has it; upper and lower case are one")
