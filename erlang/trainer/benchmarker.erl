%% Runs an experiment: several evolutions, one after the other, and a report on them. The
%% process is registered as `benchmarker` and ends when the experiment has completed. As in DXNN,
%% it waits for its population monitor for ever, also for one that has died.
-module(benchmarker).
-export([start/1, continue/1, prep/1, loop/2, report/2]).
-include("records.hrl").

-define(DIR, "benchmarks/").
-define(INIT_CONSTRAINTS, [#constraint{morphology = xor_scape}]).

%% Begins experiment `Id` from nothing.
start(Id) ->
    PMP = #pmp{
        population_id = xor_population,
        specie_size_limit = config:population(),
        init_specie_size = config:population(),
        polis_id = polis,
        generation_limit = config:generations(),
        evaluations_limit = config:evaluations(),
        fitness_goal = config:fitness_goal()
    },
    E = #experiment{
        id = Id,
        pm_parameters = PMP,
        init_constraints = ?INIT_CONSTRAINTS,
        tot_runs = config:runs(),
        started = calendar:universal_time()
    },
    genotype:write(E),
    register(benchmarker, spawn(benchmarker, prep, [E])).

%% Goes on with an experiment found in the database. The run that was in progress begins anew.
continue(Id) ->
    case genotype:dirty_read({experiment, Id}) of
        undefined ->
            io:format("experiment ~p is not in the database~n", [Id]);
        #experiment{progress_flag = completed} ->
            io:format("experiment ~p has completed already~n", [Id]);
        #experiment{progress_flag = in_progress, interruptions = Interruptions} = Interrupted ->
            E = Interrupted#experiment{interruptions = [erlang:timestamp() | Interruptions]},
            genotype:write(E),
            register(benchmarker, spawn(benchmarker, prep, [E]))
    end.

prep(#experiment{pm_parameters = Parameters} = Experiment) ->
    PMP = Parameters#pmp{benchmarker_pid = self()},
    E = Experiment#experiment{pm_parameters = PMP},
    begin_run(E),
    population_monitor:prep_PopState(PMP, E#experiment.init_constraints),
    loop(E, PMP#pmp.population_id).

begin_run(#experiment{run_index = RunIndex, tot_runs = Runs}) ->
    io:format("experiment run ~b of ~b~n", [RunIndex, Runs]),
    evolution:seed(RunIndex).

loop(#experiment{run_index = RunIndex, tot_runs = Runs} = Experiment, PopulationId) ->
    receive
        {PopulationId, completed, Trace} ->
            E = Experiment#experiment{
                trace_acc = [Trace | Experiment#experiment.trace_acc],
                run_index = RunIndex + 1
            },
            case RunIndex + 1 > Runs of
                true ->
                    genotype:write(E#experiment{
                        progress_flag = completed,
                        completed = calendar:universal_time()
                    }),
                    report(E#experiment.id, "report");
                false ->
                    genotype:write(E),
                    begin_run(E),
                    #experiment{pm_parameters = PMP, init_constraints = Constraints} = E,
                    population_monitor:prep_PopState(PMP, Constraints),
                    loop(E, PopulationId)
            end;
        terminate ->
            ok
    end.

%% Writes what the experiment found: <FileName>_runs.tsv, a line a run, and
%% <FileName>_fitness.tsv, a line a step of the statistics.
report(Id, FileName) ->
    #experiment{trace_acc = Traces} = genotype:dirty_read({experiment, Id}),
    Numbers = lists:seq(1, length(Traces)),
    Runs = lists:zip(Numbers, [steps(Trace) || Trace <- lists:reverse(Traces)]),
    write(FileName ++ "_runs.tsv", "run\tbest_fitness\tneurons\tevaluations\n", [
        begin
            {Evaluations, _, _, Neurons} = lists:last(Steps),
            Best = lists:max([Max || {_, Max, _, _} <- Steps]),
            io_lib:format("~b\t~.4f\t~.1f\t~b~n", [Run, Best, Neurons, Evaluations])
        end
     || {Run, Steps} <- Runs
    ]),
    write(FileName ++ "_fitness.tsv", "run\tevaluations\tbest_fitness\taverage_fitness\n", [
        io_lib:format("~b\t~b\t~.4f\t~.4f~n", [Run, Evaluations, Best, Average])
     || {Run, Steps} <- Runs, {Evaluations, Best, Average, _} <- Steps
    ]).

%% {Evaluations so far, best fitness, average fitness, average neurons} of each step of a run.
steps(#trace{stats = Stats}) ->
    {Steps, _} = lists:mapfoldl(fun step/2, 0, lists:reverse(Stats)),
    Steps.

step(Species, Before) ->
    Evaluations = Before + lists:sum([S#stat.evaluations || S <- Species]),
    Best = lists:max([S#stat.max_fitness || S <- Species]),
    {Average, _, _, _} = evolution:statistics([S#stat.avg_fitness || S <- Species]),
    {Neurons, _, _, _} = evolution:statistics([S#stat.avg_neurons || S <- Species]),
    {{Evaluations, Best, Average, Neurons}, Evaluations}.

write(FileName, Header, Lines) ->
    ok = file:write_file(?DIR ++ FileName, [Header | Lines]),
    io:format("wrote ~s~n", [?DIR ++ FileName]).
