%% How an experiment that is in progress is gone on with.
-module(dxnn_continue).
-export([how/3, kept/3]).

%% `resume` where the population of the run in progress can be gone on with, else why that run begins
%% anew. `Resume` is what the trainer's description says of it.
-spec how(tuple(), dxnn_references:source(), true | string()) -> resume | {anew, string()}.
how(Experiment, Source, true) ->
    case dxnn_progress:population(Experiment, Source) of
        none -> {anew, "it has no population yet"};
        Population -> of_population(Experiment, Population, Source)
    end;
how(_Experiment, _Source, Why) ->
    {anew, Why}.

of_population(Experiment, Population, #{read := Read} = Source) ->
    Ended = value(Population, trace, Source),
    Agents = [
        Id
     || Specie <- value(Population, specie_ids, Source),
        Id <- value(Read(specie, Specie), agent_ids, Source)
    ],
    case {value(Experiment, trace_acc, Source), Agents} of
        {[Ended | _], _} -> {anew, "its population is that of the run before"};
        {_, []} -> {anew, "its population has no agents"};
        _ -> resume
    end.

%% The parameters that an experiment was begun with and keeps, though the code would begin one with
%% others now: a sentence each.
-spec kept(tuple(), tuple(), dxnn_references:source()) -> [string()].
kept(Experiment, Begun, Source) ->
    Of = fun(Field) -> {value(Experiment, Field, Source), value(Begun, Field, Source)} end,
    differing("tot_runs", Of(tot_runs), Source) ++
        differing("", Of(pm_parameters), Source) ++
        constraints(Of(init_constraints), Source).

constraints({Kept, Now}, Source) when is_list(Kept), is_list(Now), length(Kept) =:= length(Now) ->
    lists:usort(
        lists:append([differing("constraint", Pair, Source) || Pair <- lists:zip(Kept, Now)])
    );
constraints({Kept, Now}, _Source) ->
    [sentence("init_constraints", Kept, Now)].

differing(_Name, {Same, Same}, _Source) ->
    [];
differing(Name, {Kept, Now}, #{fields := Fields}) ->
    case {dxnn_fields:pairs(Kept, Fields), dxnn_fields:pairs(Now, Fields)} of
        {[_ | _] = Old, [_ | _] = New} ->
            [
                sentence(atom_to_list(Field), Value, proplists:get_value(Field, New))
             || {Field, Value} <- Old,
                Field =/= benchmarker_pid,
                Value =/= proplists:get_value(Field, New)
            ];
        _ ->
            [sentence(Name, Kept, Now)]
    end.

sentence(Name, Kept, Now) ->
    lists:flatten(io_lib:format("~ts ~0tP, though the code says ~0tP", [Name, Kept, 20, Now, 20])).

value(Record, Field, #{fields := Fields}) ->
    dxnn_fields:value(Record, Field, Fields).
