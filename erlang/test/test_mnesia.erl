%% A mnesia for tests, in a directory of its own, with tables that are named as DXNN's are.
-module(test_mnesia).
-export([start/0, stop/1]).

start() ->
    Place = string:trim(os:cmd("mktemp -d")),
    logger:set_primary_config(level, critical),
    application:load(mnesia),
    application:set_env(mnesia, dir, filename:join(Place, "db")),
    ok = mnesia:create_schema([node()]),
    ok = mnesia:start(),
    [
        {atomic, ok} = mnesia:create_table(Name, [{Kind, [node()]}, {type, Type}, {attributes, Fields}])
     || {Name, Kind, Type, Fields} <- [
            {experiment, disc_copies, set, [id, progress_flag, pm_parameters]},
            {population, disc_copies, set, [id, specie_ids]},
            {specie, disc_copies, set, [id, agent_ids]},
            {agent, disc_copies, set, [id, cx_id]},
            {prices, ram_copies, set, [id, price]},
            {visits, disc_copies, bag, [id, time]}
        ]
    ],
    Place.

stop(Place) ->
    mnesia:stop(),
    application:unset_env(mnesia, dir),
    file:del_dir_r(Place).
