%% The evolution itself: from agents to the agents of the next generation. It touches nothing
%% but the process's rand.
-module(evolution).
-export([first/1, next/2]).
-include("records.hrl").

%% `Size` agents with the smallest network, the fittest first.
first(Size) ->
    by_fitness([agent({0, N}, network:new()) || N <- lists:seq(1, Size)]).

%% The fitter half lives on, and mutants of it take the places of the others. Answers the
%% agents of the new generation, the fittest first, and how many had to be evaluated.
next(Generation, Agents) ->
    Size = length(Agents),
    Parents = lists:sublist(Agents, max(1, Size div 2)),
    Mutants = [mutant({Generation, N}, Parents) || N <- lists:seq(1, Size - length(Parents))],
    {by_fitness(Parents ++ Mutants), length(Mutants)}.

mutant(Id, Parents) ->
    #agent{network = Network} = lists:nth(rand:uniform(length(Parents)), Parents),
    agent(Id, mutation:mutate(Network)).

agent(Id, Network) ->
    #agent{id = Id, fitness = xor_scape:fitness(Network), network = Network}.

by_fitness(Agents) ->
    lists:sort(fun(A, B) -> A#agent.fitness >= B#agent.fitness end, Agents).
