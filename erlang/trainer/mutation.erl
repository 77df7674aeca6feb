%% Changes of a network: of its weights, and of its topology. Draws from the process's rand.
-module(mutation).
-export([mutate/1, perturb_weights/1, add_link/1, add_neuron/1]).

%% One to three random changes. A new link or neuron comes with a perturbation of the weights,
%% or the selection would see no difference.
-spec mutate(network:network()) -> network:network().
mutate(Network) ->
    change(rand:uniform(3), Network).

change(0, Network) ->
    Network;
change(Times, Network) ->
    change(Times - 1, change(Network)).

change(Network) ->
    case rand:uniform(4) of
        1 -> perturb_weights(add_neuron(Network));
        2 -> perturb_weights(add_link(Network));
        _ -> perturb_weights(Network)
    end.

%% Moves each weight with probability 1/sqrt(links), and at least one.
-spec perturb_weights(network:network()) -> network:network().
perturb_weights(Network) ->
    Count = length(network:links(Network)),
    Chosen = rand:uniform(Count),
    Probability = 1 / math:sqrt(Count),
    {Perturbed, _} = lists:mapfoldl(
        fun({Id, Links}, Index) ->
            Moved = [
                {From, move(Weight, I =:= Chosen orelse rand:uniform() < Probability)}
             || {I, {From, Weight}} <- lists:zip(lists:seq(Index, Index + length(Links) - 1), Links)
            ],
            {{Id, Moved}, Index + length(Links)}
        end,
        1,
        Network
    ),
    Perturbed.

move(Weight, true) -> Weight + rand:normal() / 2;
move(Weight, false) -> Weight.

%% Links two that are not linked yet; where all are, the network stays as it is.
-spec add_link(network:network()) -> network:network().
add_link(Network) ->
    Present = network:links(Network),
    Possible = [
        {From, To}
     || {ToLayer, _} = To <- [Id || {Id, _} <- Network],
        {FromLayer, _} = From <- network:sources(Network),
        FromLayer < ToLayer,
        not lists:member({From, To}, Present)
    ],
    case Possible of
        [] ->
            Network;
        _ ->
            {From, To} = pick(Possible),
            Links = proplists:get_value(To, Network),
            lists:keyreplace(To, 1, Network, {To, [{From, rand:normal()} | Links]})
    end.

%% Puts a neuron into a link, halfway between the layers of its ends.
-spec add_neuron(network:network()) -> network:network().
add_neuron(Network) ->
    {{FromLayer, _} = From, {ToLayer, _} = To} = pick(network:links(Network)),
    Number = 1 + lists:max([N || {{_, N}, _} <- Network]),
    New = {(FromLayer + ToLayer) / 2, Number},
    Links = proplists:get_value(To, Network),
    {From, Weight} = lists:keyfind(From, 1, Links),
    Relinked = lists:keyreplace(From, 1, Links, {New, Weight}),
    Spliced = lists:keyreplace(To, 1, Network, {To, Relinked}),
    lists:sort([{New, [{From, 1.0}]} | Spliced]).

pick(List) ->
    lists:nth(rand:uniform(length(List)), List).
