%% The arithmetic of the evolution. It touches nothing but the process's rand.
-module(evolution).
-export([seed/1, tune/2, select/2, statistics/1]).

%% Seeds the calling process: from nothing, or from $XOR_SEED and that number, so that the
%% processes and runs of an experiment differ from each other.
-spec seed(integer()) -> ok.
seed(Number) ->
    _ =
        case config:seed() of
            random -> rand:seed(exsss);
            Seed -> rand:seed(exsss, 1000 * Seed + Number)
        end,
    ok.

%% Hill climbing: the fitter of that network and one with other weights.
-spec tune(Fitness, network:network()) -> {Fitness, network:network()} when
    Fitness :: undefined | float().
tune(undefined, Network) ->
    {xor_scape:fitness(Network), Network};
tune(Fitness, Network) ->
    Perturbed = mutation:perturb_weights(Network),
    case xor_scape:fitness(Perturbed) of
        Higher when Higher > Fitness -> {Higher, Perturbed};
        _ -> {Fitness, Network}
    end.

%% Who lives on, the fittest first, and who does not. At least one lives.
-spec select([{float(), Id}], Share :: float()) -> {Winners :: [Id, ...], Losers :: [Id]}.
select(Rated, Share) ->
    Ranked = [Id || {_, Id} <- lists:sort(fun({A, _}, {B, _}) -> A >= B end, Rated)],
    lists:split(max(1, trunc(Share * length(Ranked))), Ranked).

%% {Average, Deviation, Maximum, Minimum}; of nothing, zeros.
-spec statistics([number()]) -> {float(), float(), number(), number()}.
statistics([]) ->
    {0.0, 0.0, 0.0, 0.0};
statistics(Numbers) ->
    Count = length(Numbers),
    Average = lists:sum(Numbers) / Count,
    Variance = lists:sum([math:pow(Number - Average, 2) || Number <- Numbers]) / Count,
    {Average, math:sqrt(Variance), lists:max(Numbers), lists:min(Numbers)}.
