%% What is in mnesia, and how it gets there. An agent's network is stored in pieces: a cortex
%% that lists them, a record for each neuron, two sensors and an actuator.
-module(genotype).
-export([read/1, dirty_read/1, write/1, unique_id/0]).
-export([construct_agent/4, clone_agent/2, delete_agent/1]).
-export([network/1, neurons/1, write_result/3]).
-include("records.hrl").

%% The record with that key, or `undefined`: within a transaction, or as it is right now.
read(TableAndKey) -> one(mnesia:read(TableAndKey)).
dirty_read(TableAndKey) -> one(mnesia:dirty_read(TableAndKey)).

one([Record]) -> Record;
one([]) -> undefined.

%% Writes a record in a transaction of its own.
write(Record) ->
    {atomic, ok} = mnesia:transaction(fun() -> mnesia:write(Record) end),
    ok.

%% Unlike any before it, also on the other nodes that the database has been on.
unique_id() ->
    {erlang:system_time(), erlang:unique_integer([positive])}.

%% Adds an agent, within a transaction, and answers its id.
construct_agent(SpecieId, Generation, TuningDuration, Network) ->
    Unique = unique_id(),
    AgentId = {Unique, agent},
    CxId = {{origin, Unique}, cortex},
    Neurons = [neuron(Unique, CxId, Neuron) || Neuron <- Network],
    Sensors = [
        #sensor{id = sensor_id(Unique, Number), name = xor_input, cx_id = CxId}
     || {Layer, Number} <- network:sources([]), not is_bias({Layer, Number})
    ],
    %% The output neuron is the last of its network.
    Actuator = #actuator{
        id = {{1, Unique}, actuator},
        name = xor_output,
        cx_id = CxId,
        fanin_ids = [(lists:last(Neurons))#neuron.id]
    },
    Cortex = #cortex{
        id = CxId,
        agent_id = AgentId,
        neuron_ids = [Id || #neuron{id = Id} <- Neurons],
        sensor_ids = [Id || #sensor{id = Id} <- Sensors],
        actuator_ids = [Actuator#actuator.id]
    },
    Agent = #agent{
        id = AgentId,
        specie_id = SpecieId,
        generation = Generation,
        cx_id = CxId,
        tuning_duration_f = TuningDuration
    },
    lists:foreach(fun mnesia:write/1, [Agent, Cortex, Actuator] ++ Sensors ++ Neurons),
    AgentId.

%% Adds an agent that descends from that one, with a network made from its network.
clone_agent(AgentId, Change) ->
    #agent{specie_id = SpecieId, generation = Generation, tuning_duration_f = TuningDuration} =
        dirty_read({agent, AgentId}),
    construct_agent(SpecieId, Generation + 1, TuningDuration, Change(network(AgentId))).

%% Deletes an agent with all that belongs to it, at once and for good, also within a transaction.
%% That is how DXNN does it: a transaction that is aborted leaves species without their agents, and
%% so does a dump that is taken before it is through. Such an agent cannot be deleted again.
delete_agent(AgentId) ->
    #agent{cx_id = CxId} = read({agent, AgentId}),
    #cortex{neuron_ids = NeuronIds, sensor_ids = SensorIds, actuator_ids = ActuatorIds} =
        read({cortex, CxId}),
    [mnesia:dirty_delete(neuron, Id) || Id <- NeuronIds],
    [mnesia:dirty_delete(sensor, Id) || Id <- SensorIds],
    [mnesia:dirty_delete(actuator, Id) || Id <- ActuatorIds],
    mnesia:dirty_delete(cortex, CxId),
    mnesia:dirty_delete(agent, AgentId).

%% The network of an agent, as it is right now.
network(AgentId) ->
    [
        {network_id(Id), [{network_id(From), Weight} || {From, Weight} <- Inputs]}
     || #neuron{id = Id, input_idps = Inputs} <- neuron_records(AgentId)
    ].

neuron_records(AgentId) ->
    #cortex{neuron_ids = Ids} = cortex(AgentId),
    [dirty_read({neuron, Id}) || Id <- Ids].

%% How many neurons an agent has.
neurons(AgentId) ->
    #cortex{neuron_ids = Ids} = cortex(AgentId),
    length(Ids).

cortex(AgentId) ->
    #agent{cx_id = CxId} = dirty_read({agent, AgentId}),
    dirty_read({cortex, CxId}).

%% What came of an agent's tuning: other weights, the same topology. An agent that is gone stays
%% gone.
write_result(AgentId, Fitness, Network) ->
    Write = fun() ->
        case mnesia:read(agent, AgentId, write) of
            [#agent{id = {Unique, agent}, cx_id = CxId} = Agent] ->
                mnesia:write(Agent#agent{fitness = Fitness}),
                [mnesia:write(neuron(Unique, CxId, Neuron)) || Neuron <- Network],
                ok;
            [] ->
                ok
        end
    end,
    {atomic, ok} = mnesia:transaction(Write),
    ok.

neuron(Unique, CxId, {Id, Links}) ->
    #neuron{
        id = neuron_id(Unique, Id),
        cx_id = CxId,
        input_idps = [{source_id(Unique, From), Weight} || {From, Weight} <- Links]
    }.

%% Ids are unique in their table; those of a network (see there) only within the network.
source_id(Unique, {Layer, Number} = Id) ->
    case is_bias(Id) of
        true -> bias;
        false when Layer == 0 -> sensor_id(Unique, Number);
        false -> neuron_id(Unique, Id)
    end.

is_bias({Layer, Number}) -> Layer == 0 andalso Number =:= 0.

sensor_id(Unique, Number) -> {{-1, {Unique, Number}}, sensor}.

neuron_id(Unique, {Layer, Number}) -> {{Layer, {Unique, Number}}, neuron}.

network_id(bias) -> {0.0, 0};
network_id({{-1, {_, Number}}, sensor}) -> {0.0, Number};
network_id({{Layer, {_, Number}}, neuron}) -> {Layer, Number}.
