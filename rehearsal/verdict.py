"""Whether the contract held in a rehearsal: evidence in, one verdict a rule out."""

from collections.abc import Iterable
from dataclasses import dataclass

from rehearsal import instance_rules, s3_rules
from rehearsal.evidence import Evidence
from rehearsal.runs import story

_COMPLETION_RULE = "a completed run has one completion dump, an interrupted one none"
_PROBLEMS_TOLD = 3


@dataclass(frozen=True)
class Verdict:
    """Whether a rule held; None where it could not be checked, and `detail` says why."""

    rule: str
    held: bool | None
    detail: str = ""


def judge(evidence: Evidence, job_prefix: str, *, completion_dump: bool) -> list[Verdict]:
    """Check every rule. `completion_dump` says whether the trainer takes one when it completes."""
    told = story(evidence, job_prefix)
    if len(told.runs) != len(evidence.instances):
        found = ", ".join(run.run_id for run in told.runs) or "none"
        return [Verdict("each instance has a run of its own in S3", held=False, detail=found)]
    rules = s3_rules.RULES | instance_rules.RULES
    verdicts = [verdict(rule, check(told)) for rule, check in rules.items()]
    if completion_dump:
        verdicts.append(verdict(_COMPLETION_RULE, s3_rules.completion_dump(told)))
    else:
        why = "not a trainer that dxnn-build has patched"
        verdicts.append(Verdict(_COMPLETION_RULE, held=None, detail=why))
    return verdicts


def verdict(rule: str, problems: Iterable[str]) -> Verdict:
    """Judge a rule by what speaks against it."""
    found = list(problems)
    told = found[:_PROBLEMS_TOLD]
    if len(found) > len(told):
        told.append(f"and {len(found) - len(told)} more")
    return Verdict(rule, held=not found, detail="; ".join(told))
