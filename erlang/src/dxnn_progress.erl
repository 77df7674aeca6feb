%% How far an experiment of DXNN's is, as its database says.
-module(dxnn_progress).
-export([of_experiment/2, words/1, population/2]).

%% What is known of experiment `Id`, in the order in which a reader wants it; no entries where the
%% database has no such experiment. `evaluations` are those of the run in progress, as of DXNN's last
%% statistics step; `population` changes whenever a run begins anew.
-spec of_experiment(term(), dxnn_references:source()) -> [{string(), number() | binary()}].
of_experiment(Id, #{read := Read, keys := Keys} = Source) ->
    case Read(experiment, Id) of
        none ->
            [];
        Experiment ->
            Population = population(Experiment, Source),
            Fitness = [F || Key <- Keys(agent), F <- fitness(Read(agent, Key), Source)],
            number("run", run(Experiment, Source)) ++
                number("runs", value(Experiment, tot_runs, Source)) ++
                number("evaluations", evaluations(Population, Source)) ++
                [{"best_fitness", lists:max(Fitness)} || Fitness =/= []] ++
                [{"population", named(Species)} || Species <- [species(Population, Source)],
                    Species =/= []]
    end.

%% The same in words, for the trainer's log.
-spec words([{string(), number() | binary()}]) -> iolist().
words([{"run", Run}, {"runs", Runs} | Rest]) ->
    [io_lib:format("run ~b of ~b", [Run, Runs]) | [[", " | word(Pair)] || Pair <- Rest]];
words(Pairs) ->
    lists:join(", ", [word(Pair) || Pair <- Pairs]).

word({Name, Value}) ->
    [string:replace(Name, "_", " "), " ", shown(Value)].

shown(Text) when is_binary(Text) -> Text;
shown(Float) when is_float(Float) -> io_lib:format("~.6g", [Float]);
shown(Number) -> integer_to_list(Number).

%% The population that an experiment works with, or `none`.
-spec population(tuple(), dxnn_references:source()) -> tuple() | none.
population(Experiment, #{read := Read} = Source) ->
    Read(population, value(value(Experiment, pm_parameters, Source), population_id, Source)).

%% A completed experiment's run_index is one more than it has runs.
run(Experiment, Source) ->
    min(value(Experiment, run_index, Source), value(Experiment, tot_runs, Source)).

evaluations(Population, Source) ->
    value(value(Population, trace, Source), tot_evaluations, Source).

species(Population, Source) ->
    case value(Population, specie_ids, Source) of
        Ids when is_list(Ids) -> Ids;
        _ -> []
    end.

%% The names of species are made for each run.
named(Species) ->
    iolist_to_binary(io_lib:format("~8.16.0b", [erlang:phash2(lists:sort(Species), 1 bsl 32)])).

%% DXNN2 has a list of fitnesses, of which the first is the one it selects by.
fitness(Agent, Source) ->
    case value(Agent, fitness, Source) of
        Fitness when is_number(Fitness) -> [Fitness];
        [Fitness | _] when is_number(Fitness) -> [Fitness];
        _ -> []
    end.

number(Name, Value) ->
    [{Name, Value} || is_number(Value)].

value(Record, Field, #{fields := Fields}) ->
    dxnn_fields:value(Record, Field, Fields).
