%% Backups of a real mnesia, read back.
-module(dxnn_dump_tests).
-compile({parse_transform, eunit_autoexport}).
-include_lib("stdlib/include/assert.hrl").

dump_test_() ->
    {foreach, fun test_mnesia:start/0, fun test_mnesia:stop/1, [
        case_of("counts", fun counts/1),
        case_of("tables in memory", fun memory/1),
        case_of("records written meanwhile", fun meanwhile/1),
        case_of("schema alone", fun schema/1),
        case_of("torn", fun torn/1),
        case_of("a dump that a trainer could not start from is taken again", fun again/1),
        case_of("a dump that never gets better is refused", fun refused/1),
        case_of("mnesia comes up", fun comes_up/1),
        case_of("out of time", fun out_of_time/1),
        case_of("of what is checked", fun checked/1)
    ]}.

case_of(Name, Test) ->
    fun(Place) -> {Name, {timeout, 30, fun() -> Test(Place) end}} end.

counts(Place) ->
    [ok = mnesia:dirty_write({agent, N, cortex}) || N <- lists:seq(1, 30)],
    [ok = mnesia:dirty_write({visits, N rem 3, N}) || N <- lists:seq(1, 10)],
    File = backup(Place),
    {ok, Dump} = dxnn_dump:read(File),
    ?assertMatch(#{tables := #{agent := 30, visits := 10, population := 0}}, Dump),
    ?assertMatch(#{fields := #{agent := [id, cx_id]}, nodes := [_]}, Dump),
    ?assertEqual({agent, 7, cortex}, (maps:get(read, source(Dump)))(agent, 7)),
    ?assertEqual(none, (maps:get(read, source(Dump)))(agent, 31)),
    ok = dxnn_dump:close(Dump).

memory(Place) ->
    [ok = mnesia:dirty_write({prices, N, 1.0}) || N <- lists:seq(1, 2000)],
    {ok, #{tables := Tables}} = dxnn_dump:read(backup(Place)),
    ?assertMatch(#{prices := 2000}, Tables).

%% What changes while a backup is written is in it twice, and once to be deleted.
meanwhile(Place) ->
    [ok = mnesia:dirty_write({Table, N, old}) || N <- lists:seq(1, 3000), Table <- [agent, prices]],
    Checkpoint = [{name, held}, {max, mnesia:system_info(tables)}, {ram_overrides_dump, true}],
    {ok, held, _} = mnesia:activate_checkpoint(Checkpoint),
    [
        begin
            ok = mnesia:dirty_write({Table, N, new}),
            ok = mnesia:dirty_delete({Table, N + 1000}),
            ok = mnesia:dirty_write({Table, N + 5000, added})
        end
     || N <- lists:seq(1, 1000), Table <- [agent, prices]
    ],
    File = filename:join(Place, "held.dmp"),
    ok = mnesia:backup_checkpoint(held, File),
    {ok, Dump} = dxnn_dump:read(File),
    ?assertMatch(#{tables := #{agent := 3000, prices := 3000}}, Dump),
    #{read := Read} = source(Dump),
    ?assertEqual({agent, 1, old}, Read(agent, 1)),
    ?assertEqual({agent, 1001, old}, Read(agent, 1001)),
    ?assertEqual(none, Read(agent, 5001)).

schema(Place) ->
    File = backup(Place),
    {ok, Schema} = dxnn_dump:schema(File),
    ?assertMatch(#{fields := #{agent := [id, cx_id], prices := [id, price]}}, Schema),
    ?assertEqual(1, length(maps:get(nodes, Schema))),
    ?assertEqual({ok, maps:get(nodes, Schema)}, dxnn_dump:nodes(File)).

torn(Place) ->
    [ok = mnesia:dirty_write({agent, N, lists:seq(1, 50)}) || N <- lists:seq(1, 3000)],
    File = backup(Place),
    {ok, Bytes} = file:read_file(File),
    ok = file:write_file(File, binary:part(Bytes, 0, byte_size(Bytes) div 2)),
    ?assertEqual({error, "it is torn"}, dxnn_dump:read(File)),
    {error, Sentence} = dxnn_dump:read(filename:join(Place, "none")),
    ?assertMatch({match, _}, re:run(Sentence, "enoent|no_such_file|file_error")).

%% The moment in which DXNN deletes agents passes.
again(Place) ->
    experiment([a1, a2]),
    ok = mnesia:dirty_delete({agent, a2}),
    spawn(fun() ->
        timer:sleep(200),
        ok = mnesia:dirty_write({specie, s, [a1]})
    end),
    Answer = take(Place, 20_000),
    ?assertNotEqual(nomatch, string:find(Answer, "\"checked\": [\"references\"]")),
    {ok, Dump} = dxnn_dump:read(filename:join(Place, "taken.dmp")),
    ?assertEqual({specie, s, [a1]}, (maps:get(read, source(Dump)))(specie, s)).

refused(Place) ->
    experiment([a1, a2]),
    ok = mnesia:dirty_delete({agent, a2}),
    Answer = take(Place, 1500),
    ?assertMatch(
        {match, _},
        re:run(Answer, "^{\"error\": \"no trainer could start from the dump: specie s names in "
            "agent_ids the agent a2, which is not there \\(tried \\d+ times\\)\"}")
    ).

%% At a notice right after the boot the tables may not have been loaded yet.
comes_up(Place) ->
    mnesia:stop(),
    spawn(fun() ->
        timer:sleep(300),
        ok = mnesia:start()
    end),
    Answer = take(Place, 20_000),
    ?assertNotEqual(nomatch, string:find(Answer, "\"checked\": [\"references\"]")).

out_of_time(Place) ->
    experiment([a1]),
    Answer = take(Place, 0),
    ?assertNotEqual(nomatch, string:find(Answer, "\"checked\": []")),
    ?assert(filelib:is_regular(filename:join(Place, "taken.dmp"))).

checked(Place) ->
    experiment([a1]),
    File = backup(Place),
    Records = #{pmp => [population_id]},
    Of = fun(Fields, Depth) ->
        dxnn_check:check(File, #{records => Fields}, Depth)
    end,
    ?assertEqual(ok, Of(Records, whole)),
    ?assertEqual({no, "table agent: the code's record adds fs"},
        Of(Records#{agent => [id, cx_id, fs]}, schema)),
    ?assertEqual({no, "a record pmp has 1 fields, in the code it has 2 (population_id, limit)"},
        Of(#{pmp => [population_id, limit]}, whole)),
    ok = mnesia:dirty_delete({agent, a1}),
    Torn = backup(Place),
    ?assertEqual(ok, dxnn_check:check(Torn, #{records => Records}, schema)),
    ?assertMatch({no, "specie s names" ++ _},
        dxnn_check:check(Torn, #{records => Records}, whole)).

experiment(Agents) ->
    [
        ok = mnesia:dirty_write(Record)
     || Record <- [
            {experiment, 'xor', in_progress, {pmp, test}},
            {population, test, [s]},
            {specie, s, Agents}
            | [{agent, Agent, undefined} || Agent <- Agents]
        ]
    ].

take(Place, Milliseconds) ->
    persistent_term:put({dxnn_launcher, records}, #{pmp => [population_id]}),
    try
        lists:flatten(dxnn_checkpoint:take(filename:join(Place, "taken.dmp"), Milliseconds))
    after
        persistent_term:erase({dxnn_launcher, records})
    end.

backup(Place) ->
    File = filename:join(Place, "backup.dmp"),
    ok = dxnn_checkpoint:backup(File),
    File.

source(Dump) -> dxnn_database:of_dump(Dump, #{}).
