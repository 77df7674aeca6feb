%% The problem: exclusive or, with -1.0 for false and 1.0 for true.
-module(xor_scape).
-export([fitness/1]).

%% 1.0 for a network that answers all four questions exactly, less the further it is off.
-spec fitness(network:network()) -> float().
fitness(Network) ->
    Squares = [
        math:pow(Expected - network:output(Network, Inputs), 2)
     || {Inputs, Expected} <- cases()
    ],
    1 / (1 + lists:sum(Squares)).

cases() ->
    [{[-1.0, -1.0], -1.0}, {[-1.0, 1.0], 1.0}, {[1.0, -1.0], 1.0}, {[1.0, 1.0], -1.0}].
