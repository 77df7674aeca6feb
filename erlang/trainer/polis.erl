%% The home of an experiment: its database, and the process that says it is open.
-module(polis).
-behaviour(gen_server).
-export([create/0, reset/0, start/0, stop/0]).
-export([init/1, handle_call/3, handle_cast/2]).
-include("records.hrl").

%% Makes the database of this node in the working directory; one that is there already stays.
create() ->
    _ = mnesia:create_schema([node()]),
    ok = mnesia:start(),
    [create_table(Name, Fields) || {Name, Fields} <- tables()],
    ok = mnesia:wait_for_tables([Name || {Name, _} <- tables()], infinity).

create_table(Name, Fields) ->
    case mnesia:create_table(Name, [{disc_copies, [node()]}, {attributes, Fields}]) of
        {atomic, ok} -> ok;
        {aborted, {already_exists, Name}} -> ok
    end.

tables() ->
    [
        {experiment, record_info(fields, experiment)},
        {population, record_info(fields, population)},
        {specie, record_info(fields, specie)},
        {agent, record_info(fields, agent)},
        {cortex, record_info(fields, cortex)},
        {neuron, record_info(fields, neuron)},
        {sensor, record_info(fields, sensor)},
        {actuator, record_info(fields, actuator)}
    ].

%% Throws the database away and makes an empty one.
reset() ->
    stopped = mnesia:stop(),
    ok = mnesia:delete_schema([node()]),
    create().

%% Opens the polis, with mnesia running.
start() ->
    gen_server:start({local, polis}, ?MODULE, [], []).

stop() ->
    gen_server:stop(polis).

init([]) ->
    ok = mnesia:start(),
    {ok, open}.

handle_call(_Request, _From, State) ->
    {reply, State, State}.

handle_cast(_Request, State) ->
    {noreply, State}.
