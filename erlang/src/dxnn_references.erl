%% Whether a trainer can start from a database: whether what it names is there.
%%
%% DXNN deletes agents outside of the transaction that takes them out of their specie, so that a
%% backup of just that moment names agents that it does not hold. A benchmarker that continues
%% from it waits for ever.
-module(dxnn_references).
-export([check/1, populations/1]).
-export_type([source/0]).

%% A database, live or in a backup: a record by its table and key, or `none`; whether there is one;
%% the keys of a table; and the fields of its records and of those within them, as far as they are
%% known.
-type source() :: #{
    read := fun((atom(), term()) -> tuple() | none),
    holds := fun((atom(), term()) -> boolean()),
    keys := fun((atom()) -> [term()]),
    fields := dxnn_forms:records()
}.

%% Follows the references from the experiments in progress to their populations, species, agents,
%% cortices, neurons, sensors, actuators and substrates, and stops at the first that leads nowhere.
-spec check(source()) -> ok | {broken, string()}.
check(Source) ->
    try
        lists:foreach(fun(Id) -> population(Id, Source) end, populations(Source))
    catch
        throw:{broken, Table, Key, Field, To, Missing} ->
            {broken,
                lists:flatten(
                    io_lib:format("~ts ~0tp names in ~ts the ~ts ~0tp, which is not there", [
                        Table, Key, Field, To, Missing
                    ])
                )}
    end.

%% The populations that the experiments in progress work with.
-spec populations(source()) -> [term()].
populations(#{read := Read, keys := Keys} = Source) ->
    lists:usort([
        Id
     || Key <- Keys(experiment),
        Experiment <- [Read(experiment, Key)],
        value(Experiment, progress_flag, Source) =:= in_progress,
        Id <- [value(value(Experiment, pm_parameters, Source), population_id, Source)],
        Id =/= undefined
    ]).

%% A population that is not there is begun anew, and that is right: nothing was trained yet.
population(Id, #{read := Read} = Source) ->
    case Read(population, Id) of
        none -> ok;
        Population -> each(Population, specie_ids, specie, fun specie/2, Source)
    end.

specie(Specie, Source) ->
    each(Specie, agent_ids, agent, fun agent/2, Source),
    %% DXNN2 breeds from its champions, which are in its hall of fame alone.
    Champions = [value(C, id, Source) || C <- list(Specie, hall_of_fame, Source)],
    [follow(Specie, hall_of_fame, agent, Id, fun agent/2, Source) || Id <- Champions],
    ok.

agent(Agent, Source) ->
    one(Agent, cx_id, cortex, fun cortex/2, Source),
    one(Agent, substrate_id, substrate, fun substrate/2, Source).

cortex(Cortex, Source) ->
    present(Cortex, neuron_ids, neuron, Source),
    present(Cortex, sensor_ids, sensor, Source),
    present(Cortex, actuator_ids, actuator, Source).

substrate(Substrate, Source) ->
    present(Substrate, cpp_ids, sensor, Source),
    present(Substrate, cep_ids, actuator, Source).

each(Record, Field, Table, Check, Source) ->
    [follow(Record, Field, Table, Id, Check, Source) || Id <- list(Record, Field, Source)],
    ok.

one(Record, Field, Table, Check, Source) ->
    case value(Record, Field, Source) of
        undefined -> ok;
        Id -> follow(Record, Field, Table, Id, Check, Source)
    end.

follow(Record, Field, Table, Id, Check, #{read := Read} = Source) ->
    case Read(Table, Id) of
        none -> broken(Record, Field, Table, Id);
        Found -> Check(Found, Source)
    end.

present(Record, Field, Table, #{holds := Holds} = Source) ->
    [
        Holds(Table, Id) orelse broken(Record, Field, Table, Id)
     || Id <- list(Record, Field, Source)
    ],
    ok.

broken(Record, Field, To, Missing) ->
    throw({broken, element(1, Record), element(2, Record), Field, To, Missing}).

list(Record, Field, Source) ->
    case value(Record, Field, Source) of
        List when is_list(List) -> List;
        _ -> []
    end.

%% A field of a record; `undefined` where a trainer's records have none of that name.
value(Record, Field, #{fields := Fields}) ->
    dxnn_fields:value(Record, Field, Fields).
