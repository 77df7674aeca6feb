"""A DXNN experiment as a dump of it tells, and whether one dump goes on where another was taken.

Read by a small program of its own, so that what the project's launcher says of itself is not what
it is judged by.
"""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from rehearsal.errors import RehearsalError

_READ_WITHIN_SECONDS = 120

# What changed while a backup was written is in it as {Table, Key} too, to be deleted. A #trace{} is
# {trace, Stats, TotEvaluations, _}, its steps last first; a step is a list of #stat{}, one for each
# specie, which are {stat, Morphology, SpecieId, ...}.
_READ = r"""
[File] = init:get_plain_arguments(),
Take = fun({schema, Table, Properties} = Item, Held) ->
               {[Item], Held#{Table => {proplists:get_value(attributes, Properties), #{}}}};
          ({Table, Key} = Item, Held) when is_map_key(Table, Held) ->
               {Fields, Records} = maps:get(Table, Held),
               {[Item], Held#{Table := {Fields, maps:remove(Key, Records)}}};
          (Item, Held) when element(1, Item) =:= experiment; element(1, Item) =:= population ->
               {Fields, Records} = maps:get(element(1, Item), Held),
               {[Item], Held#{element(1, Item) := {Fields, Records#{element(2, Item) => Item}}}};
          (Item, Held) ->
               {[Item], Held} end,
{ok, Held} = mnesia:traverse_backup(File, mnesia_backup, dummy, read_only, Take, #{}),
Value = fun(Record, Field) ->
    {Fields, _} = maps:get(element(1, Record), Held),
    proplists:get_value(Field, lists:zip(Fields, tl(tuple_to_list(Record)))) end,
Name = fun(Term) -> binary:encode_hex(erlang:md5(term_to_binary(Term))) end,
List = fun(Texts) -> [$[, lists:join($,, [[$", Text, $"] || Text <- Texts]), $]] end,
Run = fun(Species, {trace, Stats, Evaluations, _}) ->
    io_lib:format("{\"species\":~s,\"evaluations\":~b,\"steps\":~s}",
        [List([Name(S) || S <- lists:usort(Species)]), Evaluations,
         List([Name(Step) || Step <- lists:reverse(Stats)])]) end,
Bred = fun({trace, Stats, _, _}) -> [element(3, Stat) || Step <- Stats, Stat <- Step] end,
{_, Experiments} = maps:get(experiment, Held),
[Experiment | _] = maps:values(Experiments),
{_, Populations} = maps:get(population, Held),
Ended = [Run(Bred(Trace), Trace) || Trace <- lists:reverse(Value(Experiment, trace_acc))],
Last = hd(Value(Experiment, trace_acc) ++ [none]),
UnderWay = [Run(Value(P, specie_ids), Value(P, trace))
    || P <- maps:values(Populations), Value(P, trace) =/= Last],
Species = [S || P <- maps:values(Populations), S <- Value(P, specie_ids)],
io:format("{\"runs\":~b,\"completed\":~p,\"ended\":[~s],\"under_way\":[~s],"
    "\"population\":\"~8.16.0b\"}",
    [Value(Experiment, tot_runs), Value(Experiment, progress_flag) =:= completed,
     lists:join($,, Ended), lists:join($,, UnderWay),
     erlang:phash2(lists:sort(Species), 1 bsl 32)]),
halt().
"""


@dataclass(frozen=True)
class Run:
    """One run of an experiment: its species, and its statistics' steps, the first first."""

    species: frozenset[str]
    evaluations: int
    steps: tuple[str, ...]


@dataclass(frozen=True)
class Experiment:
    """An experiment: the runs that have ended, the one under way, and its population's name."""

    runs: int
    completed: bool
    ended: tuple[Run, ...]
    under_way: Run | None
    population: str = ""

    @property
    def all_runs(self) -> tuple[Run, ...]:
        """The runs that have ended, and the one under way."""
        return (*self.ended, *([self.under_way] if self.under_way else []))

    @property
    def where(self) -> str:
        """Say in words how far it is."""
        if self.completed or self.under_way is None:
            return f"{len(self.ended)} of {self.runs} runs ended"
        return (
            f"run {len(self.ended) + 1} of {self.runs}, evaluations {self.under_way.evaluations}, "
            f"population {self.population}"
        )


def read(dump: Path) -> Experiment:
    """Read the experiment that a mnesia backup holds. Raises RehearsalError."""
    done = subprocess.run(
        ["erl", "-noinput", "-eval", _READ, "-extra", str(dump)],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_READ_WITHIN_SECONDS,
        env={**os.environ, "ERL_CRASH_DUMP_BYTES": "0"},
    )
    try:
        told = json.loads(done.stdout)
        return Experiment(
            runs=told["runs"],
            completed=told["completed"],
            ended=tuple(_run(one) for one in told["ended"]),
            under_way=next((_run(one) for one in told["under_way"]), None),
            population=told["population"],
        )
    except (ValueError, KeyError) as error:
        raise RehearsalError(
            f"{dump} is no mnesia backup that holds an experiment of DXNN's"
        ) from error


def _run(told: dict[str, list[str]]) -> Run:
    evaluations = told["evaluations"]
    return Run(
        frozenset(told["species"]),
        evaluations if isinstance(evaluations, int) else 0,
        tuple(told["steps"]),
    )


def then(before: Experiment, after: Experiment) -> str:
    """Say in words what became of the run that was under way."""
    number = len(before.ended)
    if number >= len(after.all_runs):
        return after.where
    found = after.all_runs[number]
    ended = "ended with" if number < len(after.ended) else "has"
    return f"run {number + 1} {ended} {found.evaluations} evaluations in {len(found.steps)} steps"


def continued(before: Experiment, after: Experiment) -> list[str]:
    """Name what speaks against a later dump having gone on where an earlier one was taken.

    A run that was under way must still have its species, every step of its statistics, and no fewer
    evaluations; runs that had ended must be there as they were.
    """
    problems = []
    if after.ended[: len(before.ended)] != before.ended:
        problems.append(f"the first {len(before.ended)} runs are not what they were")
    if before.under_way is None:
        return problems
    if len(after.all_runs) <= len(before.ended):
        return [*problems, "the run that was under way is not there any more"]
    was, now = before.under_way, after.all_runs[len(before.ended)]
    # Of a run that has ended only the steps of its statistics say which population it had.
    if not was.species & now.species:
        problems.append(f"run {len(before.ended) + 1} began anew, with another population")
    if now.steps[: len(was.steps)] != was.steps:
        problems.append(f"run {len(before.ended) + 1} lacks steps of its statistics")
    if len(set(now.steps)) != len(now.steps):
        problems.append(f"run {len(before.ended) + 1} has a step of its statistics twice")
    if now.evaluations < was.evaluations:
        problems.append(f"{was.evaluations} evaluations became {now.evaluations}")
    return problems
