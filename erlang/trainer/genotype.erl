%% What is in mnesia, and how it gets there.
-module(genotype).
-export([read/1, write/1, read_agents/1, write_generation/2]).
-include("records.hrl").

%% The record with that key, or `undefined`.
read({Table, Key}) ->
    case mnesia:dirty_read(Table, Key) of
        [Record] -> Record;
        [] -> undefined
    end.

write(Record) ->
    {atomic, ok} = mnesia:transaction(fun() -> mnesia:write(Record) end),
    ok.

%% The agents of a population, the fittest first.
read_agents(#population{agent_ids = Ids}) ->
    [read({agent, Id}) || Id <- Ids].

%% Replaces the agents by those of a new generation. One transaction: a backup holds a whole
%% generation or none of it.
write_generation(Population, Agents) ->
    Ids = [Agent#agent.id || Agent <- Agents],
    Replace = fun() ->
        [mnesia:delete({agent, Old}) || Old <- mnesia:all_keys(agent), not lists:member(Old, Ids)],
        [mnesia:write(Agent) || Agent <- Agents],
        mnesia:write(Population#population{agent_ids = Ids})
    end,
    {atomic, ok} = mnesia:transaction(Replace),
    ok.
