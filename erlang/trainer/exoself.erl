%% The process of an agent in one generation: evaluates it a few times, with other weights each
%% time, and keeps the fittest. It tells the population monitor of each evaluation, writes what
%% came of it at its end, and ends.
-module(exoself).
-export([start/3, prep/4]).
-include("records.hrl").

%% The cycles of an evaluation are the questions that a network is asked.
-define(CYCLES, 4).

%% The evaluations are spread over the `Length` of the generation, which began at `Begin`, in
%% monotonic milliseconds.
start(AgentId, Monitor, {Begin, Length}) ->
    spawn(?MODULE, prep, [AgentId, Monitor, {Begin, Length}, rand:uniform(1 bsl 32)]).

prep(AgentId, Monitor, {Begin, Length}, Seed) ->
    rand:seed(exsss, Seed),
    #agent{specie_id = SpecieId, fitness = Known, tuning_duration_f = {const, Attempts}} =
        genotype:dirty_read({agent, AgentId}),
    Attempt = fun(Number, {Fitness, Network}) ->
        wait_until(Begin + Length * Number div Attempts),
        {Microseconds, Tuned} = timer:tc(evolution, tune, [Fitness, Network]),
        gen_server:cast(Monitor, {self(), evaluations, SpecieId, 1, ?CYCLES, Microseconds}),
        Tuned
    end,
    {Fitness, Network} =
        lists:foldl(Attempt, {Known, genotype:network(AgentId)}, lists:seq(0, Attempts - 1)),
    Fitness =:= Known orelse genotype:write_result(AgentId, Fitness, Network),
    wait_until(Begin + Length),
    gen_server:cast(Monitor, {AgentId, terminated, Fitness}).

wait_until(Moment) ->
    timer:sleep(max(0, Moment - erlang:monotonic_time(millisecond))).
