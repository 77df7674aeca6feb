%% A feedforward network whose shape is free: a list of {NeuronId, [{FromId, Weight}]} in the
%% order of evaluation. An id is {Layer, Number}; signals only go to a greater layer. Layer 0.0
%% holds the inputs (and number 0, the bias), layer 1.0 the one output neuron.
-module(network).
-export([new/0, output/2, sources/1, neurons/1, links/1]).
-export_type([id/0, network/0]).

-type id() :: {Layer :: float(), Number :: non_neg_integer()}.
-type network() :: [{id(), [{From :: id(), Weight :: float()}]}].

-define(BIAS, {0.0, 0}).
-define(INPUTS, [{0.0, 1}, {0.0, 2}]).
-define(OUTPUT, {1.0, 1}).

%% The smallest network: two inputs, one neuron, random weights. It cannot compute XOR.
-spec new() -> network().
new() ->
    [{?OUTPUT, [{Input, rand:normal()} || Input <- ?INPUTS]}].

%% The output, -1.0 to 1.0, for two inputs.
-spec output(network(), [float()]) -> float().
output(Network, Inputs) ->
    Sensed = maps:from_list([{?BIAS, 1.0} | lists:zip(?INPUTS, Inputs)]),
    Signals = lists:foldl(fun fire/2, Sensed, Network),
    maps:get(?OUTPUT, Signals).

fire({Id, Links}, Signals) ->
    Sum = lists:sum([Weight * maps:get(From, Signals) || {From, Weight} <- Links]),
    Signals#{Id => math:tanh(Sum)}.

%% Everything a link may come from.
-spec sources(network()) -> [id()].
sources(Network) ->
    [?BIAS | ?INPUTS] ++ [Id || {Id, _} <- Network, Id =/= ?OUTPUT].

-spec neurons(network()) -> pos_integer().
neurons(Network) ->
    length(Network).

-spec links(network()) -> [{From :: id(), To :: id()}].
links(Network) ->
    [{From, To} || {To, Links} <- Network, {From, _} <- Links].
