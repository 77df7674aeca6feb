%% Runs an experiment: several evolutions, one after the other, and a report on them. The
%% process is registered as `benchmarker` and ends when the experiment has completed.
-module(benchmarker).
-export([start/1, continue/1, prep/1, loop/2, report/2]).
-include("records.hrl").

-define(DIR, "benchmarks/").
-define(POPULATION, xor_population).

%% Begins experiment `Id` from nothing.
start(Id) ->
    launch(#experiment{id = Id, tot_runs = config:runs(), started = calendar:universal_time()}).

%% Goes on with an experiment found in the database.
continue(Id) ->
    case genotype:read({experiment, Id}) of
        undefined ->
            io:format("experiment ~p is not in the database~n", [Id]);
        #experiment{progress_flag = completed} ->
            io:format("experiment ~p has completed already~n", [Id]);
        #experiment{interruptions = Interruptions} = Experiment ->
            launch(Experiment#experiment{interruptions = Interruptions + 1})
    end.

launch(Experiment) ->
    genotype:write(Experiment),
    register(benchmarker, spawn(?MODULE, prep, [Experiment])).

prep(Experiment) ->
    start_run(Experiment),
    loop(Experiment, ?POPULATION).

start_run(#experiment{run_index = RunIndex, tot_runs = Runs}) ->
    io:format("experiment run ~b of ~b~n", [RunIndex, Runs]),
    {ok, _} = population_monitor:start(?POPULATION, RunIndex, self()).

loop(Experiment, PopulationId) ->
    receive
        {PopulationId, completed, History} ->
            #experiment{run_index = RunIndex, histories = Histories} = Experiment,
            Updated = Experiment#experiment{
                run_index = RunIndex + 1,
                histories = [History | Histories]
            },
            case RunIndex + 1 > Experiment#experiment.tot_runs of
                true ->
                    genotype:write(Updated#experiment{
                        progress_flag = completed,
                        completed = calendar:universal_time()
                    }),
                    report(Updated#experiment.id, "report");
                false ->
                    genotype:write(Updated),
                    start_run(Updated),
                    loop(Updated, PopulationId)
            end;
        terminate ->
            ok
    end.

%% Writes what the experiment found: <FileName>_runs.tsv, a line a run, and
%% <FileName>_fitness.tsv, a line a generation.
report(Id, FileName) ->
    #experiment{histories = Histories} = genotype:read({experiment, Id}),
    Runs = lists:zip(lists:seq(1, length(Histories)), lists:reverse(Histories)),
    write(FileName ++ "_runs.tsv", "run\tgenerations\tbest_fitness\tneurons\tevaluations\n", [
        io_lib:format("~b\t~b\t~.4f\t~b\t~b~n", [Run, Generation, Best, Neurons, Evaluations])
     || {Run, [{Generation, Best, _, Neurons, Evaluations} | _]} <- Runs
    ]),
    write(FileName ++ "_fitness.tsv", "run\tgeneration\tbest_fitness\taverage_fitness\n", [
        io_lib:format("~b\t~b\t~.4f\t~.4f~n", [Run, Generation, Best, Average])
     || {Run, History} <- Runs, {Generation, Best, Average, _, _} <- lists:reverse(History)
    ]).

write(FileName, Header, Lines) ->
    ok = file:write_file(?DIR ++ FileName, [Header | Lines]),
    io:format("wrote ~s~n", [?DIR ++ FileName]).
