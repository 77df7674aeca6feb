%% What the environment says about the training, and what it is when it says nothing.
-module(config).
-export([runs/0, generations/0, evaluations/0, population/0, step/0, generation_ms/0, seed/0]).
-export([fitness_goal/0]).

%% Evolutions in one experiment.
runs() -> positive("XOR_RUNS", 3).

%% Generations, and evaluations, after which a run ends although the goal was not reached.
generations() -> positive("XOR_GENERATIONS", 1000).
evaluations() -> positive("XOR_EVALUATIONS", inf).

%% Agents in a population.
population() -> positive("XOR_POPULATION", 20).

%% Evaluations after which statistics are taken.
step() -> positive("XOR_STEP", 500).

%% The least time a generation takes, in milliseconds.
generation_ms() -> number_of("XOR_GENERATION_MS", 0, 0).

%% An integer that makes every run begin alike, or `random`.
seed() -> number_of("XOR_SEED", 0, random).

%% A run ends when its best agent is at least so many percent fit; 100 is a perfect XOR.
fitness_goal() -> positive("XOR_GOAL", 98) / 100.

positive(Name, Default) -> number_of(Name, 1, Default).

number_of(Name, Least, Default) ->
    case os:getenv(Name, "") of
        "" ->
            Default;
        Text ->
            case string:to_integer(Text) of
                {Number, ""} when Number >= Least -> Number;
                _ -> error({bad_setting, Name, Text, {at_least, Least}})
            end
    end.
