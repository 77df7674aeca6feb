-module(dxnn_completion_tests).
-compile({parse_transform, eunit_autoexport}).
-include_lib("stdlib/include/assert.hrl").

completion_test_() ->
    {foreach, fun setup/0, fun cleanup/1, [
        fun(Directory) -> {"writes dump and metadata", fun() -> writes(Directory) end} end,
        fun(Directory) -> {"unset is null", fun() -> unset_is_null(Directory) end} end,
        fun(Directory) -> {"escapes", fun() -> escapes(Directory) end} end,
        fun(Directory) -> {"survives", fun() -> survives(Directory) end} end,
        fun(Directory) -> {"no directory", fun() -> no_directory(Directory) end} end
    ]}.

setup() ->
    Directory = string:trim(os:cmd("mktemp -d")),
    os:putenv("DXNN_CHECKPOINT_DIR", filename:join(Directory, "new")),
    os:putenv("DXNN_JOB_ID", "xor"),
    os:putenv("DXNN_RUN_ID", "20250111-143012Z"),
    logger:set_primary_config(level, error),
    application:load(mnesia),
    application:set_env(mnesia, dir, filename:join(Directory, "db")),
    ok = mnesia:create_schema([node()]),
    ok = mnesia:start(),
    {atomic, ok} = mnesia:create_table(agent, [{disc_copies, [node()]}]),
    ok = mnesia:dirty_write({agent, 1, network}),
    {atomic, ok} = mnesia:create_table(prices, [{ram_copies, [node()]}]),
    [ok = mnesia:dirty_write({prices, N, 1.0}) || N <- lists:seq(1, 2000)],
    {atomic, ok} = mnesia:create_table(visits, [{disc_copies, [node()]}, {type, bag}]),
    [ok = mnesia:dirty_write({visits, N rem 2, N}) || N <- lists:seq(1, 5)],
    Directory.

cleanup(Directory) ->
    [os:unsetenv(Name) || Name <- ["DXNN_CHECKPOINT_DIR", "DXNN_JOB_ID", "DXNN_RUN_ID"]],
    mnesia:stop(),
    application:unset_env(mnesia, dir),
    file:del_dir_r(Directory).

writes(Directory) ->
    dxnn_completion:completion_signal(),
    {Stem, Metadata} = written(Directory),
    Dump = filename:join([Directory, "new", Stem ++ ".dmp"]),
    ?assertMatch({match, _}, re:run(Stem, "^completion-\\d{8}-\\d{6}Z$")),
    Expected = io_lib:format(
        "{\"kind\": \"completion\", \"file\": \"~s.dmp\", \"size\": ~b, "
        "\"reason\": \"training_completed\", \"taken_at\": \"~s\", \"job_id\": \"xor\", "
        "\"run_id\": \"20250111-143012Z\", \"node\": \"nonode@nohost\", "
        "\"otp_release\": \"~s\", \"tables\": {\"agent\": 1, \"prices\": 2000, "
        "\"visits\": 5}}\n",
        [Stem, filelib:file_size(Dump), taken_at(Stem), erlang:system_info(otp_release)]
    ),
    ?assertEqual(lists:flatten(Expected), Metadata),
    Count = fun(Item, Sum) -> {[], Sum + length([1 || element(1, Item) =/= schema])} end,
    ?assertEqual({ok, 2006},
        mnesia:traverse_backup(Dump, mnesia_backup, none, read_only, Count, 0)).

unset_is_null(Directory) ->
    os:unsetenv("DXNN_JOB_ID"),
    os:putenv("DXNN_RUN_ID", ""),
    dxnn_completion:completion_signal(),
    {_, Metadata} = written(Directory),
    ?assertMatch({match, _}, re:run(Metadata, "\"job_id\": null, \"run_id\": null,")).

escapes(Directory) ->
    os:putenv("DXNN_JOB_ID", "a\"b\\c\nd"),
    dxnn_completion:completion_signal(),
    {_, Metadata} = written(Directory),
    ?assert(string:find(Metadata, "\"job_id\": \"a\\\"b\\\\c\\u000ad\"") =/= nomatch).

survives(Directory) ->
    mnesia:stop(),
    dxnn_completion:completion_signal(),
    ?assertEqual([], filelib:wildcard("new/*", Directory)).

no_directory(Directory) ->
    os:putenv("DXNN_CHECKPOINT_DIR", "/proc/none"),
    dxnn_completion:completion_signal(),
    ?assertEqual({error, enoent}, file:list_dir(filename:join(Directory, "new"))).

%% The one pair of files, and nothing beside it.
written(Directory) ->
    {ok, Names} = file:list_dir(filename:join(Directory, "new")),
    [Dump, Metadata] = lists:sort(Names),
    Stem = filename:rootname(Dump),
    ?assertEqual({Stem ++ ".dmp", Stem ++ ".metadata.json"}, {Dump, Metadata}),
    {ok, Bytes} = file:read_file(filename:join([Directory, "new", Metadata])),
    {Stem, binary_to_list(Bytes)}.

taken_at(Stem) ->
    re:replace(Stem, "completion-(....)(..)(..)-(..)(..)(..)Z", "\\1-\\2-\\3T\\4:\\5:\\6Z",
        [{return, list}]).
